"""Base class of the tasks in which a picture like those of a data set is to be drawn."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SPLITS, Samples, Split
from lhy_rl.core.trees import State
from lhy_rl.data.picture_files import PictureSet
from lhy_rl.data.splits import LabelledData
from lhy_rl.envs import drawing
from lhy_rl.envs.vision.one_step import CONDITION, SAMPLE, OneStepTask
from lhy_rl.envs.vision.reader import squared_distances

SMALLEST = 8  # pixels of a side
NUM_SCALED = 300  # pictures from which the scale of the distances is estimated


class PictureSamples(OneStepTask):
    """The action should be a picture like those of the data set; with ``conditional``, of the class that is observed.

    Args:
        num_envs: B.
        pictures: The data set.
        conditional: Observe the class that the picture should have.
        autoreset_mode, render_mode, max_episode_steps: See :class:`~lhy_rl.envs.base.BatchedEnv`.

    Raises:
        UserError: the data set has no classes to observe, or pictures below 8 x 8.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}

    def __init__(
        self,
        num_envs: int,
        pictures: PictureSet,
        conditional: bool,
        autoreset_mode: AutoresetMode | str,
        render_mode: str | None,
        max_episode_steps: int | None,
    ) -> None:
        self.pictures, self.conditional = pictures, validation.flag("conditional", conditional)
        if conditional and len(pictures.classes) < 2:
            raise UserError("conditional=True needs several classes, and these pictures have one; allowed: False")
        height, width, channels = pictures.splits.train.inputs.shape[1:]
        if min(height, width) < SMALLEST:
            raise UserError(f"the pictures are {width} x {height} pixels; allowed: at least 8 x 8 (side=16)")
        super().__init__(
            num_envs,
            Discrete(len(pictures.classes) if conditional else 1),
            Box(-1.0, 1.0, (height, width, channels), np.float32),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def samples(self, split: Split) -> Samples:
        """Pictures and their classes; the same at every call."""
        part: LabelledData = getattr(self.pictures.splits, validation.choice("split", split, SPLITS))
        conditions = part.labels.copy() if self.conditional else None
        return Samples(2 * part.inputs - 1, conditions, self.conditional, conditions, part.labels.copy())

    @cached_property
    def known(self) -> tuple[np.ndarray, np.ndarray]:
        """The training pictures, (M, pixels), and their classes (M,)."""
        train = self.pictures.splits.train
        return 2 * train.inputs.reshape(len(train.inputs), -1) - 1, train.labels

    @cached_property
    def scale(self) -> float:
        """The median squared distance of a held-out picture to the nearest training picture."""
        held_out = self.samples("validation").samples[:NUM_SCALED]
        return max(float(np.median(squared_distances(flat(held_out), self.known[0]).min(1))), 1e-6)

    def nearest(self, pictures: np.ndarray, wanted: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(N, H, W, C) pictures to the nearest training pictures: their indices (N,), and the squared distances.

        Args:
            wanted: (N,) classes; then the nearest of that class.
        """
        known, labels = self.known
        squared = squared_distances(flat(pictures), known).clip(0)
        if wanted is not None:
            squared[labels != wanted[:, None]] = np.inf
        index = squared.argmin(1)
        return index, squared[np.arange(len(index)), index]

    def drawn(self, n: int, rng: np.random.Generator) -> State:
        index = rng.integers(len(self.known[1]), size=n)
        condition = self.known[1][index] if self.conditional else np.zeros(n, np.int64)
        return {CONDITION: condition, "example": index}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        wanted = next_state[CONDITION] if self.conditional else None
        return np.asarray(np.exp(-self.nearest(next_state[SAMPLE], wanted)[1] / self.scale))

    def expert_action(self) -> np.ndarray:
        """(B, H, W, C) a training picture of the right class, chosen when the episode begins (``ScriptedExpert``)."""
        shape = self.single_action_space.shape or ()
        pictures: np.ndarray = self.known[0][self.snapshot()["state"]["example"]].reshape(-1, *shape)
        return pictures

    def final_info(self, state: State) -> dict[str, Any]:
        index, _ = self.nearest(state[SAMPLE])
        return {"nearest": index, "read": self.known[1][index]}

    def frame(self, state: State) -> list[Any]:
        """The drawn picture, and beside it the nearest training picture."""
        shape = self.single_action_space.shape or ()
        nearest = self.known[0][self.nearest(state[SAMPLE])[0]].reshape(-1, *shape)
        frames = []
        for pair in zip(state[SAMPLE], nearest, strict=True):
            both = np.rint(127.5 * (np.clip(np.concatenate(pair, 1), -1, 1) + 1)).astype(np.uint8)
            frames.append(drawing.enlarged(np.broadcast_to(both, (*both.shape[:2], 3))))
        return frames


def flat(pictures: np.ndarray) -> np.ndarray:
    """(N, ...) to (N, pixels)."""
    return pictures.reshape(len(pictures), -1).astype(np.float64)
