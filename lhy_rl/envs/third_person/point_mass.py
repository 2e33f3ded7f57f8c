"""``lhy_rl/PointMassPixels-v0``: a point is pushed to a target, seen from above."""

from __future__ import annotations

import numpy as np

from lhy_rl.core.trees import State
from lhy_rl.envs.single import SingleEnv
from lhy_rl.envs.third_person.pixel_task import PixelTask
from lhy_rl.envs.third_person.raster import Canvas

DRAG, FORCE = 0.75, 0.05  # factor of the velocity in a step, and what a force of 1 adds


class PointMassPixels(PixelTask):
    """
    ## Description

    A point is pushed over a plane to a target, seen from above. The task is easy; its purpose is to have several views.
    An expert's video comes from one domain, with another camera and other colours, and the learner acts in its own
    (third-person imitation, Stadie et al. 2017, whose Point task this is made after).

    ## Action Space

    `Box(-1.0, 1.0, (2,), float32)`: the force, to the right and upwards. With force `a` the velocity becomes
    `0.75 v + 0.05 a`; at the edge of the plane, 1 from its middle, the point stops.

    ## Observation Space

    `Dict`: `state`, `Box(-2.0, 2.0, (6,), float32)`, and `image`, `Box(0, 255, (32, 32, 3), uint8)`.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 1 | place, right and up | -2 | 2 |
    | 2 to 3 | velocity, a step | -2 | 2 |
    | 4 to 5 | vector to the target | -2 | 2 |

    The image is drawn in the domain's colours by the domain's camera, red, green and blue last. With
    `observation="state"` or `"image"` the observation is that `Box` alone.

    ## Rewards

    Minus the distance to the target after the step, minus `0.01 |a|^2`.
    On average a random policy gets -47.9, the scripted expert (`expert_action()`) -4.0. At the end `info["distance"]`
    is the distance left to the target and `info["success"]` whether it is below 0.1.

    ## Starting State

    The place is uniform in [-1, 1]^2, the target in [-0.8, 0.8]^2; the point rests.

    ## Episode End

    1. Termination: never, so that the length of an episode carries no information for imitation.
    2. Truncation: after `horizon` steps.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `domain` | `"own"` | how it looks: a name from below, or other values than a domain's: `{"angle": 15.0}` |
    | `observation` | `"both"` | `"both"`, `"state"` or `"image"` |
    | `size` | `32` | pixels of a side of the image, 16 to 48; Stable-Baselines3's CNN reads 36 and more |
    | `horizon` | `50` | steps of an episode, at least 1 |
    | `render_mode` | `None` | `"rgb_array"`, the picture at 400 x 400 |
    | `max_episode_steps` | `None` | truncates earlier than `horizon` |

    | Domain | What differs from the learner's own |
    |--------|-------------------------------------|
    | `"own"` | nothing |
    | `"expert"` | colours, the camera turned by 30 and lowered by 40 degrees |
    | `"colour"`, `"angle"`, `"tilt"` | colours; a camera turned by 30; one lowered by 40 degrees |
    | `"turned"` | colours, the camera turned by 30 degrees, moved and farther away |
    | `"target"` | the colours of target and ground only |
    | `"shift"`, `"clutter"` | a camera moved and farther away; six meaningless discs |
    | `"body"` | nothing: a point has no parts |
    | `"test"` | all of it, with values that no other domain has |

    The values of a domain are `background`, `body`, `target`, `angle`, `tilt`, `shift`, `zoom`, `clutter` and
    `proportions`; a mapping changes `"own"`, or the domain given as `name`.

    ```python
    >>> import gymnasium, lhy_rl
    >>> own = gymnasium.make_vec("lhy_rl/PointMassPixels-v0", num_envs=4)
    >>> other = gymnasium.make_vec("lhy_rl/PointMassPixels-v0", num_envs=4, domain="expert")
    >>> a, b = own.reset(seed=0)[0], other.reset(seed=0)[0]
    >>> bool((a["state"] == b["state"]).all()), bool((a["image"] == b["image"]).all())
    (True, False)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/PointMassPixels-v0", num_envs=64)` steps and draws all instances at once. Further
    argument: `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    num_numbers, bound, num_actions = 6, 2.0, 2
    near = 0.1  # from the target

    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            "place": rng.uniform(-1, 1, (n, 2)),
            "velocity": np.zeros((n, 2)),
            "target": rng.uniform(-0.8, 0.8, (n, 2)),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        velocity = DRAG * state["velocity"] + FORCE * action
        free = state["place"] + velocity
        place = np.clip(free, -1, 1)
        return {"place": place, "velocity": np.where(place == free, velocity, 0.0), "target": state["target"]}

    def numbers(self, state: State) -> np.ndarray:
        return np.concatenate([state["place"], state["velocity"], state["target"] - state["place"]], 1)

    def distance(self, state: State) -> np.ndarray:
        distance: np.ndarray = np.linalg.norm(state["target"] - state["place"], axis=1)
        return distance

    def draw(self, state: State, canvas: Canvas) -> None:
        canvas.disc(state["target"], 0.16, self.domain.target)
        canvas.disc(state["place"], 0.12, self.domain.body)

    def expert(self, state: State) -> np.ndarray:
        wanted: np.ndarray = 0.5 * (state["target"] - state["place"])  # velocity
        return (wanted - DRAG * state["velocity"]) / FORCE


class PointMassPixelsEnv(SingleEnv):
    __doc__ = PointMassPixels.__doc__
    batched = PointMassPixels
