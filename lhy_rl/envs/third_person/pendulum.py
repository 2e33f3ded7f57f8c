"""``lhy_rl/PendulumPixels-v0``: a pendulum is lifted and held upright, seen from the side."""

from __future__ import annotations

import numpy as np

from lhy_rl.core.trees import State
from lhy_rl.envs.single import SingleEnv
from lhy_rl.envs.third_person.pixel_task import PixelTask
from lhy_rl.envs.third_person.raster import Canvas

GRAVITY, SECONDS, FASTEST = 10.0, 0.05, 8.0
TORQUE = 8.0  # at an action of 1


class PendulumPixels(PixelTask):
    """
    ## Description

    A pendulum is lifted and held upright, seen from the side. Its physics is that of Gymnasium's `Pendulum-v1`, but its
    motor can lift it from any angle, so that the task is to hold it. An expert's video may come from another camera, in
    other colours, and of a longer pendulum (third-person imitation, Stadie et al. 2017).

    ## Action Space

    `Box(-1.0, 1.0, (1,), float32)`: the torque, times 8. Over 0.05 seconds the velocity changes by
    `15 / l sin(angle) + 3 / l^2 torque` a second, and is at most 8.

    ## Observation Space

    `Dict`: `state`, `Box(-8.0, 8.0, (3,), float32)`, and `image`, `Box(0, 255, (32, 32, 3), uint8)`.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | cosine of the angle; 0 is upright | -8 | 8 |
    | 1 | sine | -8 | 8 |
    | 2 | velocity, radians a second | -8 | 8 |

    The image is drawn in the domain's colours by the domain's camera, red, green and blue last. With
    `observation="state"` or `"image"` the observation is that `Box` alone.

    ## Rewards

    As in `Pendulum-v1`: `-(angle^2 + 0.1 velocity^2 + 0.001 torque^2)`, of the state before the step.
    On average a random policy gets -309, the scripted expert (`expert_action()`) -31. At the end `info["distance"]`
    is the angle from upright, in radians, and `info["success"]` whether it is below 0.2.

    ## Starting State

    The angle is uniform in [-pi, pi], the velocity in [-1, 1]; the length is 1, times the first of the domain's
    proportions.

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
    | `"body"` | a length of 0.75 |
    | `"test"` | all of it, with values that no other domain has |

    The values of a domain are `background`, `body`, `target`, `angle`, `tilt`, `shift`, `zoom`, `clutter` and
    `proportions`; a mapping changes `"own"`, or the domain given as `name`.

    ```python
    >>> import gymnasium, lhy_rl
    >>> own = gymnasium.make_vec("lhy_rl/PendulumPixels-v0", num_envs=4)
    >>> other = gymnasium.make_vec("lhy_rl/PendulumPixels-v0", num_envs=4, domain="expert")
    >>> a, b = own.reset(seed=0)[0], other.reset(seed=0)[0]
    >>> bool((a["state"] == b["state"]).all()), bool((a["image"] == b["image"]).all())
    (True, False)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/PendulumPixels-v0", num_envs=64)` steps and draws all instances at once. Further
    argument: `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    view = "side"
    num_numbers, bound, num_actions = 3, 8.0, 1
    near = 0.2  # radians from upright

    @property
    def length(self) -> float:
        """Length of the pendulum in the domain."""
        return self.domain.proportions[0]

    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {"angle": rng.uniform(-np.pi, np.pi, n), "velocity": rng.uniform(-1, 1, n)}

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        acceleration = 1.5 * GRAVITY / self.length * np.sin(state["angle"]) + 3 / self.length**2 * TORQUE * action[:, 0]
        velocity = np.clip(state["velocity"] + SECONDS * acceleration, -FASTEST, FASTEST)
        angle = state["angle"] + SECONDS * velocity
        return {"angle": (angle + np.pi) % (2 * np.pi) - np.pi, "velocity": velocity}

    def numbers(self, state: State) -> np.ndarray:
        return np.stack([np.cos(state["angle"]), np.sin(state["angle"]), state["velocity"]], 1)

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        effort = 0.001 * (TORQUE * action[:, 0]) ** 2
        rewards: np.ndarray = -(state["angle"] ** 2 + 0.1 * state["velocity"] ** 2 + effort)
        return rewards

    def distance(self, state: State) -> np.ndarray:
        distance: np.ndarray = np.abs(state["angle"])
        return distance

    def draw(self, state: State, canvas: Canvas) -> None:
        upright = np.stack([np.sin(state["angle"]), np.cos(state["angle"])], 1)
        tip = 0.85 * self.length * upright
        canvas.disc(np.tile([0.0, 0.85 * self.length], (len(tip), 1)), 0.2, self.domain.target)
        canvas.bar(np.zeros_like(tip), tip, 0.09, self.domain.body)
        canvas.disc(tip, 0.15, self.domain.body)

    def expert(self, state: State) -> np.ndarray:
        wanted = -20.0 * state["angle"] - 7.0 * state["velocity"]  # radians per second squared
        weight = 1.5 * GRAVITY / self.length * np.sin(state["angle"])
        torque: np.ndarray = (wanted - weight) * self.length**2 / 3
        return torque[:, None] / TORQUE


class PendulumPixelsEnv(SingleEnv):
    __doc__ = PendulumPixels.__doc__
    batched = PendulumPixels
