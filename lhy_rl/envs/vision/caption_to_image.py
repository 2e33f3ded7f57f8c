"""``lhy_rl/CaptionToImage-v0``: draw a picture of a caption."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from gymnasium.spaces import Box, MultiDiscrete
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import SPLITS, Samples, Split
from lhy_rl.core.trees import State
from lhy_rl.envs import drawing
from lhy_rl.envs.vision import captions
from lhy_rl.envs.vision.one_step import CONDITION, SAMPLE, OneStepTask, SingleOneStepTask
from lhy_rl.envs.vision.reader import Reader
from lhy_rl.envs.vision.shapes import PATCH, RGB, SHAPES, on_grid, patches

GRID = 2
SIDE = GRID * PATCH
CORNERS = np.array([0, 2, 6, 8])
"""Places of the four patches in the grid of 3 x 3 that captions describe."""
ATTRIBUTES = ("colour", "shape", "place")
KNOWN = 600  # training shapes of the reader of shapes
FAINT = 1e-3


class CaptionToImage(OneStepTask):
    """
    ## Description

    A caption names a coloured shape and its place, and the action is a picture of it: a small version of text-to-image
    synthesis (Reed et al. 2016). No two pictures of a caption are the same: the shape is slightly moved, larger or
    smaller, brighter or darker.

    > a red circle top left

    `samples("train")` of the environment gives pairs of captions and pictures.

    ## Action Space

    `Box(-1.0, 1.0, (16, 16, 3), float32)`: the picture, red, green and blue last, from black, -1, to white, 1. The
    ground is black.

    ## Observation Space

    `MultiDiscrete([20 20 20 20 20])`: the words of the caption, numbered as in `lhy_rl/SceneCaption-v0`: "a" (1), one
    of 6 colours (3 to 8), one of 5 shapes (9 to 13), top (14) or bottom (16), left (17) or right (19).

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 4 | word | 0 | 19 |

    ## Rewards

    The share of the three attributes colour, shape and place for which the picture, as it is classified, agrees with
    the caption. The place is the brightest quarter, the colour the nearest of the six there, and the shape is
    classified by kernel ridge regression on the brightness of real ones. On average a random policy gets 0.20, the
    scripted expert (`expert_action()`), which draws what the caption says, 1. `info["what"]` has the numbers of colour,
    shape and place; at the end `info["read"]` has those of the picture, and `info["right"]` which of them are right.

    ## Starting State

    One of the 120 captions, each as often as any other.

    ## Episode End

    1. Termination: after 1 step.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `pictures` | `4000` | number of pairs in `samples("train")`, at least 8; the other splits have an eighth |
    | `render_mode` | `None` | `"rgb_array"`, the picture with its caption, 400 x 400 |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/CaptionToImage-v0")
    >>> obs, info = env.reset(seed=0)
    >>> env.unwrapped.caption(obs)
    'a white cross bottom left'
    >>> picture = env.unwrapped.expert_action()[0]
    >>> env.step(picture)[1]
    1.0

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/CaptionToImage-v0", num_envs=64)` steps all instances at once. Further argument:
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
            MultiDiscrete([captions.VOCABULARY] * captions.THING),
            Box(-1.0, 1.0, (SIDE, SIDE, 3), np.float32),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def samples(self, split: Split) -> Samples:
        """Captions, each with a picture of it; the same at every call. A caption's label is its number, 0 to 119."""
        which = SPLITS.index(validation.choice("split", split, SPLITS))
        rng = np.random.default_rng([which, 2])
        what = described(self.pictures if split == "train" else self.pictures // 8, rng)
        labels = (what[:, 0] * len(SHAPES) + what[:, 1]) * GRID**2 + what[:, 2]
        return Samples(drawn_pictures(what, rng), words_of(what), True, labels, labels.copy())

    def drawn(self, n: int, rng: np.random.Generator) -> State:
        what = described(n, rng)
        return {CONDITION: words_of(what), "what": what}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        share: np.ndarray = (read(next_state[SAMPLE]) == next_state["what"]).mean(1)
        return share

    def final_info(self, state: State) -> dict[str, Any]:
        found = read(state[SAMPLE])
        return {"read": found, "right": found == state["what"]}

    def info(self, state: State) -> dict[str, Any]:
        return {"what": state["what"]}

    def caption(self, words: np.ndarray) -> str:
        """An observation, (5,) words, as text."""
        return captions.spoken(words)

    def expert_action(self) -> np.ndarray:
        """(B, 16, 16, 3) pictures of the captions (``ScriptedExpert``)."""
        return drawn_pictures(self.snapshot()["state"]["what"], np.random.default_rng(0))

    def frame(self, state: State) -> list[Any]:
        frames = []
        for words, sample in zip(state[CONDITION], state[SAMPLE], strict=True):
            frames.append(drawing.enlarged(np.rint(127.5 * (np.clip(sample, -1, 1) + 1)).astype(np.uint8)))
            drawing.label(frames[-1], captions.spoken(words), 4, drawing.SIDE // 2)
        return frames


class CaptionToImageEnv(SingleOneStepTask):
    __doc__ = CaptionToImage.__doc__
    batched = CaptionToImage

    def caption(self, words: np.ndarray) -> str:
        """An observation, (5,) words, as text."""
        return captions.spoken(words)


def described(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 3) colours, shapes and places, drawn uniformly."""
    return rng.integers((len(RGB), len(SHAPES), GRID**2), size=(n, 3))


def words_of(what: np.ndarray) -> np.ndarray:
    """(N, 5) the captions of colours, shapes and places (N, 3)."""
    return captions.things(what[:, 0], what[:, 1], CORNERS[what[:, 2]])


def drawn_pictures(what: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N, 16, 16, 3) pictures, from -1 to 1, of colours, shapes and places (N, 3)."""
    cells = np.full((len(what), GRID**2), -1, np.int64)
    np.put_along_axis(cells, what[:, 2:], what[:, :1] * len(SHAPES) + what[:, 1:2], 1)
    cover, colour = on_grid(cells, GRID, rng)
    whole: np.ndarray = (cover[..., None] * colour * (2 / 255) - 1).astype(np.float32)
    return whole


def read(pictures: np.ndarray) -> np.ndarray:
    """(B, 3) classify colour, shape and place of pictures (B, 16, 16, 3) from -1 to 1."""
    n, shares = len(pictures), (np.clip(pictures, -1, 1) + 1) / 2
    quarters = shares.reshape(n, GRID, PATCH, GRID, PATCH, 3).swapaxes(2, 3).reshape(n, GRID**2, PATCH, PATCH, 3)
    place = quarters.max(-1).sum((2, 3)).argmax(1)
    patch = quarters[np.arange(n), place]
    light = patch.max(-1)  # (n, 8, 8)
    mean = (patch * light[..., None]).sum((1, 2))
    colours = RGB / RGB.max(1, keepdims=True)
    distance = mean / np.maximum(mean.max(1, keepdims=True), FAINT)
    colour = ((distance[:, None] - colours) ** 2).sum(2).argmin(1)
    brightest = np.maximum(light.max((1, 2), keepdims=True), FAINT)
    return np.stack([colour, shape_reader()(light / brightest), place], 1)


@cache
def shape_reader() -> Reader:
    """The classifier of shapes in patches."""
    rng = np.random.default_rng(0)
    shapes = rng.integers(len(SHAPES), size=KNOWN)
    return Reader(patches(shapes, rng), shapes)
