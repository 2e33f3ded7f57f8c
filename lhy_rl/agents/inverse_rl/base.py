"""What ``irl`` and ``maxent_irl`` share: an expert, a reward that is learned, and who acts best under it.

Two ways, chosen by the environment. On tables (:class:`lhy_rl.core.protocols.Tabular`) the actor is planned and its
visits are computed: nothing is played, and a timestep is a plan. Elsewhere the actor is our PPO, which plays on under
the present reward from where it stood, and its visits are the steps that it has just played. Where the task ends an
episode before the longest demonstration's length, the rest is spent where nothing is seen and nothing is paid, by the
expert as by the actor: so neither living nor dying is preferred unless the expert did.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.inverse_rl.state_visitation import (
    StateVisitation,
    as_visits,
    demonstrated,
    planned_expert,
    shares_of_steps,
    visits_of,
)
from lhy_rl.agents.rewards.feature_reward import RewardedPPO
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Tabular
from lhy_rl.core.saved_states import check_like
from lhy_rl.core.validation import check
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.functional.dynamic_programming import policy_evaluation, value_iteration
from lhy_rl.nn.backbones.base import CoreChoice
from lhy_rl.nn.policies.tabular import TabularPolicy
from lhy_rl.nn.rewards.feature_reward import RewardNet, StepFeatures, TableFeatures
from lhy_rl.rollouts.vector_envs import Environment


class InverseAgent(Agent):
    """An actor, an expert, and a reward under which the expert should be the best.

    Args:
        env: An environment with tables (``lhy_rl/Gridworld-v0``, ``lhy_rl/Objectworld-v0``), or any that PPO takes with
            observations that are numbers.
        demonstrations: Of the expert: a ``Demonstrations``, or the name or path of some. On tables null plans the
            expert with the true reward, which nobody else sees.
        trajectories: How many of them to take; of a planned expert, how many to draw: null takes all, or the exact
            expectation.
        expert_temperature: Of a planned expert: 0 is the best policy, more is softer, and a very great one walks at
            random.
        gamma: Discount of visits on tables; below 1 where no time limit is set.
        reward_layers: Hidden layers of the reward; 0 is linear in the features.
        reward_width: Of these layers.
        features: Elsewhere than on tables: ``plain`` (observation and action) or ``squares`` (and their squares).
        ppo_updates: Elsewhere than on tables: updates of PPO between two of the reward.
        ppo: Options of that PPO.
        **shared: Options of every agent.
    """

    def __init__(
        self,
        env: Environment,
        *,
        demonstrations: Any = None,
        trajectories: int | None = None,
        expert_temperature: float = 0.0,
        gamma: float = 1.0,
        reward_layers: int = 0,
        reward_width: int = 32,
        features: str = "plain",
        ppo_updates: int = 1,
        ppo: dict[str, Any] | None = None,
        num_envs: int = 8,
        core: CoreChoice | None = None,
        embedding_size: int = 64,
        hidden_size: int = 64,
        critic: str = "separate",
        orthogonal: bool = True,
        **shared: Any,
    ) -> None:
        check(expert_temperature=(expert_temperature, 0), gamma=(gamma, 0, 1), trajectories=(trajectories or 1, 1))
        check(reward_layers=(reward_layers, 0), reward_width=(reward_width, 1), ppo_updates=(ppo_updates, 1))
        shared |= {"core": core, "embedding_size": embedding_size, "hidden_size": hidden_size}
        shared |= {"critic": critic, "orthogonal": orthogonal}
        super().__init__(env, num_envs=num_envs, **shared)
        self.gamma = gamma
        self.ppo_updates = ppo_updates
        self.expert: StateVisitation | None = None
        self.longest = 0  # steps of the longest demonstration; an episode that ends before is absent until then
        self.tables = tables_of(self.env)
        self.player: RewardedPPO | None = None
        options = (reward_layers, reward_width)
        if self.tables is not None:
            self._begin_on_tables(options, demonstrations, trajectories, expert_temperature)
        else:
            space = self.env.single_observation_space
            self.step_features = StepFeatures(space, self.env.single_action_space, features).to(self.device)
            with self.randomness():
                self.reward = RewardNet(self.step_features.size, *options).to(self.device)
            self.player = RewardedPPO(self.env, self, num_envs=num_envs, **shared, **(ppo or {}))
            self.policy = self.player.policy
            self.listens_to_steps = True
            if demonstrations is not None:
                self._take_steps(load(demonstrations, self.env), trajectories)

    def _begin_on_tables(
        self, options: tuple[int, int], demonstrations: Any, trajectories: int | None, temperature: float
    ) -> None:
        task = self.task_tables
        if task.max_episode_steps is None and self.gamma >= 1:
            raise UserError("gamma is 1; without a time limit (max_episode_steps) it must be below 1")
        self.table_features = TableFeatures(task.features).to(self.device)
        with self.randomness():
            self.reward = RewardNet(self.table_features.size, *options).double().to(self.device)
        spaces = self.env.single_observation_space, self.env.single_action_space
        self.policy = TabularPolicy(*spaces, task.max_episode_steps or 1).to(self.device)  # type: ignore[arg-type]
        if demonstrations is None:
            visits, self.starts = planned_expert(task, temperature, self.gamma, trajectories, self.seed)
        else:
            given = load(demonstrations, self.env)
            given = given if trajectories is None else given.take(trajectories)
            visits, self.starts = demonstrated(given, len(task.starts), self.gamma)
        self.expert = self.on_table(visits)

    def _take_steps(self, demonstrations: Demonstrations, trajectories: int | None) -> None:
        given = demonstrations if trajectories is None else demonstrations.take(trajectories)
        steps, self.longest = given.transitions, int(given.lengths.max())
        self.step_features.fit(steps.obs, steps.actions)
        ended = [self.longest - len(episode) for episode in given.episodes if episode.terminated]
        self.expert = shares_of_steps(self.step_features(steps.obs, steps.actions), sum(ended))

    # ------------------------------------------------------------------ the reward
    @torch.no_grad()
    def rewards(self, obs: Any, actions: Any, next_obs: Any) -> np.ndarray:
        """(B,) learned rewards of steps, (B, ...) arrays as the environment gives them: what ``LearnedReward`` asks."""
        features = self.table_features if self.tables is not None else self.step_features
        result: np.ndarray = self.reward(features(obs, actions, next_obs)).cpu().numpy()
        return result

    @property
    def timestep(self) -> str:
        return "environment steps" if self.tables is None else "plans"

    @property
    def state_rewards(self) -> np.ndarray:
        """(S,) the learned rewards of a task with tables."""
        with torch.no_grad():
            rewards: np.ndarray = self.reward(self.table_features.table).cpu().numpy()
        return rewards

    # ------------------------------------------------------------------ the actor
    @property
    def task_tables(self) -> Tabular:
        """The task's tables."""
        assert self.tables is not None
        return self.tables

    @property
    def demonstrated_expert(self) -> StateVisitation:
        """The expert's visits.

        Raises:
            UserError: nobody gave any.
        """
        if self.expert is None:
            raise UserError(f"{type(self).__name__} has no expert; give demonstrations")
        return self.expert

    def on_table(self, visits: np.ndarray | Tensor) -> StateVisitation:
        """Visits of all states, with their features."""
        return StateVisitation(self.table_features.table, torch.as_tensor(visits, device=self.device))

    def true_return(self, policy: np.ndarray) -> float:
        """What a policy earns in an episode under the task's own reward; for the log, nobody learns from it."""
        task = self.task_tables
        values = policy_evaluation(task.transitions, task.state_rewards, policy, self.gamma, task.max_episode_steps)
        return float(task.starts @ (values if values.ndim == 1 else values[0]))

    def best_policy(self) -> np.ndarray:
        """(T, S, A) or (S, A) the best policy under the learned reward, in the present environment's dynamics."""
        task = self.task_tables
        return value_iteration(task.transitions, self.state_rewards, self.gamma, task.max_episode_steps).policy

    def visits(self, policy: np.ndarray) -> np.ndarray:
        """(S,) what a policy visits, beginning where the expert began."""
        return visits_of(self.task_tables, policy, self.gamma, self.starts)

    def play(self) -> tuple[StateVisitation, Metrics]:
        """Let PPO learn under the present reward; the visits of its last steps, and its metrics.

        ``self.played`` are the weights that took these steps.
        """
        assert self.player is not None
        metrics: Metrics = {}
        self.player.total_timesteps = self.total_timesteps
        for _ in range(self.ppo_updates):
            self.played = {name: x.clone() for name, x in self.player.policy.state_dict().items()}
            metrics = self.player.update()
            if self.stopped:
                break
        assert self.player.features is not None
        steps = self.player.features.flatten(0, 1)[self.player.valid.flatten()]
        return shares_of_steps(steps, float(self.player.absent.sum())), metrics

    @abstractmethod
    def update(self) -> Metrics: ...

    # ------------------------------------------------------------------ manners
    def set_env(self, env: Environment) -> None:
        """Go on in another environment with the same spaces; on tables the actor is planned anew for its dynamics."""
        super().set_env(env)
        if self.player is not None:
            self.player.set_env(self.env)
            return
        tables = tables_of(self.env)
        if tables is None or tables.features.shape[1:] != self.task_tables.features.shape[1:]:
            raise UserError("the new environment has no tables, or other features")
        self.tables = tables
        self.table_features = TableFeatures(tables.features).to(self.device)
        horizon = tables.max_episode_steps or 1
        if len(self.tabular_policy.trunk.logits) != horizon:
            spaces = self.env.single_observation_space, self.env.single_action_space
            self.policy = TabularPolicy(*spaces, horizon).to(self.device)  # type: ignore[arg-type]
        self.tabular_policy.set(self.best_policy())

    @property
    def tabular_policy(self) -> TabularPolicy:
        """The policy, which is a table."""
        assert isinstance(self.policy, TabularPolicy)
        return self.policy

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the agent to a file; what the expert did is in its state, also where an object gave it."""
        options = self.hyperparameters
        given = options.get("demonstrations")
        kept = given if given is None or isinstance(given, str) else None
        self.hyperparameters = {**options, **({"demonstrations": kept} if "demonstrations" in options else {})}
        try:
            super().save(path)
        finally:
            self.hyperparameters = options

    def state_dict(self) -> dict[str, Any]:
        state = {
            **super().state_dict(),
            "reward": self.reward.state_dict(),
            "expert": None if self.expert is None else self.expert.state_dict(),
        }
        if self.player is not None:
            return {
                **state,
                "player": self.player.state_dict(),
                "ages": self.player.ages,
                "features": self.step_features.state_dict(),
                "longest": self.longest,
            }
        return {**state, "starts": self.starts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.reward.load_state_dict(state["reward"])
        size = (self.table_features if self.tables is not None else self.step_features).size
        self.expert = None if state["expert"] is None else as_visits(state["expert"], self.device, size)
        if self.player is not None:
            self.player.load_state_dict(state["player"])
            same = state["ages"].shape == self.player.ages.shape  # else new episodes have begun
            self.player.ages = state["ages"].to(self.device) if same else torch.zeros_like(self.player.ages)
            self.step_features.load_state_dict(state["features"])
            self.longest = int(state["longest"])
        else:
            check_like(state["starts"], self.starts, "starts", shapes=True)
            self.starts = np.array(state["starts"])


def tables_of(env: gym.vector.VectorEnv[Any, Any, Any]) -> Tabular | None:
    """The tables of an environment, or of the one that is stepped by itself; None where it has none."""
    for one in (env.unwrapped, *(single.unwrapped for single in getattr(env, "envs", ())[:1])):
        if isinstance(one, Tabular):
            return one
    return None


def load(source: Any, env: gym.vector.VectorEnv[Any, Any, Any]) -> Demonstrations:
    """Demonstrations that fit an environment, from themselves or from where they are."""
    from lhy_rl.interop.demonstrations import load_demonstrations

    return load_demonstrations(source, env)
