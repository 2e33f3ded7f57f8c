"""Base class of the tasks of domain transfer, in which pictures of one domain are drawn in another."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import SPLITS, Samples, Split
from lhy_rl.core.trees import State
from lhy_rl.envs import drawing
from lhy_rl.envs.vision.one_step import CONDITION, SAMPLE, OneStepTask
from lhy_rl.envs.vision.photographs import photographed
from lhy_rl.envs.vision.reader import Reader

SIDE = 16  # pixels of a picture


class TransferTask(OneStepTask):
    """A photograph is observed, and the action should show the same thing as a picture of the target domain.

    There are no pairs: photographs and pictures of the target domain show different things. The content of a drawing is
    recognised by a classifier of the target domain's real pictures.

    A subclass defines :meth:`shapes`, :meth:`drawings`, :meth:`truth` and the reader.

    Args:
        num_envs: B.
        split: Split of the photographed things: ``train``, ``validation`` or ``test``.
        photographs: Number of photographs in ``samples("train")``; the other splits have an eighth.
        noise: Standard deviation of a pixel's noise, where the brightest is 1.
        autoreset_mode, render_mode, max_episode_steps: See :class:`~lhy_rl.envs.base.BatchedEnv`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 1}
    classes: ClassVar[str]
    """The names of the classes, one character each."""

    def __init__(
        self,
        num_envs: int,
        split: str,
        photographs: int,
        noise: float,
        autoreset_mode: AutoresetMode | str,
        render_mode: str | None,
        max_episode_steps: int | None,
    ) -> None:
        self.split = validation.choice("split", split, SPLITS)
        self.photographs = validation.integer("photographs", photographs, 8)
        self.noise = validation.share("noise", noise)
        picture = (SIDE, SIDE, 3)
        super().__init__(
            num_envs,
            Box(0, 255, picture, np.uint8),
            Box(-1.0, 1.0, picture, np.float32),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def shapes(self, split: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """n things of a split as shapes (n, 16, 16) from 0 to 1, their indices (n,), and their classes."""
        raise NotImplementedError

    def drawings(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """The target domain's pictures of a split, (M, 16, 16) from 0 to 1, and their classes."""
        raise NotImplementedError

    def truth(self, index: np.ndarray) -> np.ndarray:
        """(B, 16, 16) from 0 to 1: things of the present split, as the target domain shows them."""
        raise NotImplementedError

    @property
    def reader(self) -> Reader:
        """Reads classes from pictures of the target domain."""
        raise NotImplementedError

    def samples(self, split: Split) -> Samples:
        """Photographs, and pictures of the target domain of other things; the same at every call."""
        rng = np.random.default_rng(SPLITS.index(validation.choice("split", split, SPLITS)))
        count = self.photographs if split == "train" else self.photographs // 8
        shapes, _, labels = self.shapes(split, count, rng)
        drawn, classes = self.drawings(split)
        return Samples(coloured(drawn), photographed(shapes, rng, self.noise), False, labels, classes)

    def drawn(self, n: int, rng: np.random.Generator) -> State:
        shapes, index, labels = self.shapes(self.split, n, rng)
        return {CONDITION: photographed(shapes, rng, self.noise), "index": index, "label": labels}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        right: np.ndarray = self.read(next_state[SAMPLE]) == next_state["label"]
        return right.astype(float)

    def info(self, state: State) -> dict[str, Any]:
        return {"label": state["label"]}

    def final_info(self, state: State) -> dict[str, Any]:
        return {"read": self.read(state[SAMPLE])}

    def read(self, pictures: np.ndarray) -> np.ndarray:
        """(B, 16, 16, 3) pictures to the classes (B,) that are recognised in them in grey."""
        return self.reader((pictures.mean(-1) + 1) / 2)

    def expert_action(self) -> np.ndarray:
        """(B, 16, 16, 3) the content of the photographs in the target domain (``ScriptedExpert``)."""
        return coloured(self.truth(self.snapshot()["state"]["index"]))

    def frame(self, state: State) -> list[Any]:
        frames = []
        for photograph, sample in zip(state[CONDITION], state[SAMPLE], strict=True):
            drawn = np.rint(127.5 * (np.clip(sample, -1, 1) + 1)).astype(np.uint8)
            frames.append(drawing.enlarged(np.concatenate([photograph, drawn], 1)))
        return frames


def coloured(pictures: np.ndarray) -> np.ndarray:
    """(N, H, W) grey pictures from 0 to 1 as (N, H, W, 3) float32 from -1 to 1, of three equal colours."""
    return np.repeat(2 * pictures[..., None] - 1, 3, -1).astype(np.float32)
