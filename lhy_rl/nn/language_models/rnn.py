"""Recurrent language models: a state summarises all earlier tokens of the sentence (Mikolov et al. 2010).

    h_t = core(C(x_t-1), h_t-1),     log p(x_t | x_<t) = log softmax(W h_t + b)[x_t]

That is a policy whose observation is the last token and whose action is the next one. So the model is an
:class:`~lhy_rl.nn.policies.actor_critic.ActorCritic` on the suite's backbones, and a trained agent's policy (of ``mle``
for instance) is a language model without further training (:class:`PolicyModel`).
"""

from __future__ import annotations

from typing import Any, Self, cast

import numpy as np
import torch
from gymnasium.spaces import Discrete
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TextTask, TokenSequences
from lhy_rl.core.validation import integer
from lhy_rl.nn.backbones.base import CoreChoice
from lhy_rl.nn.decoding import starts, token_log_probs
from lhy_rl.nn.language_models.base import LanguageModel
from lhy_rl.nn.language_models.network import NetworkModel
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.policies.actor_critic import ActorCritic


class RecurrentModel(NetworkModel):
    """A recurrent network over token vectors: ``rnn``, ``gru``, ``lstm``, or any other backbone of the suite.

    Args:
        vocabulary_size: V, number of tokens that may come next.
        core: Name of the sequence backbone.
        embedding_size: E, width of a token's vector.
        hidden_size: H, width of the backbone.
        num_layers: Layers of the backbone.
        dropout: Share of the token vectors and of the backbone's outputs dropped in training (Zaremba et al. 2014).
        **training: ``epochs``, ``learning_rate``, ``batch_size``, ``max_grad_norm``, ``seed`` and ``device`` of
            :class:`~lhy_rl.nn.language_models.network.NetworkModel`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        core: CoreChoice = "gru",
        embedding_size: int = 64,
        hidden_size: int = 128,
        num_layers: int = 1,
        dropout: float = 0.0,
        **training: Any,
    ) -> None:
        self.core, self.dropout = core, dropout
        self.embedding_size = integer("embedding_size", embedding_size, 1)
        self.hidden_size, self.num_layers = integer("hidden_size", hidden_size, 1), integer("num_layers", num_layers, 1)
        super().__init__(vocabulary_size, **training)
        self.initialize()

    def make_network(self) -> nn.Module:
        return ActorCritic(
            Discrete(self.vocabulary_size + 1), Discrete(self.vocabulary_size), embedding_size=self.embedding_size,
            core=self.core, hidden_size=self.hidden_size, num_layers=self.num_layers, dropout=self.dropout,
            critic="none",
        )  # fmt: skip

    def token_log_probs(self, tokens: Tensor, mask: Tensor) -> Tensor:
        policy, actions = cast(ActorCritic, self.network), tokens.T  # (T, N)
        obs = torch.cat([torch.full_like(actions[:1], self.vocabulary_size), actions[:-1]])
        return policy.evaluate(obs, actions, policy.initial_state(len(tokens)), starts(obs), mask.T).log_prob.T


class PolicyModel(LanguageModel):
    """A trained policy of a text task, as a language model; it is saved with its agent.

    Args:
        policy: A policy that observes the last token and chooses the next one; it scores without dropout.
        task: The text task that it was trained on.
    """

    def __init__(self, policy: ActorCritic, task: TextTask) -> None:
        super().__init__(task.vocabulary_size)
        self.policy, self.task = policy, task

    def fit(self, sequences: TokenSequences, validation: TokenSequences | None = None) -> Self:
        raise UserError("this language model is an agent's policy; train the agent (mle, for example)")

    def score(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        with evaluating(self.policy):
            return token_log_probs(self.policy, TokenSequences(tokens, lengths), self.task).astype(np.float64)

    def state_dict(self) -> dict[str, Any]:
        return self.policy.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        raise UserError("this language model is an agent's policy; load the agent")
