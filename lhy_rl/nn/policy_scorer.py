"""Frozen seq2seq policies as the forward and backward models of dialogue rewards."""

from __future__ import annotations

import numpy as np
import torch

from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, TextTask, TokenSequences
from lhy_rl.nn.decoding import token_log_probs
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.policies.actor_critic import ActorCritic


class PolicyScorer:
    """Scores replies with two policies that learned from people; a :class:`~lhy_rl.core.protocols.ReplyScorer`.

    Args:
        forward: Writes a reply to a context.
        backward: Writes the turn that a reply answers (:func:`backward_pairs`).
        task: Whose tokens.
    """

    def __init__(self, forward: ActorCritic, backward: ActorCritic, task: TextTask) -> None:
        self.forward_policy, self.backward_policy, self.task = forward, backward, task

    def forward(self, pairs: TokenSequences) -> np.ndarray:
        """(N,) log p(reply | source) in nats."""
        return self._log_prob(self.forward_policy, pairs)

    def backward(self, pairs: TokenSequences) -> np.ndarray:
        """(N,) log p(last turn of the source | reply) in nats."""
        return self._log_prob(self.backward_policy, backward_pairs(pairs, self.task))

    def similarity(self, first: TokenSequences, second: TokenSequences) -> np.ndarray:
        """(N,) cosine of what the forward policy's encoder makes of two utterances."""
        a, b = self._encoded(first), self._encoded(second)
        scale = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosine: np.ndarray = (a * b).sum(1) / np.maximum(scale, 1e-9)
        return cosine

    def _log_prob(self, policy: ActorCritic, pairs: TokenSequences) -> np.ndarray:
        with evaluating(policy):
            total: np.ndarray = token_log_probs(policy, pairs, self.task).sum(1, dtype=np.float64)
        return total

    @torch.no_grad()
    def _encoded(self, utterances: TokenSequences) -> np.ndarray:
        """(N, E) the encoder's summaries."""
        policy, device = self.forward_policy, self.forward_policy.device
        reader = policy.trunk.source
        assert reader is not None
        obs = {
            SOURCE: torch.as_tensor(utterances.tokens, device=device),
            SOURCE_MASK: torch.as_tensor(utterances.mask, device=device),
        }
        with evaluating(policy):
            summary = reader.encode(obs[SOURCE], obs[SOURCE_MASK])[0]
        encoded: np.ndarray = summary.double().cpu().numpy()
        return encoded


def backward_pairs(pairs: TokenSequences, task: TextTask) -> TokenSequences:
    """Pairs turned round: the last turn of each source as an answer to its reply."""
    assert pairs.sources is not None and task.end_token is not None
    ends = np.cumsum((pairs.sources == task.end_token)[:, ::-1], 1)[:, ::-1]
    mine = (ends == 1) & (pairs.sources != task.pad_token)
    order = np.argsort(~mine, axis=1, kind="stable")
    lengths = mine.sum(1)
    longest = max(int(lengths.max(initial=0)), 1)
    filled = np.arange(pairs.sources.shape[1]) < lengths[:, None]
    turns = np.where(filled, np.take_along_axis(pairs.sources, order, 1), task.pad_token)
    sources, room = pairs.tokens, max(pairs.sources.shape[1] - pairs.tokens.shape[1], 0)
    return TokenSequences(
        turns[:, :longest], lengths, np.pad(sources, ((0, 0), (0, room)), constant_values=task.pad_token), pairs.lengths
    )
