"""Frozen seq2seq policies as the forward and backward models of dialogue rewards."""

from __future__ import annotations

import numpy as np
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, TextTask, TokenSequences
from lhy_rl.data.conversations import backward_pairs
from lhy_rl.nn.decoding import token_log_probs
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.policies.actor_critic import ActorCritic


class PolicyScorer:
    """Scores replies with two policies trained on human dialogues; a :class:`~lhy_rl.core.protocols.ReplyScorer`.

    Args:
        forward: Policy that writes a reply to a context.
        backward: Policy that writes the turn that a reply answers
            (:func:`~lhy_rl.data.conversations.backward_pairs`); None for rewards that do not need it.
        task: The text task that the tokens belong to.
    """

    def __init__(self, forward: ActorCritic, backward: ActorCritic | None, task: TextTask) -> None:
        self.forward_policy, self.backward_policy, self.task = forward, backward, task

    def forward(self, pairs: TokenSequences) -> np.ndarray:
        """(N,) log p(reply | source) in nats."""
        return self._log_prob(self.forward_policy, pairs)

    def backward(self, pairs: TokenSequences) -> np.ndarray:
        """(N,) log p(last turn of the source | reply) in nats.

        Raises:
            UserError: There is no backward policy.
        """
        if self.backward_policy is None:
            raise UserError("the reward needs p(previous turn | reply); the scorer must have a backward policy")
        assert self.task.end_token is not None
        return self._log_prob(self.backward_policy, backward_pairs(pairs, self.task.end_token, self.task.pad_token))

    def similarity(self, first: TokenSequences, second: TokenSequences) -> np.ndarray:
        """(N,) cosine similarity of two utterances' encodings by the forward policy."""
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
