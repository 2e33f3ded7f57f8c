"""``lhy_rl/ReacherPixels-v0``: an arm of two links reaches for a target, seen from above."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lhy_rl.core.trees import State
from lhy_rl.envs.single import SingleEnv
from lhy_rl.envs.third_person.pixel_task import PixelTask
from lhy_rl.envs.third_person.raster import Canvas

LINKS = (0.5, 0.45)  # lengths
DRAG, TORQUE = 0.7, 0.1  # factor of the velocity in a step, and what a torque of 1 adds


class ReacherPixels(PixelTask):
    """
    ## Description

    An arm of two links, on a plane seen from above, reaches for a target with its tip. An expert's video may come from
    another camera, in other colours, and of an arm with other links (third-person imitation, Stadie et al. 2017, whose
    Reacher this is made after).

    ## Action Space

    `Box(-1.0, 1.0, (2,), float32)`: the torque at each joint. With torque `a` a joint's velocity becomes
    `0.7 w + 0.1 a`, radians a step.

    ## Observation Space

    `Dict`: `state`, `Box(-5.0, 5.0, (10,), float32)`, and `image`, `Box(0, 255, (32, 32, 3), uint8)`.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 1 | cosine of the joints' angles; the second is relative to the first link | -5 | 5 |
    | 2 to 3 | sine | -5 | 5 |
    | 4 to 5 | velocities of the joints, radians a step | -5 | 5 |
    | 6 to 7 | target | -5 | 5 |
    | 8 to 9 | vector from the tip to the target | -5 | 5 |

    The image is drawn in the domain's colours by the domain's camera, red, green and blue last. With
    `observation="state"` or `"image"` the observation is that `Box` alone.

    ## Rewards

    Minus the distance of the tip to the target after the step, minus `0.01 |a|^2`.
    On average a random policy gets -39.5, the scripted expert (`expert_action()`) -3.6. At the end `info["distance"]`
    is the distance left to the target and `info["success"]` whether it is below 0.1.

    ## Starting State

    Both angles are uniform, the arm rests, and the target is 0.3 to 0.8 from the arm's foot; the links are 0.5 and 0.45
    long, times the domain's proportions.

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
    | `"body"` | links of 0.375 and 0.5625 |
    | `"test"` | all of it, with values that no other domain has |

    The values of a domain are `background`, `body`, `target`, `angle`, `tilt`, `shift`, `zoom`, `clutter` and
    `proportions`; a mapping changes `"own"`, or the domain given as `name`.

    ```python
    >>> import gymnasium, lhy_rl
    >>> own = gymnasium.make_vec("lhy_rl/ReacherPixels-v0", num_envs=4)
    >>> other = gymnasium.make_vec("lhy_rl/ReacherPixels-v0", num_envs=4, domain="expert")
    >>> a, b = own.reset(seed=0)[0], other.reset(seed=0)[0]
    >>> bool((a["state"] == b["state"]).all()), bool((a["image"] == b["image"]).all())
    (True, False)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/ReacherPixels-v0", num_envs=64)` steps and draws all instances at once. Further
    argument: `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    num_numbers, bound, num_actions = 10, 5.0, 2
    near = 0.1  # from the target

    @cached_property
    def links(self) -> np.ndarray:
        """(2,) lengths of the links in the domain."""
        return np.array(LINKS) * self.domain.proportions

    def initial(self, n: int, rng: np.random.Generator) -> State:
        angles = rng.uniform(-np.pi, np.pi, (n, 2))
        away, direction = rng.uniform(0.3, 0.8, n), rng.uniform(-np.pi, np.pi, n)
        target = away[:, None] * np.stack([np.cos(direction), np.sin(direction)], 1)
        return {"angles": angles, "velocity": np.zeros((n, 2)), "target": target}

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        velocity = DRAG * state["velocity"] + TORQUE * action
        return {"angles": state["angles"] + velocity, "velocity": velocity, "target": state["target"]}

    def numbers(self, state: State) -> np.ndarray:
        angles, target = state["angles"], state["target"]
        parts = [np.cos(angles), np.sin(angles), state["velocity"], target, target - self._joints(state)[1]]
        return np.concatenate(parts, 1)

    def distance(self, state: State) -> np.ndarray:
        distance: np.ndarray = np.linalg.norm(state["target"] - self._joints(state)[1], axis=1)
        return distance

    def draw(self, state: State, canvas: Canvas) -> None:
        elbow, tip = self._joints(state)
        canvas.disc(state["target"], 0.14, self.domain.target)
        canvas.bar(np.zeros_like(elbow), elbow, 0.06, self.domain.body)
        canvas.bar(elbow, tip, 0.06, self.domain.body)
        canvas.disc(tip, 0.1, self.domain.body)

    def expert(self, state: State) -> np.ndarray:
        turn = self._nearest_turn(state)
        wanted: np.ndarray = 0.5 * turn  # velocity
        return (wanted - DRAG * state["velocity"]) / TORQUE

    def _nearest_turn(self, state: State) -> np.ndarray:
        """(B, 2) by how much the joints must turn so that the tip is at the target: the smaller of the two
        solutions."""
        first, second = self.links
        target = state["target"]
        bend = ((target**2).sum(1) - first**2 - second**2) / (2 * first * second)
        elbow = np.arccos(np.clip(bend, -1, 1))
        turns = []
        for sign in (1, -1):
            inner = np.arctan2(second * np.sin(sign * elbow), first + second * np.cos(elbow))
            shoulder = np.arctan2(target[:, 1], target[:, 0]) - inner
            turn = np.stack([shoulder, sign * elbow], 1) - state["angles"]
            turns.append((turn + np.pi) % (2 * np.pi) - np.pi)
        left, right = turns
        shorter = np.abs(left).max(1) <= np.abs(right).max(1)
        turn = np.where(shorter[:, None], left, right)
        return turn

    def _joints(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        """(B, 2) positions of the elbow and of the tip."""
        first = state["angles"][:, 0]
        second = first + state["angles"][:, 1]
        elbow = self.links[0] * np.stack([np.cos(first), np.sin(first)], 1)
        return elbow, elbow + self.links[1] * np.stack([np.cos(second), np.sin(second)], 1)


class ReacherPixelsEnv(SingleEnv):
    __doc__ = ReacherPixels.__doc__
    batched = ReacherPixels
