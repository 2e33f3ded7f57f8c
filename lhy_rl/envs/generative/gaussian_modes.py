"""Base class of the tasks whose action is a point of a mixture of well-separated Gaussians."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.point_pictures import draw_points
from lhy_rl.core.protocols import SPLITS, Samples, Split
from lhy_rl.core.trees import State
from lhy_rl.envs import drawing
from lhy_rl.envs.vision.one_step import CONDITION, SAMPLE, OneStepTask

NEAR = 3.0  # standard deviations from a mean, within which a point is good
HELD_OUT = 2500  # samples of the validation and of the test split
DRAWN = 2000  # real points in a frame


class GaussianModes(OneStepTask):
    """There is nothing to observe, and the action should be a sample of the mixture.

    A point is good within three standard deviations of a mean; real ones are with probability 1 - exp(-4.5) = 0.989.
    The reward is computed from one point at a time and ignores variety: a policy that always draws the same good point
    gets all of it. Learning from ``samples`` can give both reward and variety.

    Args:
        num_envs: B.
        means: (K, 2).
        std: Standard deviation of each Gaussian, the same in both directions.
        points: Number of points in ``samples("train")``.
        autoreset_mode, render_mode, max_episode_steps: See :class:`~lhy_rl.envs.base.BatchedEnv`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}

    def __init__(
        self,
        num_envs: int,
        means: np.ndarray,
        std: float,
        points: int,
        autoreset_mode: AutoresetMode | str,
        render_mode: str | None,
        max_episode_steps: int | None,
    ) -> None:
        if isinstance(std, bool) or not isinstance(std, int | float) or not 0 < std < 1:
            raise UserError(f"std={brief(std)} is not allowed; must be a number above 0 and below 1")
        self.means, self.std = means, float(std)
        self.points = validation.integer("points", points, 1)
        super().__init__(
            num_envs,
            Discrete(1),
            Box(-1.0, 1.0, (2,), np.float32),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def samples(self, split: Split) -> Samples:
        """Points of the mixture and the numbers of their Gaussians; the same at every call."""
        rng = np.random.default_rng(SPLITS.index(validation.choice("split", split, SPLITS)))
        n = self.points if split == "train" else HELD_OUT
        modes = rng.integers(len(self.means), size=n)
        points = self.means[modes] + self.std * rng.standard_normal((n, 2))
        return Samples(points.clip(-1.0, 1.0).astype(np.float32), sample_labels=modes)

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 2) points to the nearest Gaussian of each, (N,), and whether it is within three standard deviations."""
        squared = ((points[:, None].astype(float) - self.means) ** 2).sum(-1)  # (N, K)
        modes = squared.argmin(1)
        return modes, squared[np.arange(len(modes)), modes] <= (NEAR * self.std) ** 2

    def drawn(self, n: int, rng: np.random.Generator) -> State:
        return {CONDITION: np.zeros(n, np.int64), "example": rng.integers(len(self.means), size=n)}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        return self.nearest(next_state[SAMPLE])[1].astype(float)

    def final_info(self, state: State) -> dict[str, Any]:
        return {"mode": self.nearest(state[SAMPLE])[0]}

    def expert_action(self) -> np.ndarray:
        """(B, 2) the mean of a Gaussian drawn at the start (``ScriptedExpert``)."""
        points: np.ndarray = self.means[self.snapshot()["state"]["example"]].astype(np.float32)
        return points

    def frame(self, state: State) -> list[Any]:
        ground = drawing.blank()
        draw_points(ground, self.samples("validation").samples[:DRAWN], 1.0, (120, 120, 128), 2)
        frames = []
        for point, over in zip(state[SAMPLE], state["over"], strict=True):
            frames.append(ground.copy())
            if over:
                draw_points(frames[-1], point[None], 1.0, drawing.NOW, 9)
        return frames
