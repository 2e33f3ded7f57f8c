"""``lhy_rl/SketchToImage-v0``: make a coloured picture of the outline of a shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import SPLITS, Samples, Split
from lhy_rl.core.trees import State
from lhy_rl.envs import drawing
from lhy_rl.envs.vision.one_step import CONDITION, SAMPLE, OneStepTask, SingleOneStepTask
from lhy_rl.envs.vision.shapes import SHAPES, covered, distances, outlined

SIDE = 16
RADII, MARGIN = (3.5, 6.0), 0.5
"""Range of the shapes' radii, and their least distance to the border, in pixels."""
PAINT = np.array([(0.8, -0.8, -0.8), (-0.8, 0.8, -0.8), (-0.8, -0.8, 0.8), (0.8, 0.8, -0.8), (0.8, -0.8, 0.8)])
"""(5, 3) one of the two colours that each shape may have; the other one is its complement, and their mean grey, 0."""
GROUND = -1.0


class SketchToImage(OneStepTask):
    """
    ## Description

    A sketch shows the outline of a shape, and the action is the picture of the shape filled with one of its two
    colours: a circle is red or cyan, a square green or magenta, a triangle blue or yellow, a cross yellow or blue, a
    ring magenta or green. Both are right, the grey between them is not: minimising the mean distance to real pictures
    leads to grey, which is why Isola et al. (2017, "pix2pix") add a discriminator.

    `samples("train")` of the environment gives pairs of sketches and pictures, each filled with one of the colours.

    ## Action Space

    `Box(-1.0, 1.0, (16, 16, 3), float32)`: the picture, red, green and blue last, from -1 to 1; the ground is -1.

    ## Observation Space

    `Box(0, 255, (16, 16, 3), uint8)`: the sketch, white on black, the same brightness in all three channels.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 767 | red, green and blue of each pixel | 0 | 255 |

    ## Rewards

    1 - d / 2 with d the mean absolute distance to the nearer of the two right pictures, so from 0 to 1.
    On average a random policy gets 0.53, the scripted expert (`expert_action()`), which fills with the first colour, 1.
    `info["shape"]` is the shape's number. At the end `info` holds `saturation`, how colourful the shape is, as a share
    of what it should be (1 is right, 0 is grey), and `colour`, which of the two it is nearer to.

    ## Starting State

    A shape, uniformly drawn, at a random place and of a random size.

    ## Episode End

    1. Termination: after 1 step.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `pictures` | `4000` | number of pairs in `samples("train")`, at least 8; the other splits have an eighth |
    | `render_mode` | `None` | `"rgb_array"`, sketch and picture at 400 x 400 |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/SketchToImage-v0")
    >>> obs, info = env.reset(seed=0)
    >>> picture = env.unwrapped.expert_action()[0]
    >>> env.step(picture)[1]
    1.0

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/SketchToImage-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 1}

    def __init__(
        self,
        num_envs: int = 1,
        pictures: int = 4000,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.pictures = validation.integer("pictures", pictures, 8)
        super().__init__(
            num_envs,
            Box(0, 255, (SIDE, SIDE, 3), np.uint8),
            Box(-1.0, 1.0, (SIDE, SIDE, 3), np.float32),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def samples(self, split: Split) -> Samples:
        """Sketches, each with a picture; the same at every call. A sketch's label is its shape, a picture's colour is
        ``2 * shape``, plus 1 for the complement."""
        which = SPLITS.index(validation.choice("split", split, SPLITS))
        rng = np.random.default_rng([which, 3])
        n = self.pictures if split == "train" else self.pictures // 8
        known = self.drawn(n, rng)
        second = rng.integers(2, size=n)
        filled = painted(known["cover"], known["shape"], second)
        return Samples(filled, known[CONDITION], True, known["shape"], 2 * known["shape"] + second)

    def drawn(self, n: int, rng: np.random.Generator) -> State:
        shapes, radii = rng.integers(len(SHAPES), size=n), rng.uniform(*RADII, n)
        room = SIDE / 2 - radii - MARGIN
        centres = SIDE / 2 + rng.uniform(-1, 1, (n, 2)) * room[:, None]
        distance = distances(shapes, centres, radii, SIDE)
        sketch = np.rint(255 * outlined(distance)).astype(np.uint8)[..., None].repeat(3, 3)
        return {CONDITION: sketch, "shape": shapes, "cover": covered(distance)}

    def right(self, state: State) -> np.ndarray:
        """(B, 2, 16, 16, 3) the two right pictures."""
        cover, shapes = state["cover"], state["shape"]
        return np.stack([painted(cover, shapes, np.full_like(shapes, second)) for second in (0, 1)], 1)

    def distances(self, state: State) -> np.ndarray:
        """(B, 2) mean absolute distances to the two right pictures."""
        apart: np.ndarray = abs(state[SAMPLE][:, None] - self.right(state)).mean((2, 3, 4))
        return apart

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        near: np.ndarray = 1 - self.distances(next_state).min(1) / 2
        return near.astype(float)

    def info(self, state: State) -> dict[str, Any]:
        return {"shape": state["shape"]}

    def final_info(self, state: State) -> dict[str, Any]:
        drawn, real = (saturation(pictures, state["cover"]) for pictures in (state[SAMPLE], self.right(state)[:, 0]))
        return {"saturation": drawn / real, "colour": self.distances(state).argmin(1)}

    def expert_action(self) -> np.ndarray:
        """(B, 16, 16, 3) the shapes filled with the first colour (``ScriptedExpert``)."""
        first: np.ndarray = self.right(self.snapshot()["state"])[:, 0]
        return first

    def frame(self, state: State) -> list[Any]:
        frames = []
        for sketch, sample in zip(state[CONDITION], state[SAMPLE], strict=True):
            picture = np.rint(127.5 * (np.clip(sample, -1, 1) + 1)).astype(np.uint8)
            frames.append(drawing.enlarged(np.concatenate([sketch, picture], 1)))
        return frames


class SketchToImageEnv(SingleOneStepTask):
    __doc__ = SketchToImage.__doc__
    batched = SketchToImage


def painted(cover: np.ndarray, shapes: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, 16, 16, 3) shapes, of which (N, 16, 16) is covered, filled with their first colour or the second."""
    paint = PAINT[shapes] * np.where(second, -1, 1)[:, None]
    filled: np.ndarray = GROUND + cover[..., None] * (paint[:, None, None] - GROUND)
    return filled.astype(np.float32)


def saturation(pictures: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """(N,) how colourful the shapes of pictures (N, 16, 16, 3) are: mean of half the difference of the largest and
    smallest channel."""
    spread = (pictures.max(-1) - pictures.min(-1)) / 2
    mean: np.ndarray = (spread * cover).sum((1, 2)) / cover.sum((1, 2))
    return mean
