"""``lhy_rl/Ring-v0``: draw points of several Gaussians on a circle."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.envs.generative.gaussian_modes import GaussianModes
from lhy_rl.envs.vision.one_step import SingleOneStepTask

RADIUS = 0.8


class Ring(GaussianModes):
    """
    ## Description

    Eight narrow Gaussians lie on a circle of radius 0.8, and the action should be a point of one of them, of each
    equally often. It is the usual first test of whether a generator finds all modes (Metz et al. 2017; the ratio of
    width and radius is theirs).

    There is nothing to observe; the action is a point, and the episode is over. The training data are points of the
    mixture, `samples("train")` of the environment. A generator that draws all of them finds all modes; one that a
    discriminator or a reward leads astray draws a few of them again and again (mode collapse).

    ## Action Space

    `Box(-1.0, 1.0, (2,), float32)`: the point.

    ## Observation Space

    `Discrete(1)`: always 0, there is nothing to observe.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | nothing | 0 | 0 |

    ## Rewards

    1 if the point is good, within three standard deviations of the nearest Gaussian's mean, else 0; at the end
    `info["mode"]` is the number of that Gaussian.
    On average a random policy gets 0.0036, points of the mixture itself get 0.989. The best is 1, which one good point,
    drawn again and again, gets as well: the reward does not measure variety.

    ## Starting State

    Always the same.

    ## Episode End

    1. Termination: after 1 step.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `modes` | `8` | Gaussians on the circle, at least 1 |
    | `std` | `0.008` | standard deviation of each, above 0 and below 1 |
    | `points` | `20000` | how many `samples("train")` has, at least 1; the other splits have 2,500 |
    | `render_mode` | `None` | `"rgb_array"`, the point among real ones at 400 x 400 |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> envs = gymnasium.make_vec("lhy_rl/Ring-v0", num_envs=2)
    >>> envs.unwrapped.samples("validation")
    <Samples: 2,500 samples, 0 conditions, not paired>
    >>> envs.reset(seed=0)[0].tolist(), envs.step([[0.8, 0.01], [0.0, 0.0]])[1].tolist()
    ([0, 0], [1.0, 0.0])

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/Ring-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        modes: int = 8,
        std: float = 0.008,
        points: int = 20000,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        angles = 2 * np.pi * np.arange(validation.integer("modes", modes, 1)) / modes
        means = RADIUS * np.stack([np.cos(angles), np.sin(angles)], 1)
        super().__init__(num_envs, means, std, points, autoreset_mode, render_mode, max_episode_steps)


class RingEnv(SingleOneStepTask):
    __doc__ = Ring.__doc__
    batched = Ring
