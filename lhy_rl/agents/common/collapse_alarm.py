"""An alarm for policies that write the same again and again.

Rewards like fluency, ease of answering or a discriminator's do not measure variety, and the likelihood of held-out text
may not fall when it is lost: in prototypes distinct-2 fell to a twentieth while the perplexity stayed. So the generated
sentences are compared with the data itself, with equal numbers of sentences and tokens.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TextTask, TokenSequences
from lhy_rl.core.validation import check
from lhy_rl.functional.text_metrics import count_tokens, distinct_per_token, unpadded
from lhy_rl.nn.decoding import sample
from lhy_rl.nn.layers.eval_mode import evaluating


class CollapseWarning(UserWarning):
    """What a policy writes has lost most of the data's variety."""


class CollapseAlarm:
    """Warns, in one line, when distinct-2 or the share of different sentences falls below a share of the data's.

    It warns once; again only after the variety has come back in between. As a callback of ``learn`` it samples
    sentences from the policy at intervals, with its own generator; :meth:`check` takes sentences that you have already.

    Args:
        task: The text task: its data are compared with, and its end token ends a sentence.
        share: Share of the data's variety below which the alarm goes off. 0.25 lets a sharp policy pass; a greedy one,
            or answers to few questions, need less.
        sentences: Number of sentences that are compared.
        interval: Updates between two checks, as a callback.
        data: The sentences to compare with; None takes the task's validation split.
    """

    def __init__(
        self,
        task: TextTask,
        share: float = 0.25,
        sentences: int = 300,
        interval: int = 10,
        data: TokenSequences | None = None,
    ) -> None:
        check(share=(share, 0, 1), sentences=(sentences, 2), interval=(interval, 1))
        self.task, self.share, self.sentences, self.interval = task, share, sentences, interval
        data = task.sequences("validation") if data is None else data
        if len(data) < 2:
            raise UserError(f"the collapse alarm needs at least 2 sentences of data; given: {len(data)}")
        self.data, self.answered = self._words(data[:sentences]), data if data.sources is not None else None
        self.collapsed = False
        self.calls = 0

    def __call__(self, agent: Any, metrics: dict[str, Any]) -> None:
        """Check the agent's policy, every ``interval`` updates."""
        self.calls += 1
        if self.calls % self.interval == 0:
            generator = torch.Generator(device=agent.policy.device).manual_seed(self.calls)
            with evaluating(agent.policy):
                self.check(sample(agent.policy, self.task, self.sentences, generator, answered=self.answered))

    def check(self, written: TokenSequences) -> dict[str, float]:
        """Compare sentences with the data, and warn where they have collapsed.

        Returns:
            ``distinct2`` (Li et al. 2016: distinct bigrams per token) and ``different`` (the share of distinct
            sentences) of these sentences, and ``data_distinct2`` and ``data_different`` of equally much of the data.
        """
        own, data = self._words(written[: len(self.data)]), self.data
        data = data[: len(own)]
        tokens = max(1, min(count_tokens(own), count_tokens(data)))
        row = {}
        for prefix, sentences in (("", own), ("data_", data)):
            row[f"{prefix}distinct2"] = distinct_per_token(sentences, 2, tokens)
            row[f"{prefix}different"] = len(set(map(tuple, sentences))) / max(len(sentences), 1)
        found = {"distinct-2": "distinct2", "different sentences": "different"}
        low = {name: key for name, key in found.items() if row[key] < self.share * row[f"data_{key}"]}
        if low and not self.collapsed:
            what = " and ".join(f"{k} {row[key]:.3g} (the data's: {row[f'data_{key}']:.3g})" for k, key in low.items())
            cure = "raise kl_coef, likelihood_coef or entropy_coef, or change the reward"
            warnings.warn(f"the policy repeats itself: {what}; {cure}", CollapseWarning, stacklevel=2)
        self.collapsed = bool(low)
        return row

    def _words(self, sequences: TokenSequences) -> list[list[int]]:
        return unpadded(sequences.tokens, self.task.end_token, sequences.lengths)
