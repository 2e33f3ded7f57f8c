"""What a run's policies are worth, measured with generators of the evaluation's own.

Text is judged by both directions of the likelihood, overlap and diversity; other tasks by the episodic return.
One number alone misleads: a policy that repeats its best sentence has a splendid ``nll_oracle`` and BLEU, and
``nll_test`` and self-BLEU show it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.protocols import TextTask, TokenSequences

if TYPE_CHECKING:
    from lhy_rl.functional.text_metrics import BleuScorer
    from lhy_rl.nn.policies.actor_critic import ActorCritic

SEED = 20_170_101  # of every evaluation; no training seed comes near it
REFERENCES = 5000  # held-out sentences that BLEU compares with
REAL = "held-out text"  # the reference row
AS_TEXT = "as the text"  # best where it is nearest to the reference row
GLOSSARY = {  # metric: (direction, meaning)
    "nll_oracle": (
        "lower",
        "true negative log-likelihood of own sentences, nats a token; below the real text's: too cautious",
    ),
    "nll_test": ("lower", "negative log-likelihood that the policy gives to held-out sentences, nats a token"),
    "bleu2": ("higher", "n-grams of the policy's sentences that occur in held-out sentences (BLEU-2, 0 to 1)"),
    "bleu3": ("higher", "BLEU-3 against held-out sentences"),
    "bleu4": ("higher", "BLEU-4 against held-out sentences"),
    "self_bleu2": (AS_TEXT, "BLEU-2 of the policy's sentences against each other: 1 repeats itself"),
    "self_bleu3": (AS_TEXT, "BLEU-3 against each other"),
    "self_bleu4": (AS_TEXT, "BLEU-4 against each other"),
    "distinct2": (AS_TEXT, "different bigrams per bigram written"),
    "distinct3": (AS_TEXT, "different trigrams per trigram written"),
    "unique": ("higher", "different sentences per sentence written"),
    "mean_length": (AS_TEXT, "tokens a sentence"),
    "mean_return": ("higher", "sum of an episode's rewards, mean over the evaluation's episodes"),
    "std_return": ("", "standard deviation of that sum"),
    "mean_episode_length": ("", "steps an episode"),
}


@dataclass
class Evaluation:
    """An evaluation's result.

    Attributes:
        table: Row (a policy's name, or the reference) to metric to value.
        samples: Row to sentences.
    """

    table: dict[str, dict[str, float]] = field(default_factory=dict)
    samples: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Evaluator:
    """Judges an agent, without touching its environment's state or its generators.

    Attributes:
        agent: The agent, with ``policies`` to compare and ``policy`` in training.
        env: Its environment; a text task is asked for sentences only.
        make_env: Makes an environment to play episodes in, for tasks that are not text.
        sentences: How many are drawn from each policy and taken from the held-out split for BLEU.
        episodes: For tasks that are not text.
        samples: Sentences shown.
    """

    agent: Any
    env: Any
    make_env: Callable[[], Any]
    sentences: int = 1000
    episodes: int = 20
    samples: int = 10

    @property
    def is_text(self) -> bool:
        """Whether the task is to write sentences."""
        return isinstance(self.env.unwrapped, TextTask)

    def check(self) -> None:
        """Refuse at once what :meth:`full` would fail of when the training is over.

        Raises:
            UserError: a split of the text with too few sentences.
        """
        if not self.is_text:
            return
        for split, least in (("validation", 2), ("test", 1)):  # self-BLEU compares them with each other
            found = len(self.env.unwrapped.sequences(split))
            if found < least:
                raise UserError(
                    f"the text has {found} sentence{'s' * (found != 1)} for {split}, and the evaluation needs "
                    f"at least {least}; give more text, or leave out less of it (env.max_length, env.min_count)"
                )

    def full(self) -> Evaluation:
        """Every policy and, for text, the row of real sentences; ``nll_test`` is over the whole test split."""
        result = Evaluation()
        if not self.is_text:
            result.table[self.newest] = self.mean_return()
            return result
        from lhy_rl.functional.text_metrics import BleuScorer, cut_sentences
        from lhy_rl.nn.decoding import nll_per_token, sample

        task = self.env.unwrapped
        test = task.sequences("test")
        heard = part(test, REFERENCES)
        references = BleuScorer(cut_sentences(heard.tokens, task.end_token, heard.lengths))
        real = part(task.sequences("validation"), self.sentences)
        for name, policy in self.agent.policies.items():
            with judged(policy) as generator:
                written = sample(policy, task, self.sentences, generator)
                likelihood = {"nll_test": nll_per_token(policy, test, task)}
            result.table[name] = self.judge(written, likelihood, references, len(real))
            result.samples[name] = decode(task, written, self.samples)
        result.table[REAL] = self.judge(real, {}, references, len(real))
        result.samples[REAL] = decode(task, real, self.samples)
        return result

    def judge(
        self, written: TokenSequences, likelihood: dict[str, float], references: BleuScorer, equal: int
    ) -> dict[str, float]:
        """One row of the table; ``equal`` as :func:`overlap` takes it."""
        task = self.env.unwrapped
        true = {"nll_oracle": true_nll(task, written)} if known_density(task) else {}
        return true | likelihood | overlap(written, references, task, equal)

    def quick(self) -> tuple[dict[str, float], float]:
        """The policy in training, in a moment.

        Returns:
            The columns ``eval/...`` and the selection value: lower is better. It is nll_validation, plus nll_oracle
            where the density is known (the pair, so that neither dropping modes nor mere smoothness wins), else minus
            the mean return.
        """
        if not self.is_text:
            returns = self.mean_return()
            return {f"eval/{name}": value for name, value in returns.items()}, -returns["mean_return"]
        from lhy_rl.nn.decoding import nll_per_token, sample

        task, policy = self.env.unwrapped, self.agent.policy
        row: dict[str, float] = {}
        with judged(policy) as generator:
            validation = part(task.sequences("validation"), self.sentences)
            row["eval/nll_validation"] = nll_per_token(policy, validation, task)
            if known_density(task):
                row["eval/nll_oracle"] = true_nll(task, sample(policy, task, self.sentences, generator))
        return row, sum(row.values())

    def sentences_now(self) -> list[str]:
        """Some sentences of the policy in training; none where the task is not text."""
        if not self.is_text or not self.samples:
            return []
        return write_sentences(self.agent, self.env, self.samples)

    @property
    def newest(self) -> str:
        """The name of the policy in training."""
        return str(list(self.agent.policies)[-1])

    def mean_return(self) -> dict[str, float]:
        """Episodic return of the deterministic policy, with the evaluation's seed."""
        from lhy_rl.rollouts.evaluate_policy import play

        def predict(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[np.ndarray, Any]:
            actions, memory = self.agent.predict(obs, state, start, True, masks)
            return actions, memory

        env = self.make_env()
        try:
            returns, lengths = play(predict, env, self.episodes, SEED)
        finally:
            env.close()
        return {
            "mean_return": float(returns.mean()),
            "std_return": float(returns.std()),
            "mean_episode_length": float(lengths.mean()),
        }


def write_sentences(
    agent: Any,
    env: Any,
    n: int,
    policy: str | None = None,
    method: str = "sample",
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = SEED,
) -> list[str]:
    """Sentences of one policy as text.

    Args:
        policy: A name in ``agent.policies``; None takes the newest.
        method: ``sample``, ``greedy`` (one sentence) or ``beam`` (the n best of a beam of width n, best first).

    Raises:
        UserError: not a text task, unknown policy, an option out of range.
    """
    from lhy_rl.nn.decoding import beam_search, sample

    task = env.unwrapped
    if not isinstance(task, TextTask):
        raise UserError("this run's environment is not a text task; it has no sentences to sample")
    if policy is not None and policy not in agent.policies:
        raise suggest(policy, agent.policies, "policy")
    if n < 1:
        raise UserError(f"the number of sentences, -n, is {n}; it must be at least 1")
    if not 0 <= temperature < math.inf:
        raise UserError(f"temperature is {temperature}; it must be a number of 0 (greedy) or more")
    if top_k is not None and top_k < 1:
        raise UserError(f"top-k is {top_k}; it must be at least 1")
    chosen = agent.policy if policy is None else agent.policies[policy]
    with judged(chosen, seed) as generator:
        if method == "beam":
            written, _ = beam_search(chosen, task, n)
        elif method == "greedy":
            written = sample(chosen, task, 1, generator, temperature=0.0)
        else:
            written = sample(chosen, task, n, generator, temperature, top_k)
    return decode(task, written, len(written))


@contextmanager
def judged(policy: ActorCritic, seed: int = SEED) -> Iterator[Any]:
    """The policy in evaluation mode and a generator of the evaluation's own."""
    import torch

    training = policy.training
    policy.eval()
    try:
        with torch.no_grad():
            yield torch.Generator(device=policy.device).manual_seed(seed)
    finally:
        policy.train(training)


def known_density(task: Any) -> bool:
    """Whether the task knows the true likelihood of a sentence."""
    return getattr(task, "log_likelihood", None) is not None


def true_nll(task: Any, sequences: TokenSequences) -> float:
    """Mean negative log-likelihood of sentences under the task's true distribution, nats a token."""
    return float(-np.sum(task.log_likelihood(sequences.tokens)) / sequences.lengths.sum())


def overlap(written: TokenSequences, references: BleuScorer, task: TextTask, equal: int) -> dict[str, float]:
    """BLEU against references, BLEU against each other, and how much of what is written is different.

    Args:
        equal: How many sentences the measures of diversity take. The more there are, the more they repeat each other,
            so every row must have as many.
    """
    from lhy_rl.functional.text_metrics import cut_sentences, distinct_n, self_bleu

    sentences = cut_sentences(written.tokens, task.end_token, written.lengths)
    row = {f"bleu{n}": value for n, value in references.score(sentences).items()}
    compared = sentences[:equal]
    row |= {f"self_bleu{n}": value for n, value in self_bleu(compared).items()}
    row |= {f"distinct{n}": distinct_n(compared, n) for n in (2, 3)}
    row["unique"] = len(set(map(tuple, compared))) / len(compared)
    row["mean_length"] = float(np.mean([len(sentence) for sentence in sentences]))
    return row


def part(sequences: TokenSequences, n: int) -> TokenSequences:
    """The first n sentences, or all."""
    return sequences[slice(0, n)]


def decode(task: Any, sequences: TokenSequences, n: int) -> list[str]:
    """The first n sentences as text."""
    shown = sequences[slice(0, n)]
    return [str(task.decode(row[:length])) for row, length in zip(shown.tokens, shown.lengths, strict=True)]
