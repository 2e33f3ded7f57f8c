"""A reward model is given to an agent, which then maximises its rewards instead of the environment's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.errors import UserError
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.rollouts.fixed_length import Rollout
from lhy_rl.rollouts.transitions import transitions_of

if TYPE_CHECKING:
    from lhy_rl.agents.common.agent import Metrics


class RewardModel:
    """Rewards in place of the environment's: of transitions (:meth:`rewards`), or of whole rollouts (:meth:`relabel`).

    A subclass gives one of the two. One that learns, or counts, brings its own state.
    """

    def rewards(self, steps: Transitions) -> np.ndarray | Tensor:
        """(N,) rewards of transitions as the environment gave and took them; ``steps.rewards`` are its own.

        Raises:
            UserError: it rewards whole rollouts only.
        """
        raise UserError(f"{type(self).__name__} has no rewards of single transitions")

    def relabel(self, rollout: Rollout) -> Metrics:
        """Replace the rewards of a rollout; what there is to log."""
        rewards = torch.as_tensor(self.rewards(transitions_of(rollout))).to(rollout.rewards)
        rollout.rewards = torch.zeros_like(rollout.rewards).masked_scatter(rollout.valid, rewards)
        return {"rollout/learned_reward_mean": float(rewards.mean())}

    def state_dict(self) -> dict[str, Any]:
        """Everything that future rewards depend on."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
