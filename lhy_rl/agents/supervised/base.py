"""What `bc` and `dagger` share: a policy that learns from examples, and the scale of what it sees."""

from __future__ import annotations

import os
from typing import Any, Self

import gymnasium as gym
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent
from lhy_rl.agents.supervised.cloning_trainer import Cloning, Material
from lhy_rl.agents.supervised.labelled_steps import LabelledSteps, demonstrated
from lhy_rl.core.errors import suggest
from lhy_rl.core.saved_states import check_rows
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check, positive
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.nn.backbones.base import CoreChoice
from lhy_rl.rollouts.vector_envs import Environment

SCHEDULES = ("constant", "linear")
LEAST_RATE = 0.02  # of the learning rate, at the end of a linear schedule
LEAST_DEVIATION = 1e-6  # what varies less is left as it is


class SupervisedImitation(Agent):
    """A policy that learns what to do from examples.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable; its spaces are the examples'.
        demonstrations: What an expert did: :class:`~lhy_rl.data.demonstrations.Demonstrations`, or the name, id or path
            of some (``lhy-rl list demonstrations``).
        trajectories: How many of their episodes, the first ones; null takes all.
        every: Only each so many-th step of an episode is known, from a drawn place on (Ho and Ermon 2016 take 10 or 20,
            because whole trajectories are easily cloned). A policy with a memory still sees all of them.
        learning_rate: AdamW's.
        learning_rate_schedule: ``constant``, or ``linear`` down to a fiftieth at the end of ``learn``.
        batch_size: Steps a gradient step; with a memory whole episodes of together as many.
        entropy_coef: Bonus on the policy's entropy; below 1 where actions are continuous.
        weight_decay: Pull on all weights towards 0 (L2, AdamW's). Raise it where there are few examples.
        max_grad_norm: Longer gradients are shortened to it.
        normalize_observations: Bring vectors of floats to mean 0 and variance 1 of the examples; images, tokens and
            dicts stay as they are. The statistics are saved with the agent.
        **shared: Options of every agent.
    """

    def __init__(
        self,
        env: Environment,
        *,
        demonstrations: Any = None,
        trajectories: int | None = None,
        every: int = 1,
        learning_rate: float = 3e-3,
        learning_rate_schedule: str = "linear",
        batch_size: int = 64,
        entropy_coef: float = 0.0,
        weight_decay: float = 0.01,
        max_grad_norm: float = 10.0,
        normalize_observations: bool = True,
        core: CoreChoice | None = None,
        embedding_size: int = 64,
        hidden_size: int = 64,
        critic: str = "none",
        **shared: Any,
    ) -> None:
        positive(learning_rate=learning_rate, max_grad_norm=max_grad_norm)
        check(batch_size=(batch_size, 1), entropy_coef=(entropy_coef, 0), weight_decay=(weight_decay, 0))
        check(every=(every, 1), trajectories=(1 if trajectories is None else trajectories, 1))
        if learning_rate_schedule not in SCHEDULES:
            raise suggest(learning_rate_schedule, SCHEDULES, "learning_rate_schedule")
        super().__init__(
            env, core=core, embedding_size=embedding_size, hidden_size=hidden_size, critic=critic, **shared
        )
        if isinstance(self.env.single_action_space, gym.spaces.Box):
            check(entropy_coef=(entropy_coef, 0, 0.99))
        self.learning_rate, self.learning_rate_schedule = learning_rate, learning_rate_schedule
        space = self.env.single_observation_space
        numbers = isinstance(space, gym.spaces.Box) and space.dtype.kind == "f" and len(space.shape) == 1
        self.normalizes = normalize_observations and numbers
        self.moments: tuple[Tensor, Tensor] | None = None  # mean and deviation of the observations
        self.cloning = Cloning(
            self.policy,
            self.generator,
            batch_size=batch_size,
            entropy_coef=entropy_coef,
            weight_decay=weight_decay,
            max_grad_norm=max_grad_norm,
        )
        self.demonstrated: LabelledSteps | None = None
        if demonstrations is not None:
            chosen = self._load(demonstrations)
            if trajectories is not None:
                chosen = chosen.take(trajectories)
            self.demonstrated = demonstrated(chosen, every, self.seed)

    def _load(self, demonstrations: Any) -> Demonstrations:
        from lhy_rl.interop.demonstrations import load_demonstrations

        found: Demonstrations = load_demonstrations(demonstrations, self.env)
        return found

    # ------------------------------------------------------------------ what the policy sees
    def measure(self, examples: LabelledSteps) -> None:
        """Take the observations' scale from the labelled of these."""
        if self.normalizes:
            known = examples.obs[examples.labelled]
            deviation = known.std(0, correction=0)
            usual = torch.where(deviation > LEAST_DEVIATION, deviation, torch.ones_like(deviation))
            self.moments = known.mean(0).to(self.device), usual.to(self.device)

    def observe(self, observation: Any) -> Any:
        return self.normalized(super().observe(observation))

    def normalized(self, obs: Any) -> Any:
        """Observations as tensors, as the policy takes them."""
        if self.moments is None:
            return obs
        mean, deviation = self.moments
        return (obs.float() - mean) / deviation

    def material(self, examples: LabelledSteps) -> Material:
        """Examples on the policy's device."""
        moved = LabelledSteps(
            map_tree(lambda x: x.to(self.device), examples.obs),
            examples.actions.to(self.device),
            examples.start.to(self.device),
            examples.labelled.to(self.device),
        )
        return Material(moved, self.normalized(moved.obs))

    @property
    def present_rate(self) -> float:
        """The learning rate now."""
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        return self.learning_rate * max(LEAST_RATE, 1.0 - self.done_share)

    @property
    def done_share(self) -> float:
        """How much of ``learn`` is done, from 0 to 1."""
        return min(1.0, self.num_timesteps / max(self.total_timesteps, 1))

    # ------------------------------------------------------------------ manners
    @classmethod
    def load(
        cls, path: str | os.PathLike[str], env: Environment | None = None, device: str = "auto", **options: Any
    ) -> Self:
        """As :meth:`Agent.load`; the demonstrations are not read again unless they are given."""
        return super().load(path, env, device, **{"demonstrations": None, **options})

    def state_dict(self) -> dict[str, Any]:
        moments = None if self.moments is None else list(self.moments)
        return {**super().state_dict(), "cloning": self.cloning.state_dict(), "moments": moments}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.cloning.load_state_dict(state["cloning"])
        if state["moments"] is not None:
            mean, deviation = state["moments"]
            for moment in (mean, deviation):
                check_rows(moment, self.env.single_observation_space, (), "moments")
            self.moments = mean.to(self.device), deviation.to(self.device)
