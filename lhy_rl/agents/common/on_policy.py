"""The part that a2c and ppo share: collect a rollout, evaluate the critic once on all of it, estimate advantages.

    A_t = delta_t + gamma lambda A_{t+1},   delta_t = r_t + gamma V_{t+1} - V_t     (Schulman et al. 2016, eq. 16)

During collection only the actor is evaluated; log-probabilities and values of all steps come from one pass afterwards.
Truncated episodes bootstrap from the critic's value of their last observation; the extra step in which some
environments only reset (next-step autoreset) is left out. A recurrent policy learns from sequences of
``bptt_steps``, each starting from the recurrent state that the policy had there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent, Metrics, Names
from lhy_rl.agents.common.gradient_step import diverged
from lhy_rl.agents.common.reward_model import RewardModel, as_reward_model, resumed_reward_model
from lhy_rl.agents.common.rollout_batch import Batch
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.saved_states import load_optimizer
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.returns import generalized_advantages
from lhy_rl.nn.acceleration.flat_parameters import FlatParameters
from lhy_rl.nn.acceleration.manual_gradients import ROWS, ManualActorCritic
from lhy_rl.nn.backbones.base import CoreChoice, State
from lhy_rl.nn.heads.gaussian import GaussianHead
from lhy_rl.nn.policies.actor_critic import Evaluation
from lhy_rl.rollouts.checks import check_memory
from lhy_rl.rollouts.final_values import final_values
from lhy_rl.rollouts.fixed_length import PlayedStep, RolloutCollector
from lhy_rl.rollouts.normalization import Normalizer
from lhy_rl.rollouts.rollout import Rollout
from lhy_rl.rollouts.vector_envs import Environment

SCHEDULES = ("constant", "linear")


class OnPolicy(Agent):
    """Actor-critic that learns from rollouts of the current policy. A timestep is an environment step.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable.
        learning_rate: The optimizer's.
        learning_rate_schedule: ``constant``, or ``linear`` down to 0 at the end of ``learn``.
        n_steps: Steps of each instance that an update learns from.
        gamma: Discount. Nearer to 1 looks further ahead and is noisier; usually 0.9 to 0.999.
        gae_lambda: 0 trusts the critic after one step, 1 uses rewards only; usually 0.9 to 1.
        normalize_advantage: Bring advantages to mean 0 and standard deviation 1.
        entropy_coef: Bonus on the policy's entropy. Raise it when the policy collapses too soon (0.0 to 0.02).
        value_coef: Weight of the critic's loss.
        max_grad_norm: Maximum norm of the gradient; larger gradients are clipped to it.
        adam_epsilon: The optimizer's.
        bptt_steps: Length of the sequences through which a recurrent policy is backpropagated; null takes ``n_steps``.
            Shorter ones are faster, but gradients do not flow further back.
        normalize_observations: Bring observations to mean 0 and variance 1; the statistics are saved with the agent.
        normalize_rewards: Divide rewards by the standard deviation of the discounted return.
        reward_model: Rewards in place of the environment's: ``fluency``, the file of a learned reward, ``module:Class``
            of a ``lhy_rl.agents.common.reward_model.RewardModel``, or (in Python) a reward model itself.
        **shared: Options of every agent, except ``dropout`` and ``norm: batch``: the policy that learns must be the
            one that acted, so that probability ratios begin at 1.
    """

    def __init__(
        self,
        env: Environment,
        *,
        learning_rate: float = 3e-4,
        learning_rate_schedule: str = "constant",
        n_steps: int = 128,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        normalize_advantage: bool = True,
        entropy_coef: float = 0.0,
        value_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        adam_epsilon: float = 1e-5,
        bptt_steps: int | None = None,
        normalize_observations: bool = False,
        normalize_rewards: bool = False,
        reward_model: Any = None,
        num_envs: int = 8,
        core: CoreChoice | None = None,
        embedding_size: int = 64,
        hidden_size: int = 64,
        critic: str = "separate",
        orthogonal: bool = True,
        **shared: Any,
    ) -> None:
        positive(learning_rate=learning_rate, max_grad_norm=max_grad_norm, adam_epsilon=adam_epsilon)
        check(n_steps=(n_steps, 1), gamma=(gamma, 0, 1), gae_lambda=(gae_lambda, 0, 1))
        check(entropy_coef=(entropy_coef, 0), value_coef=(value_coef, 0), bptt_steps=(bptt_steps or 1, 1))
        if learning_rate_schedule not in SCHEDULES:
            raise suggest(learning_rate_schedule, SCHEDULES, "learning_rate_schedule")
        if critic == "none":
            raise UserError(f"{type(self).__name__} needs a critic; critic must be shared or separate")
        if shared.get("dropout") or shared.get("norm") == "batch":
            raise UserError(f"{type(self).__name__} allows no dropout or batch norm: set dropout=0, norm layer or none")
        if n_steps % (bptt_steps or n_steps):
            raise UserError(f"bptt_steps is {bptt_steps}; n_steps, {n_steps}, must be a multiple of it")
        self.sees_normalized = normalize_observations
        self.reward_model: RewardModel | None = None
        super().__init__(
            env, num_envs=num_envs, core=core, embedding_size=embedding_size, hidden_size=hidden_size, critic=critic,
            orthogonal=orthogonal, **shared,
        )  # fmt: skip
        if bptt_steps not in (None, n_steps) and not self.policy.recurrent:
            raise UserError(f"bptt_steps is {bptt_steps}, but the policy is not recurrent; choose a core, such as gru")
        self.policy.eval()
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.n_steps = n_steps
        self.gamma = gamma
        self.gae_lambda = gae_lambda
        self.normalize_advantage = normalize_advantage
        self.entropy_coef = entropy_coef
        self.value_coef = value_coef
        self.max_grad_norm = max_grad_norm
        self.bptt_steps = bptt_steps or n_steps
        self.normalizer = Normalizer(
            self.env.single_observation_space, self.env.num_envs, gamma, normalize_observations, normalize_rewards
        )
        check_memory(self.env, n_steps=n_steps)
        self.collector = self.make_collector()
        self.passes = 0  # number of passes over rollouts so far
        self.parameters = FlatParameters(self.policy)
        self.manual = ManualActorCritic.of(self.policy, self.parameters)
        self.optimizer = self.make_optimizer(adam_epsilon)
        if (model := as_reward_model(reward_model)) is not None:
            with self.randomness():
                self.give_reward_model(model)

    reports_steps = True
    reuses_steps = True  # whether the loss needs the log-probabilities under the policy that acted
    schedulable: Names = ("learning_rate",)
    changeable: Names = ("learning_rate", "gamma", "gae_lambda", "entropy_coef", "value_coef", "max_grad_norm")

    # ------------------------------------------------------------------ what an algorithm gives
    @abstractmethod
    def make_optimizer(self, epsilon: float) -> torch.optim.Optimizer:
        """The optimizer of ``self.parameters.vector``."""

    @abstractmethod
    def descend(self, batch: Batch) -> Metrics:
        """Gradient steps down the loss on a batch."""

    # ------------------------------------------------------------------ collect, then learn
    def update(self) -> Metrics:
        rollout = self.collect()
        model = self.reward_model
        metrics = {} if model is None else {**model.train(rollout), **model.relabel(rollout)}
        return {**self.train(rollout), **metrics}

    def collect(self) -> Rollout:
        """Collect the rollout of an update with the current policy."""
        self.policy.eval()  # and stay so while learning, so that ratios begin at 1
        self.normalizer.gamma = self.gamma
        if self.callback.wants_steps:
            rollout = self.collector.collect(self.n_steps, self.on_step)
        else:
            rollout = self.collector.collect(self.n_steps)
            self.count(len(rollout.rewards))
        self.tie_parameters()
        return rollout

    def tie_parameters(self) -> None:
        """Make the optimizer update the policy's present parameters, even where they were replaced meanwhile."""
        if self.parameters.tie(self.optimizer):
            self.manual = ManualActorCritic.of(self.policy, self.parameters)

    def train(self, rollout: Rollout) -> Metrics:
        """Learn from a rollout and its rewards."""
        rollout.normalize_rewards(self.normalizer)
        return self.train_on_batch(self.compute_advantages(rollout))

    @torch.no_grad()
    def compute_advantages(self, rollout: Rollout) -> Batch:
        """Compute log-probabilities, values and advantages of a rollout, cut into sequences."""
        played = len(rollout.rewards)
        length = self.bptt_steps if self.policy.recurrent and played % self.bptt_steps == 0 else played
        log_prob, values, memories = self.read(rollout, length)
        values, next_values = values[:-1], values[1:].clone()
        if rollout.truncated_final_obs:
            times, instances, final_obs = zip(*rollout.truncated_final_obs, strict=True)
            where = torch.tensor([times, instances], device=values.device)
            next_values[*where] = final_values(
                self.policy, rollout.obs, rollout.start, rollout.state, where[0] + 1, where[1], final_obs
            )
        advantages = generalized_advantages(
            rollout.rewards, values, next_values, rollout.terminated, rollout.truncated, self.gamma, self.gae_lambda
        )
        pieces = length if self.policy.recurrent else None
        return Batch.of_rollout(rollout, log_prob, values, advantages, memories, pieces)

    def read(self, rollout: Rollout, length: int) -> tuple[Tensor, Tensor, State]:
        """Log-probabilities (T, B), values (T + 1, B) and the recurrent state before each ``length`` steps."""
        state, obs, actions, mask = rollout.state, rollout.obs, rollout.actions, rollout.action_mask
        if self.manual is not None:
            known, values = self.manual.read(obs, actions if self.reuses_steps else None, mask)
            return rollout.rewards if known is None else known, values, ()
        # Features kept from acting save the actor's forward pass. That pass also gives the actor's recurrent state,
        # which is needed where later sequences begin, and by a critic that shares it.
        played, recurrent = len(rollout.rewards), self.policy.recurrent
        features = rollout.features if length == played and self.policy.critic_trunk is not None else None
        found: list[Evaluation] = []
        memories: list[State] = []
        together = length if recurrent else max(1, ROWS // self.env.num_envs)
        for first in range(0, played, together):
            rows = slice(first, min(first + together, played))
            memories.append(state)
            found.append(
                self.policy.evaluate(
                    map_tree(lambda x, rows=rows: x[rows], obs), actions[rows], state, rollout.start[rows],
                    action_mask=None if mask is None else mask[rows], features=features,
                )
            )  # fmt: skip
            state = found[-1].state
        last, _ = self.policy.value(map_tree(lambda x: x[-1:], obs), state, rollout.start[-1:])
        actor, _ = self.policy.split_state(self.collector.state)
        _, critic = self.policy.split_state(state)
        self.collector.state = (*actor, *critic)  # the actor's state is that of acting, the critic's of this pass
        values = torch.cat([*(part.value for part in found if part.value is not None), last])
        return torch.cat([part.log_prob for part in found]), values, tuple(map(torch.cat, zip(*memories, strict=True)))

    def train_on_batch(self, batch: Batch) -> Metrics:
        """Learn from a batch."""
        self.optimizer.param_groups[0]["lr"] = self.scheduled("learning_rate")
        metrics = {**self.descend(batch), **self.collector.episode_metrics()}
        metrics["train/learning_rate"] = self.optimizer.param_groups[0]["lr"]
        metrics["train/n_updates"] = self.passes
        return metrics

    def minibatches(self, batch: Batch, steps: int | None = None) -> Iterator[Any]:
        """Minibatches of ``steps`` steps, in random order, of one pass over a batch; with None the batch as it is.

        They are numpy arrays where the gradient is computed by hand.
        """
        whole: Any = batch if self.manual is None else batch.arrays()
        parts: Iterable[Any] = [whole]
        if steps is not None:
            length, pieces = whole.shape
            order = torch.randperm(pieces, generator=self.generator)
            parts = (whole.part(columns) for columns in torch.split(order, max(1, steps // length)))
        yield from (part.standardized() for part in parts) if self.normalize_advantage else parts

    def report(self, names: tuple[str, ...], values: Tensor) -> Metrics:
        """Statistics as metrics below ``train/``; ``entropy`` becomes ``entropy_loss``, its negative, as in SB3.

        Raises:
            UserError: one is not finite.
        """
        if not bool(values.isfinite().all()):
            raise diverged(self.num_timesteps)
        metrics = {f"train/{name}": value for name, value in zip(names, values.tolist(), strict=True)}
        metrics["train/entropy_loss"] = -metrics.pop("train/entropy")
        if isinstance(self.policy.actor, GaussianHead):
            metrics["train/std"] = self.policy.actor.log_std.detach().exp().mean().item()
        return metrics

    def scheduled(self, option: str) -> float:
        """The value of an option in this update.

        Raises:
            UserError: the user's function gives a negative or infinite value.
        """
        if function := self.schedules.get(option):
            value = float(function(self.remaining))
            if not 0 <= value < float("inf"):
                raise UserError(f"the function {option}({self.remaining}) returned {value}; must be finite, 0 or more")
            return value
        linear = getattr(self, f"{option}_schedule") == "linear"
        return float(getattr(self, option)) * (self.remaining if linear else 1.0)

    @property
    def remaining(self) -> float:
        """The share of ``learn`` that is left, before this update's steps: 1 at the beginning."""
        done = self.num_timesteps - self.n_steps * self.env.num_envs
        return min(1.0, max(0.0, 1.0 - done / max(self.total_timesteps, 1)))

    # ------------------------------------------------------------------ collector, reward model, saving
    def make_collector(self) -> RolloutCollector:
        """Make the collector of rollouts in the current environment."""
        raw = self.reward_model is not None and self.reward_model.needs_raw_obs
        return RolloutCollector(self.env, self.policy, self.generator, self.seed, self.normalizer, raw)

    def give_reward_model(self, reward_model: RewardModel) -> None:
        """Learn from this model's rewards from now on, instead of the environment's.

        Raises:
            UserError: there is a reward model already, or this one does not fit the spaces.
        """
        if self.reward_model is not None:
            raise UserError(f"{type(self).__name__} has a reward model already; reward_model must be None")
        self.reward_model = reward_model
        self.collector = self.make_collector()
        reward_model.attach(self)

    def count(self, steps: int) -> None:
        """Add steps of every instance to ``num_timesteps``."""
        self.num_timesteps += steps * self.env.num_envs

    def on_step(self, played: PlayedStep) -> bool:
        """Count and report one step of the environments; returns whether to go on."""
        self.count(1)
        going = self.report_step(played)
        self.stopped |= not going
        return going

    def set_env(self, env: Environment) -> None:
        super().set_env(env)
        self.normalizer.running = np.zeros(self.env.num_envs)
        self.collector = self.make_collector()

    @property
    def _n_updates(self) -> int:
        return self.passes

    def observe(self, observation: Any) -> Any:
        return super().observe(self.normalizer.observations(observation))

    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "normalizer": self.normalizer.state_dict(),
            "collector": self.collector.state_dict(),
            "passes": self.passes,
            **({} if self.reward_model is None else {"reward_model": self.reward_model.state_dict()}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        load_optimizer(self.optimizer, state["optimizer"])
        self.normalizer.load_state_dict(state["normalizer"])
        self.collector.load_state_dict(state["collector"])
        self.passes = int(state.get("passes", self.num_updates))
        self.reward_model = resumed_reward_model(self.reward_model, state)
