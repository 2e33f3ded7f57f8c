"""``lhy_rl/Grid25-v0``: draw points of 25 Gaussians on a grid."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.envs.generative.gaussian_modes import GaussianModes
from lhy_rl.envs.vision.one_step import SingleOneStepTask

APART, ACROSS = 0.4, 5


class Grid25(GaussianModes):
    """
    ## Description

    Twenty-five narrow Gaussians lie on a grid of five by five, 0.4 apart, and the action should be a point of one of
    them, of each equally often (Srivastava et al. 2017, section 4.1; the ratio of width and distance is theirs).

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
    On average a random policy gets 0.0177, points of the mixture itself get 0.989. The best is 1, which one good point,
    drawn again and again, gets as well: the reward does not measure variety.

    ## Starting State

    Always the same.

    ## Episode End

    1. Termination: after 1 step.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `std` | `0.01` | standard deviation of each, above 0 and below 1 |
    | `points` | `20000` | how many `samples("train")` has, at least 1; the other splits have 2,500 |
    | `render_mode` | `None` | `"rgb_array"`, the point among real ones at 400 x 400 |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> envs = gymnasium.make_vec("lhy_rl/Grid25-v0", num_envs=2)
    >>> envs.unwrapped.samples("validation")
    <Samples: 2,500 samples, 0 conditions, not paired>
    >>> envs.reset(seed=0)[0].tolist(), envs.step([[0.8, 0.41], [0.2, 0.0]])[1].tolist()
    ([0, 0], [1.0, 0.0])

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/Grid25-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        std: float = 0.01,
        points: int = 20000,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        places = APART * (np.arange(ACROSS) - ACROSS // 2)
        means = np.stack(np.meshgrid(places, places), -1).reshape(-1, 2)
        super().__init__(num_envs, means, std, points, autoreset_mode, render_mode, max_episode_steps)


class Grid25Env(SingleOneStepTask):
    __doc__ = Grid25.__doc__
    batched = Grid25
