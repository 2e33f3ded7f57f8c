"""``lhy_rl/SceneCaption-v0``: write a caption for a picture of coloured shapes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import SPLITS, Split, TokenSequences
from lhy_rl.core.trees import State
from lhy_rl.envs import drawing
from lhy_rl.envs.text.base import SingleTextEnv, TextEnv
from lhy_rl.envs.vision import captions as language
from lhy_rl.envs.vision.captions import COMBINATIONS, END, GRID, HELD_OUT, PAD, START, VOCABULARY
from lhy_rl.envs.vision.shapes import PATCH, on_grid
from lhy_rl.functional.rouge import rouge_l

REWARDS = ("parser", "bleu", "rouge")
SIDE = GRID * PATCH
OTHERS = 500  # captions of the validation split and of the test split
NOISE, BRIGHTEST_GROUND = 6.0, 60.0
LARGEST = 4


class SceneCaption(TextEnv):
    """
    ## Description

    A picture shows one to three coloured shapes on a grid of 3 x 3 places, and a caption is to be written, word by
    word, that names them in reading order. It is a small version of captioning photographs (Vinyals et al. 2015, "Show
    and tell"; Xu et al. 2015, "Show, attend and tell").

    > a red circle top left and a blue cross bottom centre

    There are 5 shapes in 6 colours. Of the 30 combinations 6, a shape of each colour, are held out: only the test split
    has them, one at least in every picture. A policy that associates a colour with the shapes of its training pictures
    is wrong there.

    ## Action Space

    `Discrete(20)`: the next word.

    | Num | Word |
    |-----|------|
    | 0 | the end of the caption |
    | 1, 2 | a, and |
    | 3 to 8 | red, green, blue, yellow, purple, white |
    | 9 to 13 | circle, square, triangle, cross, ring |
    | 14 to 16 | top, middle, bottom |
    | 17 to 19 | left, centre, right |

    ## Observation Space

    A Dict:

    - `token`: `Discrete(22)`, the last word; before the first it is the start token (20).
    - `source`: `Box(0, 255, (24, 24, 3), uint8)`, the picture, the same at every step. Each place has 8 x 8 pixels; the
      ground's grey, the shapes' places, sizes and colours differ a little, and there is noise.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | last word   | 0   | 21  |

    ## Rewards

    At the end of the caption, 0 to 1, by name:

    - `"parser"`: how correct and how complete it is. A parser, which knows the picture's content, reads the named
      things; with m of them, and k in the picture, the reward is 2 r / (m + k), where r counts the things named at
      their places, half for the colour and half for the shape. The order is free; a right caption gets 1.
    - `"bleu"`: BLEU-4 (Papineni et al. 2002; smoothed, see `lhy_rl.functional.text_metrics`) against the caption in
      reading order.
    - `"rouge"`: ROUGE-L, F (Lin 2004), against the same.

    A random agent gets 0.00 with `"parser"`, the scripted expert (`expert_action()`) 1 with each.

    `info`, at the end, holds `score`, what the parser gives, `exact`, whether that is 1, and `text`, the caption.

    ## Starting State

    A picture: the number of things is drawn uniformly, then their places, then their combinations. No word is written.

    ## Episode End

    1. Termination: the end token (0) is written.
    2. Termination: 18 words are written (6 for each of `objects`); the end token counts as one.
    3. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `objects` | `3` | most things of a picture, 1 to 4 |
    | `captions` | `4000` | captioned pictures in `sequences("train")`, at least 1; the other splits have 500 |
    | `split` | `"train"` | split of the pictures' combinations: `"train"`, `"validation"` (the same) or `"test"` |
    | `reward` | `"parser"` | `"parser"`, `"bleu"` or `"rouge"` |
    | `render_mode` | `None` | `"rgb_array"`, picture and caption at 400 x 400, or `"ansi"`, the caption |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/SceneCaption-v0", render_mode="ansi")
    >>> obs, info = env.reset(seed=2)
    >>> terminated = False
    >>> while not terminated:
    ...     obs, reward, terminated, truncated, info = env.step(int(env.unwrapped.expert_action()[0]))
    >>> print(env.render())
    a white triangle top right
    >>> reward
    1.0

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/SceneCaption-v0", num_envs=64)` steps all captions at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}
    picture = Box(0, 255, (SIDE, SIDE, 3), np.uint8)

    def __init__(
        self,
        num_envs: int = 1,
        objects: int = 3,
        captions: int = 4000,
        split: str = "train",
        reward: str = "parser",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.objects = validation.integer("objects", objects, 1, LARGEST)
        self.captions = validation.integer("captions", captions, 1)
        self.split = validation.choice("split", split, SPLITS)
        self.reward_name = validation.choice("reward", reward, REWARDS)
        super().__init__(
            num_envs,
            vocabulary_size=VOCABULARY,
            observation_size=VOCABULARY + 2,
            max_length=language.longest(self.objects),
            start_token=START,
            end_token=END,
            pad_token=PAD,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        cells = drawn_cells(n, self.objects, self.split, rng)
        return {**super().initial(n, rng), "cells": cells, "picture": pictures(cells, rng)}

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        kept = {key: state[key] for key in ("cells", "picture")}
        return {**super().transition(state, action, rng), **kept}

    def source(self, state: State) -> np.ndarray:
        return state["picture"]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        rewards, ended = np.zeros(len(action)), self.terminal(next_state)
        if ended.any():
            rewards[ended] = self.scored(*(next_state[key][ended] for key in ("tokens", "length", "cells")))
        return rewards

    def scored(
        self, tokens: np.ndarray, lengths: np.ndarray, cells: np.ndarray, reward: str | None = None
    ) -> np.ndarray:
        """(N,) rewards of captions, 0 to 1.

        Args:
            tokens: (N, T); lengths: (N,), end token included.
            cells: (N, 9) contents of their pictures.
            reward: ``parser``, ``bleu`` or ``rouge``; None: this environment's.
        """
        name = self.reward_name if reward is None else validation.choice("reward", reward, REWARDS)
        if name == "parser":
            return language.truth(tokens, lengths, cells)
        right = language.captions(cells, self.objects)
        if name == "rouge":
            return rouge_l(tokens, lengths, *right)
        from lhy_rl.functional.text_metrics import BleuScorer, unpadded

        pairs = zip(unpadded(tokens, END, lengths), unpadded(*right[:1], END), strict=True)
        return np.array(
            [BleuScorer([true]).sentence_scores([written])[0] if written else 0.0 for written, true in pairs]
        )

    def final_info(self, state: State) -> dict[str, Any]:
        score = language.truth(state["tokens"], state["length"], state["cells"])
        return {"score": score, "exact": score == 1, "text": np.array(self._texts(state), object)}

    def expert_action(self) -> np.ndarray:
        """(B,) the next word of the caption in reading order; after it the end token (``ScriptedExpert``)."""
        state = self.snapshot()["state"]
        right, _ = language.captions(state["cells"], self.objects)
        word = right[np.arange(self.num_envs), np.minimum(state["length"], self.max_length - 1)]
        return np.where(word == PAD, END, word)

    # ------------------------------------------------------------------ words
    def _texts(self, state: State) -> list[str]:
        return super().frame(state)

    def frame(self, state: State) -> list[Any]:
        texts = self._texts(state)
        if self.render_mode == "ansi":
            return texts
        frames = []
        for picture, text in zip(state["picture"], texts, strict=True):
            frame = drawing.enlarged(picture)
            for line, words in enumerate(text.split(" and ") if text else []):
                drawing.label(frame, f"and {words}" if line else words, 4 + 22 * line, drawing.SIDE // 2)
            frames.append(frame)
        return frames

    def sequences(self, split: Split) -> TokenSequences:
        """Captions of this split in reading order, each closed by the end token, and their pictures as sources.

        Raises:
            UserError: unknown split.
        """
        return examples(self.objects, self.captions, validation.choice("split", split, SPLITS))[0]

    def cells(self, split: Split) -> np.ndarray:
        """(N, 9) contents of the pictures of :meth:`sequences`: colour * 5 + shape at each place, or -1."""
        return examples(self.objects, self.captions, validation.choice("split", split, SPLITS))[1]

    def decode(self, tokens: np.ndarray) -> str:
        """One caption, (T,) token ids, as readable text, up to its end."""
        return language.spoken(tokens)


class SceneCaptionEnv(SingleTextEnv):
    __doc__ = SceneCaption.__doc__
    batched = SceneCaption


def drawn_cells(n: int, objects: int, split: str, rng: np.random.Generator) -> np.ndarray:
    """(n, 9) int64 random contents of pictures of a split: colour * 5 + shape at each place, or -1."""
    places = rng.permuted(np.tile(np.arange(GRID * GRID), (n, 1)), axis=1)[:, :objects]
    known = np.setdiff1d(np.arange(COMBINATIONS), HELD_OUT)
    chosen = rng.choice(COMBINATIONS if split == "test" else known, (n, objects))
    if split == "test":
        chosen[:, 0] = rng.choice(HELD_OUT, n)
    chosen[np.arange(objects) >= rng.integers(1, objects + 1, (n, 1))] = -1
    cells = np.full((n, GRID * GRID), -1, np.int64)
    np.put_along_axis(cells, places, chosen, 1)
    return cells


def pictures(cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 24, 24, 3) uint8 pictures of (n, 9) cells."""
    cover, colour = on_grid(cells, GRID, rng)
    ground = rng.uniform(0, BRIGHTEST_GROUND, (len(cells), 1, 1, 1))
    drawn = ground + cover[..., None] * (colour - ground) + rng.normal(0, NOISE, colour.shape)
    return np.clip(np.rint(drawn), 0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=8)
def examples(objects: int, count: int, split: str) -> tuple[TokenSequences, np.ndarray]:
    """Captions with their pictures, and the pictures' contents; always the same ones."""
    rng = np.random.default_rng([SPLITS.index(split), objects])
    cells = drawn_cells(count if split == "train" else OTHERS, objects, split, rng)
    tokens, lengths = language.captions(cells, objects)
    return TokenSequences(tokens, lengths, pictures(cells, rng)), cells
