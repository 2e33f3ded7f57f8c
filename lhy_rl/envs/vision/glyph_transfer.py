"""``lhy_rl/GlyphTransfer-v0``: draw photographs of letters in another font."""

from __future__ import annotations

from functools import cache

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import SPLITS
from lhy_rl.data.glyphs import LETTERS, fonts, load_glyphs
from lhy_rl.envs.vision.one_step import SingleOneStepTask
from lhy_rl.envs.vision.photographs import moved, small
from lhy_rl.envs.vision.reader import Reader
from lhy_rl.envs.vision.transfer import TransferTask

PHOTOGRAPHED = (1.5, 12.0, 0.12)  # pixels, degrees and share, by which letters are moved, turned and scaled, at most
DRAWN = (0.5, 4.0, 0.05)
DRAWINGS = {"train": 1300, "validation": 260, "test": 520}


class GlyphTransfer(TransferTask):
    """
    ## Description

    A photograph shows a capital letter of one font in two colours, unevenly lit, moved, turned, with noise. The action
    is the same letter in another font, black on white: photograph to drawing, a small version of the transfer from
    faces to emoji (Taigman, Polyak and Wolf 2017). The correspondence between the fonts' letters is not given:
    `samples("train")` of the environment has photographs and drawings that are not paired.

    The fonts come with matplotlib.

    ## Action Space

    `Box(-1.0, 1.0, (16, 16, 3), float32)`: the drawing, red, green and blue last, from black, -1, to white, 1.

    ## Observation Space

    `Box(0, 255, (16, 16, 3), uint8)`: the photograph.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 767 | red, green and blue of each pixel | 0 | 255 |

    ## Rewards

    1 if the letter recognised in the drawing is the photograph's, otherwise 0. It is recognised by kernel ridge
    regression on the grey pixels of the real training drawings. On average a random policy gets 0.04, the scripted
    expert (`expert_action()`), which knows the letter, 1. The photograph's letter is `info["label"]`, 0 for A to 25 for
    Z; at the end `info["read"]` is the recognised one.

    ## Starting State

    A photograph of a letter, each drawn as often as any other.

    ## Episode End

    1. Termination: after 1 step.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `source_font` | `"DejaVuSans-Bold"` | font of the photographs, the name of its file |
    | `target_font` | `"STIXGeneralItalic"` | font of the drawings |
    | `split` | `"train"` | `"train"`, `"validation"` or `"test"`, which changes nothing here: each photograph is new |
    | `photographs` | `12000` | photographs in `samples("train")`, at least 8; the other splits have an eighth |
    | `noise` | `0.08` | standard deviation of a pixel's noise, 0 to 1, where the brightest is 1 |
    | `render_mode` | `None` | `"rgb_array"`, photograph and drawing at 400 x 400 |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/GlyphTransfer-v0")
    >>> obs, info = env.reset(seed=0)
    >>> drawing = env.unwrapped.expert_action()[0]
    >>> env.step(drawing)[1]
    1.0

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/GlyphTransfer-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    classes = LETTERS

    def __init__(
        self,
        num_envs: int = 1,
        source_font: str = "DejaVuSans-Bold",
        target_font: str = "STIXGeneralItalic",
        split: str = "train",
        photographs: int = 12000,
        noise: float = 0.08,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        known = fonts()
        self.target_font = validation.choice("target_font", target_font, known)
        self.source = load_glyphs(validation.choice("source_font", source_font, known))
        self.target = load_glyphs(target_font)
        super().__init__(num_envs, split, photographs, noise, autoreset_mode, render_mode, max_episode_steps)

    def shapes(self, split: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        letters = rng.integers(len(LETTERS), size=n)
        return moved(self.source[letters], rng, *PHOTOGRAPHED), letters, letters

    def drawings(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        return drawn_letters(self.target_font, split)

    def truth(self, index: np.ndarray) -> np.ndarray:
        return 1 - small(self.target[index])

    @property
    def reader(self) -> Reader:
        return letter_reader(self.target_font)


class GlyphTransferEnv(SingleOneStepTask):
    __doc__ = GlyphTransfer.__doc__
    batched = GlyphTransfer


def drawn_letters(font: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Letters of a font, each slightly moved, turned and scaled: (M, 16, 16), black is 0; and their classes."""
    rng = np.random.default_rng([SPLITS.index(split), 1])
    letters = rng.integers(len(LETTERS), size=DRAWINGS[split])
    return 1 - moved(load_glyphs(font)[letters], rng, *DRAWN), letters


@cache
def letter_reader(font: str) -> Reader:
    """The classifier of letters of a font."""
    return Reader(*drawn_letters(font, "train"))
