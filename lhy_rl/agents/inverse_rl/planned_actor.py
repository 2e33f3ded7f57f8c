"""The optimal actor under a reward in a task with tables: it is planned, and its visits are computed."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.inverse_rl.state_visitation import (
    StateVisitation,
    demonstrated_occupancy,
    planned_expert,
    state_occupancy,
)
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Tabular
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.functional.dynamic_programming import policy_evaluation, value_iteration
from lhy_rl.nn.policies.tabular import TabularPolicy
from lhy_rl.nn.rewards.feature_reward import TableFeatures


class PlannedActor:
    """Plans in a task with tables.

    Args:
        env: The environment.
        task: Its tables.
        gamma: Discount of visits; must be below 1 without a time limit.
        device: Device of features and policy.

    Attributes:
        starts: (S,) distribution of the expert's first states.

    Raises:
        UserError: there is neither a discount nor a time limit.
    """

    def __init__(
        self, env: gym.vector.VectorEnv[object, object, object], task: Tabular, gamma: float, device: torch.device
    ) -> None:
        if task.max_episode_steps is None and gamma >= 1:
            raise UserError("gamma is 1; without a time limit (max_episode_steps) it must be below 1")
        self.gamma, self.device, self.starts = gamma, device, task.starts
        self.move(env, task)

    def move(self, env: gym.vector.VectorEnv[object, object, object], task: Tabular) -> None:
        """Plan in this task from now on."""
        self.task, self.features = task, TableFeatures(task.features).to(self.device)
        horizon = task.max_episode_steps or 1
        policy = getattr(self, "policy", None)
        if policy is None or len(policy.trunk.logits) != horizon:
            spaces = env.single_observation_space, env.single_action_space
            self.policy = TabularPolicy(*spaces, horizon).to(self.device)  # type: ignore[arg-type]

    def expert(
        self, given: Demonstrations | None, temperature: float, trajectories: int | None, seed: int
    ) -> StateVisitation:
        """The visits of the demonstrations, or of an expert planned with the true reward."""
        if given is None:
            occupancy, self.starts = planned_expert(self.task, temperature, self.gamma, trajectories, seed)
        else:
            occupancy, self.starts = demonstrated_occupancy(given, len(self.task.starts), self.gamma)
        return self.on_table(occupancy)

    def on_table(self, occupancy: np.ndarray | Tensor) -> StateVisitation:
        """An occupancy (S,) as visits, with the states' features."""
        return StateVisitation(self.features.table, torch.as_tensor(occupancy, device=self.device))

    def true_return(self, policy: np.ndarray) -> float:
        """Expected return of a policy under the task's own reward; it is only logged."""
        task = self.task
        values = policy_evaluation(task.transitions, task.state_rewards, policy, self.gamma, task.max_episode_steps)
        return float(task.starts @ (values if values.ndim == 1 else values[0]))

    def best_policy(self, rewards: np.ndarray) -> np.ndarray:
        """(T, S, A) or (S, A): the optimal policy under rewards (S,) and the current task's dynamics."""
        return value_iteration(self.task.transitions, rewards, self.gamma, self.task.max_episode_steps).policy

    def occupancy(self, policy: np.ndarray) -> np.ndarray:
        """(S,) visits of a policy that starts from the expert's first states."""
        return state_occupancy(self.task, policy, self.gamma, self.starts)


def tables_of(env: gym.vector.VectorEnv[object, object, object]) -> Tabular | None:
    """The tables of an environment, or of the first of a vector's single environments; None without tables."""
    for one in (env.unwrapped, *(single.unwrapped for single in getattr(env, "envs", ())[:1])):
        if isinstance(one, Tabular):
            return one
    return None
