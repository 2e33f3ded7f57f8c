"""The base class of agents that learn from a task's real samples: the loop of gradient steps, a film, a report."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.common.gradient_step import diverged
from lhy_rl.agents.generative.sample_data import SampleData, checked, data_of, sample_task
from lhy_rl.agents.generative.sample_figures import PICTURES, Film, compared, held_out
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Split
from lhy_rl.core.report_figures import MetricCurves, ReportFigure
from lhy_rl.core.saved_states import load_optimizer
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check
from lhy_rl.nn.generative.generator_policy import SamplePolicy
from lhy_rl.nn.generative.sample_networks import SampleNetworkOptions
from lhy_rl.rollouts.vector_envs import Environment

LEAST_RATE = 0.02  # share of the learning rates that is left at the end


class SampleLearner(Agent):
    """Gradient steps on batches of a task's samples. A timestep is a sample that is learned from.

    Args:
        env: A task of one step that has samples (:class:`~lhy_rl.core.protocols.SampleTask`).
        batch_size: Samples per gradient step.
        gradient_steps: Gradient steps per update, between two rows of metrics.
        decay: Last share of ``learn``, in which the learning rates fall to 0; 0 keeps them constant.
        film: Number of frames of the report's film of the training; 0 for none.
        **networks: Options of the networks.
    """

    takes_options_of: tuple[type, ...] = (SampleNetworkOptions,)
    network_options: ClassVar[type] = SampleNetworkOptions
    changeable: tuple[str, ...] = ("gradient_steps", "decay")
    curves: ClassVar[dict[str, str]] = {}
    """Metrics that a report draws together, and their labels."""
    policy: SamplePolicy

    def __init__(
        self,
        env: Environment,
        *,
        batch_size: int = 64,
        gradient_steps: int = 25,
        decay: float = 0.5,
        film: int = 40,
        num_envs: int = 64,
        seed: int | None = 0,
        device: str = "auto",
        **networks: Any,
    ) -> None:
        check(batch_size=(batch_size, 2), gradient_steps=(gradient_steps, 1), decay=(decay, 0, 1), film=(film, 0, 1000))
        self.networks: Any = self.network_options(**networks)
        super().__init__(env=env, num_envs=num_envs, seed=seed, device=device)
        self.batch_size, self.gradient_steps, self.decay = batch_size, gradient_steps, decay
        self.film = Film(self.policy.actor.samples, film)
        self.data: SampleData | None = None
        self.held_out: SampleData | None = None
        self.find_data()
        self.optimizers: dict[str, tuple[torch.optim.Optimizer, float]] = {}

    # ------------------------------------------------------------------ what an algorithm gives
    @abstractmethod
    def train_step(self, data: SampleData) -> dict[str, Tensor]:
        """One gradient step; returns scalars by the names of their metrics."""

    def add_optimizer(self, name: str, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Register an optimizer: it is saved under this name, and its learning rate falls at the end."""
        self.optimizers[name] = optimizer, float(optimizer.param_groups[0]["lr"])
        return optimizer

    # ------------------------------------------------------------------ learning
    def find_data(self) -> None:
        """Take the samples of the current environment."""
        self.sample_task = sample_task(self.env, self.name)
        self.data, self.held_out = self.split("train"), self.split("validation")

    def split(self, split: Split) -> SampleData | None:
        """The samples of a split, on the device; None without an environment."""
        return data_of(
            self.sample_task, split, self.env.single_observation_space, self.policy.actor.samples, self.device
        )

    @property
    def name(self) -> str:
        """The agent's name in configurations and messages."""
        return type(self).__name__.lower()

    def update(self) -> Metrics:
        if self.data is None:
            raise UserError("there is no environment to learn from; give one: load(path, env), or set_env(env)")
        self.film.record(self.done_share, self.film_samples)
        self._set_rates()
        rows: list[Tensor] = []
        for _ in range(self.gradient_steps):
            found = self.train_step(self.data)
            rows.append(torch.stack(list(found.values())))
            self.num_timesteps += self.batch_size
        means = torch.stack(rows).mean(0)
        if not bool(means.isfinite().all()):
            raise diverged(self.num_timesteps // self.batch_size)
        self.film.record(self.done_share, self.film_samples)
        return {f"train/{name}": value for name, value in zip(found, means.tolist(), strict=True)}

    def _set_rates(self) -> None:
        """Set the learning rates, as a share of the initial ones."""
        share = max(LEAST_RATE, min(1.0, (1 - self.done_share) / self.decay)) if self.decay else 1.0
        for optimizer, rate in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = rate * share

    def film_samples(self, n: int) -> np.ndarray:
        """n samples, from the same noise at every call and the conditions of the data in order, repeated as needed."""
        assert self.data is not None
        conditions = map_tree(lambda x: x[np.arange(n) % len(x)], self.data.stored_conditions)
        return self.predict(conditions, deterministic=True)[0]

    def draw_rows(self) -> Tensor:
        """Indices of a batch, drawn with replacement."""
        assert self.data is not None
        return torch.randint(len(self.data), (self.batch_size,), generator=self.generator)

    def begin_anew(self) -> None:
        super().begin_anew()
        self.film.clear()

    # ------------------------------------------------------------------ environment, report, saving
    def observe(self, observation: Any) -> Any:
        checked(observation, self.env.single_observation_space, "observations")
        return super().observe(observation)

    @property
    def timestep(self) -> str:
        return "samples learned from"

    def set_env(self, env: Environment) -> None:
        super().set_env(env)
        self.find_data()

    def report_figures(self) -> list[ReportFigure]:
        """Real and generated samples, a film of the training, and the losses."""
        test = self.split("test")
        if test is None:
            return []
        figures = [*self.sample_figures(test), *self.film.figures(test.stored)]
        if self.curves:
            caption = "What the networks minimise, by the timesteps."
            figures.append(MetricCurves(title="The losses", caption=caption, columns=dict(self.curves)))
        return figures

    def sample_figures(self, test: SampleData) -> list[ReportFigure]:
        """Held-out samples beside the policy's samples for the same conditions."""
        real, conditions = held_out(test, PICTURES)
        drawn = self.predict(conditions, deterministic=True)[0]
        return compared(self.policy.actor.samples, {"real": real, "generated": drawn})

    def state_dict(self) -> dict[str, Any]:
        optimizers = {name: optimizer.state_dict() for name, (optimizer, _) in self.optimizers.items()}
        return {**super().state_dict(), **optimizers, "film": self.film.frames}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for name, (optimizer, _) in self.optimizers.items():
            load_optimizer(optimizer, state[name])
        self.film.load(np.asarray(state["film"]))


def set_gradients(optimizer: torch.optim.Optimizer, loss: Tensor, *others: Tensor) -> None:
    """Write the loss's gradient into the optimizer's parameters and the other leaves given, and into no others."""
    parameters = optimizer.param_groups[0]["params"]  # hot: a network's parameters() takes ten times as long
    for parameter in parameters:
        parameter.grad = None
    loss.backward(retain_graph=True, inputs=[*parameters, *others])  # type: ignore[no-untyped-call]


@contextmanager
def frozen(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Context in which the optimizer's parameters require no gradient."""
    parameters = optimizer.param_groups[0]["params"]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def adam(network: torch.nn.Module, rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam, in its fused implementation."""
    return torch.optim.Adam(network.parameters(), lr=rate, betas=betas, fused=True)
