"""``lhy_rl/PixelDigits-v0``: handwritten digits, written pixel by pixel like a sentence."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import Split, TokenSequences
from lhy_rl.core.trees import State, take
from lhy_rl.data.digits import load_digits
from lhy_rl.envs.text.base import SingleTextEnv, TextEnv

SIDE, START, PAD = 8, 2, 3
INK = 0.5  # darker pixels are ink
REWARDS = ("likeness", "none")
SPLITS = ("train", "validation", "test")
PAPER_COLOUR, INK_COLOUR, OPEN_COLOUR = 245, 25, 150  # grey values; the last is for pixels not written yet


class PixelDigits(TextEnv):
    """
    ## Description

    Draw a handwritten digit of 8 x 8 pixels, one pixel a step, row by row from the upper left: a sentence of 64 tokens
    of a vocabulary of two, paper and ink. So an agent that writes sentences draws pictures here (van den Oord et al.
    2016). The pixel above lies eight tokens back: a backbone over both axes, `grid_lstm_2d`, has it as a neighbour.

    The digits are the 1,797 of scikit-learn, 1,000 for training, 400 for validation and 397 for the test; a pixel is
    ink where it is darker than half. A model is measured in bits per pixel on the test split; independent pixels get
    0.555.

    ## Action Space

    `Discrete(2)`: 0 paper, 1 ink.

    ## Observation Space

    `Discrete(4)`: the last pixel; 2 before the first one. 3 pads, which no picture here needs, and is never observed.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | last pixel  | 0   | 3   |

    The observation alone does not tell the picture, nor the place in it: a policy needs memory.

    ## Rewards

    - `reward="likeness"`: with the last pixel the share of pixels in which the picture agrees with the most similar
      training digit; 0 before. At the end also in `info["likeness"]`.
    - `reward="none"`: 0, for agents that bring their own reward (SeqGAN's is a discriminator).

    On average a random policy gets 0.64, and test digits 0.95; an empty picture gets 0.84.

    ## Starting State

    Nothing drawn, the start token observed. Nothing is random: the reset's seed changes nothing.

    ## Episode End

    1. Termination: all 64 pixels (8 `rows`) are drawn.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `rows` | `8` | number of upper rows of the digits that make the pictures, 1 to 8 |
    | `reward` | `"likeness"` | `"likeness"` or `"none"` |
    | `render_mode` | `None` | `"rgb_array"`, the picture so far at 400 x 400, or `"ansi"`, as text |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> task = gymnasium.make("lhy_rl/PixelDigits-v0").unwrapped
    >>> digits = task.sequences("test")
    >>> digits
    <TokenSequences: 397 sentences, 25,408 tokens>
    >>> print(task.decode(digits.tokens[0]))
    ..###...
    .####...
    .#..#...
    ....#...
    ...##...
    ..##....
    ..##.##.
    ..#####.

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/PixelDigits-v0", num_envs=64)` draws all pictures at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 10}

    def __init__(
        self,
        num_envs: int = 1,
        rows: int = SIDE,
        reward: str = "likeness",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.rows = validation.integer("rows", rows, 1, SIDE)
        self.reward_name = validation.choice("reward", reward, REWARDS)
        super().__init__(
            num_envs,
            vocabulary_size=2,
            observation_size=4,
            max_length=SIDE * rows,
            start_token=START,
            end_token=None,
            pad_token=PAD,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        rewards = np.zeros(len(action))
        if self.reward_name == "likeness" and (ended := np.flatnonzero(self.terminal(next_state))).size:
            rewards[ended] = likeness(take(next_state, ended)["tokens"])
        return rewards

    def final_info(self, state: State) -> dict[str, Any]:
        return {"likeness": likeness(state["tokens"])} if self.reward_name == "likeness" else {}

    def frame(self, state: State) -> list[Any]:
        if self.render_mode == "ansi":
            return super().frame(state)
        from lhy_rl.envs import drawing

        return [drawing.enlarged(self.picture_of(tokens)) for tokens in state["tokens"]]

    # ------------------------------------------------------------------ the text task
    def sequences(self, split: Split) -> TokenSequences:
        """The digits of a split.

        Raises:
            UserError: unknown split.
        """
        validation.choice("split", split, SPLITS)
        tokens = pixels(split)[:, : self.max_length].copy()
        return TokenSequences(tokens, np.full(len(tokens), tokens.shape[1]))

    def decode(self, tokens: np.ndarray) -> str:
        """One picture, (T,) pixels, as eight lines; pixels not drawn yet are left out."""
        text = "".join(".#"[token] for token in np.asarray(tokens).tolist() if token < START)
        return "\n".join(text[begin : begin + SIDE] for begin in range(0, len(text), SIDE))

    def picture_of(self, tokens: np.ndarray) -> np.ndarray:
        """One picture, (T,) pixels, as (rows, 8, 3) uint8; what is not drawn yet is grey."""
        grey = np.full(self.max_length, OPEN_COLOUR, np.uint8)
        grey[: len(tokens)] = np.array([PAPER_COLOUR, INK_COLOUR, OPEN_COLOUR, OPEN_COLOUR], np.uint8)[tokens]
        return np.repeat(grey.reshape(self.rows, SIDE, 1), 3, 2)


class PixelDigitsEnv(SingleTextEnv):
    __doc__ = PixelDigits.__doc__
    batched = PixelDigits

    def picture_of(self, tokens: np.ndarray) -> np.ndarray:
        """One picture, (T,) pixels, as (rows, 8, 3) uint8; what is not drawn yet is grey."""
        assert isinstance(self.task, PixelDigits)
        return self.task.picture_of(tokens)


@cache
def pixels(split: str) -> np.ndarray:
    """(N, 64) int64, read-only: the digits of a split, row by row."""
    tokens: np.ndarray = (getattr(load_digits(), split).inputs > INK).reshape(-1, SIDE * SIDE).astype(np.int64)
    tokens.setflags(write=False)
    return tokens


def likeness(tokens: np.ndarray) -> np.ndarray:
    """(B, T) pixels to (B,): the largest share that agrees with a training digit; pixels not drawn agree with none."""
    known = pixels("train")[:, : tokens.shape[1]].astype(np.float32)
    same = (tokens == 1).astype(np.float32) @ known.T + (tokens == 0).astype(np.float32) @ (1 - known).T
    shares: np.ndarray = same.max(1).astype(np.float64) / tokens.shape[1]
    return shares
