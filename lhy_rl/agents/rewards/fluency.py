"""Fluency as a reward: the log-likelihood of sentences under a language model.

    token        r_t = log p(x_t | x_<t)                                     sums to log p(x)
    end          r_T = (1 / T) sum_t log p(x_t | x_<t), 0 before             the mean per token
    potential    r_t = F(x_<=t) - F(x_<t),   F(x_<=t) = (1 / t) sum_s<=t log p(x_s | x_<s),   F() = 0

The third sums to the second, and rewards each token by its own contribution. The sum of the first is highest for short
sentences, the mean of the others for the likeliest ones, and none of them rewards variety: a policy that maximises
fluency alone writes one sentence again and again (benchmarks/fluency_collapse.py). A penalty KL(policy || MLE policy)
prevents it (``kl_coef`` of ``reinforce``); :class:`~lhy_rl.agents.common.collapse_alarm.CollapseAlarm` detects it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.common.reward_model import RewardModel
from lhy_rl.core.validation import choice
from lhy_rl.functional.text_metrics import distinct_per_token, unpadded
from lhy_rl.nn.language_models.base import LanguageModel, make_language_model
from lhy_rl.rollouts.full_episodes import Episodes
from lhy_rl.rollouts.rollout import Rollout

FORMS = ("token", "end", "potential")


class FluencyReward(RewardModel):
    """The log-probability of a sentence's tokens under a language model, in nats; for text tasks.

    Args:
        language_model: A fitted :class:`~lhy_rl.nn.language_models.base.LanguageModel`, its ``.zip``, or the name of
            one, which is then fitted on the task's training sentences.
        form: ``token``, ``end`` or ``potential``, as in this module's docstring.
        **options: Options of the language model, if its name is given.

    Logs ``rollout/learned_reward_mean`` (per token), ``rollout/perplexity`` of the generated sentences, and
    ``rollout/distinct2``, their distinct bigrams per token.
    """

    needs_raw_obs = False
    model: LanguageModel

    def __init__(self, language_model: Any = "ngram", form: str = "potential", **options: Any) -> None:
        self.given, self.form, self.options = language_model, choice("form", form, FORMS), options
        self.begun = np.zeros((0, 0), np.int64), np.zeros(0, np.int64)
        """Tokens (B, L) and lengths (B,) of the sentences that the last rollout left unfinished."""

    def attach(self, agent: Agent) -> None:
        task = agent.task
        self.end_token = task.end_token
        self.model = make_language_model(self.given, task.vocabulary_size, **self.options)
        if isinstance(self.given, type) or (isinstance(self.given, str) and not self.given.endswith(".zip")):
            self.model.fit(task.sequences("train"), task.sequences("validation"))

    def relabel(self, rollout: Episodes | Rollout) -> Metrics:
        valid = rollout.valid.cpu().numpy()
        if isinstance(rollout, Rollout):
            done = ((rollout.terminated | rollout.truncated) & rollout.valid).cpu().numpy()
            fresh = rollout.start[0].cpu().numpy()
            begun = self.begun if len(self.begun[1]) == len(fresh) else None
        else:
            last = rollout.lengths.cpu().numpy() - 1
            done = np.arange(len(valid))[:, None] == last
            fresh, begun = np.ones(len(last), bool), None
        sentences = Sentences(rollout.actions.cpu().numpy(), valid, done, fresh, begun)
        if isinstance(rollout, Rollout):
            self.begun = sentences.unfinished
        log_probs = self.model.log_probs(sentences.tokens, sentences.lengths)  # (S, L)
        rewards = np.where(valid, self._rewards(log_probs)[sentences.row, sentences.place], 0.0)
        if self.form == "end":
            rewards = np.where(done, rewards, 0.0)
        rollout.rewards = torch.as_tensor(rewards).to(rollout.rewards)
        nll = -float(log_probs[sentences.row, sentences.place][valid].mean())
        words = unpadded(sentences.tokens, self.end_token, sentences.lengths)
        return {
            "rollout/learned_reward_mean": float(rewards[valid].mean()),
            "rollout/perplexity": float(np.exp(nll)),
            "rollout/distinct2": distinct_per_token(words, 2),
        }

    def _rewards(self, log_probs: np.ndarray) -> np.ndarray:
        """(S, L) log-probabilities to rewards; with ``end`` the reward of each token if it were the last."""
        if self.form == "token":
            return log_probs
        means = log_probs.cumsum(1) / np.arange(1, log_probs.shape[1] + 1)
        return means if self.form == "end" else np.diff(means, axis=1, prepend=0.0)

    def state_dict(self) -> dict[str, Any]:
        return {"language_model": self.model.state_dict(), "tokens": self.begun[0], "lengths": self.begun[1]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["language_model"])
        tokens, lengths = self.model.checked(state["tokens"], state["lengths"])
        self.begun = tokens, lengths


class Sentences:
    """The sentences, or parts of sentences, that B columns of T steps wrote, one per row.

    Args:
        actions: (T, B) tokens.
        valid: (T, B) bool: the steps that wrote a token.
        done: (T, B) bool: the steps that ended a sentence.
        fresh: (B,) bool: a sentence begins with the first step.
        begun: Tokens (B, L) and lengths (B,) of sentences begun in the last rollout; None if there are none.

    Attributes:
        tokens, lengths: (S, L) and (S,).
        row, place: (T, B), the row and the place in it of each step's token; anything where the step is not valid.
        unfinished: As ``begun``, after the last step.
    """

    def __init__(
        self,
        actions: np.ndarray,
        valid: np.ndarray,
        done: np.ndarray,
        fresh: np.ndarray,
        begun: tuple[np.ndarray, np.ndarray] | None,
    ) -> None:
        before = np.zeros(len(fresh), np.int64) if begun is None else np.where(fresh, 0, begun[1])
        number = done.cumsum(0) - done  # of the step's sentence in its column
        written = valid.cumsum(0) - valid  # tokens of the column before this step
        begins = np.concatenate([np.ones((1, len(fresh)), bool), done[:-1]])
        first = np.maximum.accumulate(np.where(begins, written, 0))
        self.place = written - first + np.where(number == 0, before, 0)
        columns = number[-1] + 1
        self.row = number + columns.cumsum() - columns
        self.lengths = np.zeros(columns.sum(), np.int64)
        self.lengths[self.row[0]] = before
        np.maximum.at(self.lengths, self.row[valid], self.place[valid] + 1)
        self.place = np.minimum(self.place, max(int(self.lengths.max()) - 1, 0))  # clamped for steps that only reset
        self.tokens = np.zeros((len(self.lengths), int(self.lengths.max())), np.int64)
        if begun is not None:
            kept = np.arange(begun[0].shape[1]) < before[:, None]
            column, at = kept.nonzero()
            self.tokens[self.row[0][column], at] = begun[0][kept]
        self.tokens[self.row[valid], self.place[valid]] = actions[valid]
        last = self.row[-1]
        self.unfinished = self.tokens[last], np.where(done[-1], 0, self.lengths[last])
