"""One seed of a configuration as a learning curve, without a run folder; and the finished ones, kept in a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

import lhy_rl
from lhy_rl.benchmark import results
from lhy_rl.benchmark.learning_curve import Curve, Point, Recorder
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import TextTask
from lhy_rl.core.saved_states import fitting
from lhy_rl.experiment import build
from lhy_rl.experiment.config import Config
from lhy_rl.experiment.demonstrations import count, resolve_demonstrations
from lhy_rl.rollouts.evaluate_policy import SEED, play

EPISODES = 20  # of an evaluation, each in an instance of its own


@dataclass(frozen=True)
class SeedRun:
    """One seed of a row of a benchmark.

    Attributes:
        config: Complete configuration with the seed in it.
        test: The configuration whose environment the evaluations play in.
        interval: Environment steps between two evaluations.
        episodes: Of an evaluation.
        until: Stop at the first evaluation with this mean return; None trains to the end.
        elsewhere: Configurations, by name, in whose environments the trained policy is evaluated, too.
        evaluation_seed: Of the episodes of every evaluation.
    """

    config: Config
    test: Config
    interval: int
    episodes: int = EPISODES
    until: float | None = None
    elsewhere: dict[str, Config] = field(default_factory=dict)
    evaluation_seed: int = SEED

    @property
    def key(self) -> str:
        """A key that changes with everything that the result depends on, but for the code."""
        import torch

        values = {name: value for name, value in self.config.values.items() if name != "run"}
        what = [values, self.test.values["env"], self.interval, self.episodes, self.until]
        what += [{name: config.values["env"] for name, config in self.elsewhere.items()}] if self.elsewhere else []
        return digest([*what, lhy_rl.__version__, torch.__version__])

    def run(
        self,
        env: VectorEnv[Any, Any, Any] | None = None,
        at: Sequence[float] | None = None,
        on_point: Callable[[Point], bool] | None = None,
    ) -> Curve:
        """Train the configuration's agent and evaluate it on the way.

        Args:
            env: What it learns in; None makes the configuration's.
            at: Steps after which it is evaluated, instead of the interval; at the end it is in any case.
            on_point: Called with every evaluation but the untrained policy's; False stops the training.
        """
        env = build.make_environment(self.config) if env is None else env
        test = build.make_environment(self.test, num_envs=self.episodes)
        demonstrations = resolve_demonstrations(self.config, env)
        agent = build.make_agent(self.config, env, demonstrations)
        demonstrated = count(self.config, demonstrations)

        def predict(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[np.ndarray, Any]:
            actions, memory = agent.predict(obs, state, start, True, masks)
            return actions, memory

        def evaluate(env: VectorEnv[Any, Any, Any] = test) -> float:
            return float(play(predict, env, self.episodes, self.evaluation_seed)[0].mean())

        def after_update(agent: Any, metrics: dict[str, float]) -> bool:
            recorder.labels = demonstrated + int(metrics.get("rollout/labels", 0))
            return recorder.after_update(agent.num_timesteps)

        recorder = Recorder(evaluate, self.interval, self.until, at, on_point)
        recorder.labels = demonstrated
        recorder.begin()
        agent.learn(self.config.values["total_timesteps"], callback=after_update)
        curve = recorder.end(agent.num_timesteps)
        for name, config in self.elsewhere.items():
            other = build.make_environment(config, num_envs=self.episodes)
            curve.elsewhere[name] = round(evaluate(other), 6)
            other.close()
        env.close()
        test.close()
        return curve

    def check(self) -> None:
        """Make the environments and the agent, for nothing but the errors.

        Raises:
            UserError: they cannot be made, or the task is text, whose worth is no return.
        """
        env = build.make_environment(self.config, num_envs=1)
        if isinstance(env.unwrapped, TextTask):
            raise UserError(
                f"{self.config.name} is a text task, and a benchmark compares returns; "
                "allowed: configurations of other tasks"
            )
        build.make_agent(self.config, env)
        env.close()
        for config in (self.test, *self.elsewhere.values()):
            build.make_environment(config, num_envs=1).close()


def digest(what: Any) -> str:
    """A short name for some plain values."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]


class ResultCache:
    """The curves of finished seeds by key, in ``NAME.trials.json``, which is rewritten after each, atomically.

    Args:
        path: The file.
        fresh: Begin with an empty cache.
    """

    def __init__(self, path: Path, fresh: bool = False) -> None:
        self.path = path
        self.curves: dict[str, Curve] = {}
        if path.exists() and not fresh:
            with fitting(f"{str(path)!r} holds no curves of a benchmark; remove it"):
                self.curves = {key: _curve(stored) for key, stored in results.read_json(path).items()}

    def add(self, key: str, curve: Curve) -> None:
        """Add a curve and write the file."""
        self.curves[key] = curve
        lines = [f"{json.dumps(key)}: {json.dumps(_plain(curve))}" for key, curve in sorted(self.curves.items())]
        results.write_text(self.path, "{\n" + ",\n".join(lines) + "\n}\n")


def _curve(stored: Any) -> Curve:
    """A curve from what :func:`_plain` made of it."""
    points, elsewhere = (stored["points"], stored["elsewhere"]) if isinstance(stored, dict) else (stored, {})
    numbers = [*chain.from_iterable(points), *elsewhere.values()]
    if not points or not all(isinstance(number, int | float) for number in numbers):
        raise ValueError(f"{brief(stored)} is not a curve")
    return Curve([Point(*point) for point in points], elsewhere)


def _plain(curve: Curve) -> Any:
    """The points, without labels where there are none, and the returns elsewhere where there are such."""
    points = [tuple(point) if point.labels else tuple(point[:3]) for point in curve.points]
    return {"points": points, "elsewhere": curve.elsewhere} if curve.elsewhere else points
