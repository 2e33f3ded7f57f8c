"""The part that ``irl`` and ``maxent_irl`` share: an expert, a learned reward, and an actor that is best under it.

There are two ways, chosen by the environment. On tables (:class:`lhy_rl.core.protocols.Tabular`) the actor is planned
and its visits are computed (:class:`~lhy_rl.agents.inverse_rl.planned_actor.PlannedActor`): nothing is played, and a
timestep is a plan. In other environments the actor is PPO with the learned reward as its reward model: it continues to
train under the current reward, and its visits are the steps of its latest rollout. If an episode terminates before the
longest demonstration's length, the rest is spent in a state with features and reward 0, for the expert and the actor
alike: so neither long nor short episodes are favoured unless the expert's are such.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.common.held_learner import COUNTERS, HeldLearner
from lhy_rl.agents.inverse_rl.planned_actor import PlannedActor, tables_of
from lhy_rl.agents.inverse_rl.state_visitation import StateVisitation, loaded_visitation, uniform_visitation
from lhy_rl.agents.policy_gradient.ppo import PPO
from lhy_rl.agents.rewards.feature_reward import FeatureReward
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Tabular
from lhy_rl.core.saved_states import check_like
from lhy_rl.core.validation import check
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.interop.demonstrations import load_demonstrations
from lhy_rl.nn.backbones.base import CoreChoice
from lhy_rl.nn.rewards.feature_reward import RewardNet, StepFeatures
from lhy_rl.rollouts.vector_envs import Environment


class InverseAgent(HeldLearner, Agent):
    """An actor, an expert, and a reward under which the expert should be optimal.

    Args:
        env: An environment with tables (``lhy_rl/Gridworld-v0``, ``lhy_rl/Objectworld-v0``), or any that PPO takes with
            observations that are numbers.
        demonstrations: The expert's: a ``Demonstrations``, or the name or path of some. On tables, null plans the
            expert with the true reward, which is used for nothing else.
        trajectories: Number of demonstrations to use, or to sample from a planned expert; null takes all, or the
            planned expert's exact expectation.
        expert_temperature: Temperature of a planned expert: 0 is the optimal policy, higher ones are softer, and a very
            high one acts at random.
        gamma: Discount of visits on tables; must be below 1 without a time limit.
        reward_layers: Hidden layers of the reward; 0 is linear in the features.
        reward_width: Width of these layers.
        features: Without tables: ``plain`` (observation and action) or ``squares`` (and their squares).
        ppo_updates: Without tables: updates of PPO between two of the reward.
        ppo: Options of that PPO.
        **shared: Options of every agent.

    Attributes:
        reward_model: The reward, as it can be given to another agent.
        planned: The actor on tables; None without tables, where ``learner`` is the actor.
    """

    shared = COUNTERS  # policy and generator are the agent's own
    learner: PPO
    planned: PlannedActor | None = None

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
        given, tables = None, tables_of(self.env)
        spaces = self.env.single_observation_space, self.env.single_action_space
        if tables is not None:
            self.planned = PlannedActor(self.env, tables, gamma, self.device)
            phi: Any = self.planned.features
        else:
            phi = StepFeatures(*spaces, features).to(self.device)
        with self.randomness():
            net = RewardNet(phi.size, reward_layers, reward_width)
            self.reward = (net if tables is None else net.double()).to(self.device)
        self.reward_model = FeatureReward(phi, self.reward, self.env.num_envs)
        if self.planned is None:
            if ppo and (ppo.get("normalize_observations") or ppo.get("normalize_rewards")):
                raise UserError("the reward needs raw data: normalize_observations and normalize_rewards must be false")
            self.learner = PPO(self.env, num_envs=num_envs, **shared, **(ppo or {}))
            self.learner.give_reward_model(self.reward_model)
            self.reports_steps = True
        self.policy = self.learner.policy if self.planned is None else self.planned.policy
        if demonstrations is not None:
            given = load_demonstrations(demonstrations, self.env, trajectories)
        if self.planned is not None:
            self.expert = self.planned.expert(given, expert_temperature, trajectories, self.seed)
        elif given is not None:
            self.expert = uniform_visitation(*self.reward_model.fit(given))

    @property
    def demonstrated_expert(self) -> StateVisitation:
        """The expert's visits.

        Raises:
            UserError: there is no expert.
        """
        if self.expert is None:
            raise UserError(f"{type(self).__name__} has no expert; give demonstrations")
        return self.expert

    # ------------------------------------------------------------------ the reward
    def rewards(self, obs: Any, actions: Any, next_obs: Any) -> np.ndarray:
        """Learned rewards (B,) of steps, (B, ...) arrays as the environment gives them; called by ``LearnedReward``."""
        nothing = np.zeros(len(obs))
        steps = Transitions(obs, actions, next_obs, nothing, nothing > 0, nothing > 0)
        return self.reward_model.rewards(steps).cpu().numpy()

    @property
    def state_rewards(self) -> np.ndarray:
        """Learned rewards (S,) of the states of a task with tables."""
        assert self.planned is not None
        with torch.no_grad():
            rewards: np.ndarray = self.reward(self.planned.features.table).cpu().numpy()
        return rewards

    # ------------------------------------------------------------------ the actor
    @property
    def timestep(self) -> str:
        return "environment steps" if self.planned is None else "plans"

    @property
    def tables(self) -> Tabular | None:
        """The task's tables, if it has any."""
        return None if self.planned is None else self.planned.task

    def best_policy(self) -> np.ndarray:
        """(T, S, A) or (S, A): the optimal policy under the learned reward and the current environment's dynamics."""
        assert self.planned is not None
        return self.planned.best_policy(self.state_rewards)

    def play(self) -> tuple[StateVisitation, Tensor, Metrics]:
        """Train PPO under the current reward.

        ``self.played`` are the weights of the policy that played the last rollout.

        Returns:
            The visits of PPO's last rollout, (T, B) log-probabilities of its actions, and PPO's metrics.
        """
        learner = self.learner
        for _ in range(self.ppo_updates):
            self.played = {name: x.clone() for name, x in learner.policy.state_dict().items()}
            rollout = learner.collect()
            self.reward_model.relabel(rollout)
            batch = learner.compute_advantages(rollout)
            metrics = learner.train_on_batch(batch)
            if self.stopped:
                break
        log_prob = batch.log_prob
        if not learner.policy.recurrent:  # the batch holds the valid steps only, (1, N)
            log_prob = torch.zeros_like(rollout.rewards).masked_scatter(rollout.valid, log_prob[0])
        newest = self.reward_model.newest
        assert newest is not None
        return uniform_visitation(newest.features[newest.valid], float(newest.absent.sum())), log_prob, metrics

    # ------------------------------------------------------------------ environment, saving, loading
    def set_env(self, env: Environment) -> None:
        """Continue in another environment with the same spaces; on tables the actor is planned anew."""
        super().set_env(env)
        if self.planned is None:
            self.learner.set_env(self.env)
            return
        tables = tables_of(self.env)
        if tables is None or tables.features.shape[1:] != self.planned.task.features.shape[1:]:
            raise UserError("the new environment must have tables, with features of the same shape")
        self.planned.move(self.env, tables)
        self.policy, self.reward_model.features = self.planned.policy, self.planned.features
        self.planned.policy.set(self.best_policy())

    def state_dict(self) -> dict[str, Any]:
        state = {
            **super().state_dict(),
            "reward": self.reward.state_dict(),
            "expert": None if self.expert is None else self.expert.state_dict(),
        }
        return state | ({"starts": self.planned.starts} if self.planned else {"player": self.learner.state_dict()})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.planned is None:
            model = {name: state[name] for name in ("ages", "features", "longest") if name in state}  # in older files
            self.learner.load_state_dict({"reward_model": model, **state["player"]})
        else:
            check_like(state["starts"], self.planned.starts, "starts", shapes=True)
            self.planned.starts = np.array(state["starts"])
        super().load_state_dict(state)
        self.reward.load_state_dict(state["reward"])
        size = self.reward_model.features.size
        self.expert = None if state["expert"] is None else loaded_visitation(state["expert"], self.device, size)
