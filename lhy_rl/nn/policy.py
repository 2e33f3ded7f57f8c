"""The policy of every agent: encoder, then a sequence backbone or none, then an actor head and a critic head."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.errors import UserError
from lhy_rl.nn.encoders import default_encoder, encoders
from lhy_rl.nn.heads import CategoricalHead
from lhy_rl.nn.sequence import SequenceBackbone, State, cores


class Evaluation(NamedTuple):
    """What :meth:`ActorCritic.evaluate` says of a batch, each (T, B)."""

    log_prob: Tensor
    value: Tensor | None
    log_probs: Tensor | None = None
    """(T, B, A) of all actions, where asked for."""


class ActorCritic(nn.Module):
    """An actor and a critic on shared features.

    Args:
        observation_space: ``Discrete`` (tokens) or ``Box`` (flat).
        action_space: ``Discrete``.
        encoder: Name of the encoder, or ``auto`` for the one that fits the space.
        core: Name of the sequence backbone (``rnn``, ``gru``, ``lstm``) or None for a memoryless policy.
        embedding_size: E, width of the encoder's output.
        hidden_size: H, width of the backbone.
        num_layers: Layers of the backbone.
        dropout: Share of the encoder's and backbone's outputs dropped in training. Raise it when the
            validation loss turns up; 0.5 suits small corpora.
        critic: Whether there is a critic head.
        init_std: Draw all weights from N(0, init_std) as SeqGAN's code does (0.1); None keeps torch's initialisation.

    Raises:
        UserError: an unknown name or a space that no encoder or head fits.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        *,
        encoder: str = "auto",
        core: str | None = "lstm",
        embedding_size: int = 32,
        hidden_size: int = 32,
        num_layers: int = 1,
        dropout: float = 0.0,
        critic: bool = True,
        init_std: float | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(action_space, gym.spaces.Discrete):
            raise UserError(f"no actor head for actions of {action_space}; allowed spaces: Discrete")
        name = default_encoder(observation_space) if encoder == "auto" else encoder
        self.first_action = int(action_space.start)
        self.encoder = encoders.get(name)(observation_space, embedding_size)
        self.core: SequenceBackbone | None = None
        width = self.encoder.output_size
        if core is not None:
            self.core = cores.get(core)(width, hidden_size, num_layers)
            width = self.core.output_size
        self.dropout = nn.Dropout(dropout)
        self.actor = CategoricalHead(width, int(action_space.n))
        self.critic = nn.Linear(width, 1) if critic else None
        if init_std is not None:
            for parameter in self.parameters():
                nn.init.normal_(parameter, std=init_std)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.actor.linear.weight.device

    def initial_state(self, batch_size: int) -> State:
        """The memory at the start of an episode; empty without a backbone."""
        return self.core.initial_state(batch_size) if self.core is not None else ()

    def features(self, obs: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        """(T, B, ...) observations to (T, B, H) features and the state after the last step."""
        h = self.dropout(self.encoder(obs))
        if self.core is not None:
            h, state = self.core(h, state, start)
            h = self.dropout(h)
        return h, state

    def step(self, obs: Tensor, state: State, start: Tensor | None = None) -> tuple[Tensor, State]:
        """One step: (B, ...) observations to (B, H) features; ``start`` (B,) bool, none where left out."""
        if start is None:
            start = torch.zeros(len(obs), dtype=torch.bool, device=obs.device)
        h, state = self.features(obs[None], state, start[None])
        return h[0], state

    @torch.no_grad()
    def act(
        self,
        obs: Tensor,
        state: State,
        start: Tensor | None = None,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> tuple[Tensor, State]:
        """Choose actions for one step.

        Args:
            obs: (B, ...).
            state: Memory before the step.
            start: (B,) bool: an episode begins with this observation.
            generator: Owner of the randomness.
            deterministic: Take the most probable action.
            temperature: Of the softmax; 0 is deterministic.
            top_k: Draw among the k most probable actions only.

        Returns:
            Actions (B,) int64 and the memory after the step.
        """
        h, state = self.step(obs, state, start)
        action = self.actor.sample(h, generator, 0.0 if deterministic else temperature, top_k)
        return action + self.first_action, state

    def value(self, h: Tensor) -> Tensor:
        """(..., H) features to (...) values."""
        assert self.critic is not None, "this policy was made with critic=False"
        return self.critic(h)[..., 0]  # type: ignore[no-any-return]

    def evaluate(
        self,
        obs: Tensor,
        actions: Tensor,
        state: State,
        start: Tensor,
        mask: Tensor | None = None,
        temperature: float = 1.0,
        all_actions: bool = False,
    ) -> Evaluation:
        """Log-probabilities and values of what was done, for learning.

        Args:
            obs: (T, B, ...).
            actions: (T, B).
            state: Memory before the first step.
            start: (T, B) bool.
            mask: (T, B) bool: where the log-probability is wanted; it is 0 elsewhere, and nothing is computed there.
            temperature: Of the softmax.
            all_actions: Also give the log-probabilities of all actions (for entropy and KL); this costs (T, B, A).

        Returns:
            Log-probability and, with a critic, value of each step, (T, B).
        """
        h, _ = self.features(obs, state, start)
        value = self.value(h) if self.critic is not None else None
        index = actions - self.first_action
        if all_actions:
            log_probs = torch.log_softmax(self.actor.logits(h) / temperature, -1)
            return Evaluation(log_probs.gather(-1, index[..., None])[..., 0], value, log_probs)
        if mask is None:
            mask = torch.ones_like(actions, dtype=torch.bool)
        log_prob = h.new_zeros(actions.shape)
        log_prob[mask] = self.actor.log_prob(h[mask], index[mask], temperature)
        return Evaluation(log_prob, value)
