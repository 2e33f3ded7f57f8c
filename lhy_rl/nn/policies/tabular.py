"""A tabular policy, as planning finds it, with the interface of every other policy."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium.spaces import Discrete
from torch import Tensor, nn

from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.randomness import OwnRandomness

LEAST = 1e-30  # stands for probability 0, so that logarithms are finite


class Table(nn.Module):
    """Logits for each time step and state; its memory is a step counter, (B,) int64. The last row serves all later
    steps, too."""

    logits: Tensor

    def __init__(self, horizon: int, num_states: int, num_actions: int) -> None:
        super().__init__()
        self.register_buffer("logits", torch.zeros(horizon, num_states, num_actions))
        self.output_size = num_actions

    def initial_state(self, batch_size: int) -> State:
        """Step counters at 0; empty for a table that does not depend on the time."""
        timeless = len(self.logits) == 1
        return () if timeless else (torch.zeros(batch_size, dtype=torch.long, device=self.logits.device),)

    def forward(
        self, obs: Tensor, state: State, start: Tensor | None, valid: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """(T, B) states to (T, B, A) logits, and the step counters after the last step."""
        if not state:
            return self.logits[0][obs.long()], ()
        (clock,), rows = state, []
        for t, at in enumerate(obs.long()):
            clock = clock if start is None else torch.where(start[t], 0, clock)
            rows.append(self.logits[clock.clamp(max=len(self.logits) - 1), at])
            clock = clock + 1
        return torch.stack(rows), (clock,)


class TabularPolicy(ActorCritic):
    """Action probabilities for each state, and for each time step if the task has a horizon.

    Args:
        observation_space: S states, numbered from 0.
        action_space: A actions.
        horizon: T, number of time steps; 1 for a policy that does not depend on the time.
    """

    trunk: Table  # type: ignore[assignment]

    def __init__(self, observation_space: Discrete, action_space: Discrete, horizon: int = 1) -> None:
        num_actions = int(action_space.n)
        with OwnRandomness(0):  # the weights drawn here are replaced below
            super().__init__(observation_space, action_space, embedding_size=num_actions, core=None, critic="none")
        self.trunk = Table(horizon, int(observation_space.n), num_actions)
        self.recurrent = horizon > 1
        with torch.no_grad():
            self.actor.output.weight.copy_(torch.eye(num_actions))
            self.actor.output.bias.zero_()
        self.requires_grad_(False)

    def set(self, probabilities: np.ndarray) -> None:
        """Set the probabilities, (T, S, A) or (S, A)."""
        table = torch.as_tensor(probabilities).clamp(min=LEAST).log()
        self.trunk.logits.copy_(table.expand(self.trunk.logits.shape))
