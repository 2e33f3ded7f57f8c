"""``lhy_rl/MujocoViews-v0``: any MuJoCo environment of Gymnasium's, seen by several cameras and in several skins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.core.graphics import without_a_screen
from lhy_rl.envs.drawing import SIDE
from lhy_rl.envs.third_person.mujoco_camera import MujocoCamera
from lhy_rl.envs.third_person.mujoco_domains import OWN, MujocoDomain, OwnView, family, mujoco_domain
from lhy_rl.envs.third_person.mujoco_experts import EXPERTS
from lhy_rl.envs.third_person.pixel_task import IMAGE, OBSERVATIONS, STATE
from lhy_rl.envs.wrappers import fixed_horizon

SIZES = (16, 128)


class Cameras:
    """The cameras of a domain, for all instances of one environment; each is made for its first picture.

    Args:
        env_id: The environment's id.
        domain: The domain to draw it in.
    """

    def __init__(self, env_id: str, domain: str | MujocoDomain | Mapping[str, Any]) -> None:
        self.own, self.domain = OWN.get(family(env_id), OwnView()), mujoco_domain(domain, env_id)
        self.made: dict[int, MujocoCamera] = {}

    def picture(self, env: Any, size: int) -> np.ndarray:
        """(size, size, 3) uint8 of the present state of an unwrapped environment."""
        if size not in self.made:
            self.made[size] = MujocoCamera(env, self.own, self.domain, size)
        return self.made[size].picture(env.data)

    def __getstate__(self) -> dict[str, Any]:
        """Copies make their own contexts, which can be neither shared nor pickled."""
        return {**self.__dict__, "made": {}}

    def close(self) -> None:
        """Free all graphics contexts; they are made again when needed."""
        while self.made:
            self.made.popitem()[1].close()


class MujocoViews(gymnasium.Env[Any, np.ndarray]):
    """One instance; see :func:`make_vector`.

    Args:
        cameras: Cameras shared with other instances; None makes its own.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        env_id: str = "InvertedPendulum-v5",
        domain: str | MujocoDomain | Mapping[str, Any] = "own",
        observation: str = "both",
        size: int = 48,
        horizon: int = 50,
        render_mode: str | None = None,
        cameras: Cameras | None = None,
        **options: Any,
    ) -> None:
        self.observed = validation.choice("observation", observation, OBSERVATIONS)
        if not SIZES[0] <= validation.integer("size", size, 1) <= SIZES[1]:
            raise UserError(f"size={size} is not allowed; must be {SIZES[0]} to {SIZES[1]} pixels")
        if render_mode is not None:
            validation.choice("render_mode", render_mode, self.metadata["render_modes"])
        self.env_id, self.size, self.render_mode = env_id, size, render_mode
        self.env = _made(env_id, horizon, options)
        self.arguments = dict(self.env.unwrapped.spec.kwargs)  # type: ignore[union-attr]
        self.cameras = Cameras(env_id, domain) if cameras is None else cameras
        self.metadata = {**self.metadata, "render_fps": self.env.metadata.get("render_fps", 30)}
        state, image = self.env.observation_space, Box(0, 255, (size, size, 3), np.uint8)
        self.observation_space = {"both": Dict({STATE: state, IMAGE: image}), "state": state, "image": image}[
            observation
        ]
        self.action_space = self.env.action_space
        self._state: Any = None
        if family(env_id) in EXPERTS:  # other environments have no expert
            self.expert_action = self._expert_action  # a bound method, so that a copy has its own, unlike a closure

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._state, info = self.env.reset(seed=seed, options=options)
        return self._observation(), info

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self._state, reward, terminated, truncated, info = self.env.step(action)
        return self._observation(), reward, terminated, truncated, info

    def render(self) -> Any:
        """The picture at 400 x 400."""
        return None if self.render_mode is None else self.cameras.picture(self.env.unwrapped, SIDE)

    def close(self) -> None:
        self.cameras.close()
        self.env.close()

    def __getstate__(self) -> dict[str, Any]:
        """Copies continue from the present state. Gymnasium's environments remake their copies from recorded arguments,
        which for the pendulum are in the wrong order: so they are passed by name."""
        task: Any = self.env.unwrapped
        task._ezpickle_args, task._ezpickle_kwargs = (), self.arguments
        return {**self.__dict__, "dynamics": (task.data, task.np_random)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        task: Any = self.env.unwrapped
        task.data, task.np_random = self.__dict__.pop("dynamics")

    def _expert_action(self) -> np.ndarray:
        """(1, A) the scripted expert's action."""
        return EXPERTS[family(self.env_id)](np.asarray(self._state))[None]

    def _observation(self) -> Any:
        if self.observed == "state":
            return self._state
        image = self.cameras.picture(self.env.unwrapped, self.size)
        return image if self.observed == "image" else {STATE: self._state, IMAGE: image}


def _made(env_id: str, horizon: int, options: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """The environment in episodes of one length.

    Raises:
        UserError: MuJoCo is not installed, or this is not one of its environments.
    """
    without_a_screen()
    try:
        env = fixed_horizon.make_single(env_id, horizon, "evolve", disable_env_checker=True, **options)
    except (gymnasium.error.DependencyNotInstalled, ModuleNotFoundError) as error:
        if "mujoco" not in str(error):
            raise
        raise UserError(f"{env_id} needs MuJoCo; {install_extra('mujoco')}") from error
    task = env.unwrapped
    if not all(hasattr(task, name) for name in ("model", "data")) or not isinstance(env.observation_space, Box):
        raise UserError(f"{env_id} is not a MuJoCo environment with Box observations, as InvertedPendulum-v5 is")
    return env


def make_vector(
    num_envs: int = 1,
    env_id: str = "InvertedPendulum-v5",
    domain: str | MujocoDomain | Mapping[str, Any] = "own",
    observation: str = "both",
    size: int = 48,
    horizon: int = 50,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    render_mode: str | None = None,
    **options: Any,
) -> SyncVectorEnv:
    """
    ## Description

    Any MuJoCo environment of Gymnasium's, with its state for the learner and a small picture for an observer. The
    picture is taken by one of several cameras and in one of several skins, so that an expert can be seen differently
    from the learner (third-person imitation, Stadie et al. 2017, whose inverted pendulum and reacher are two of its
    domains). It needs `gymnasium[mujoco]`, and EGL or OSMesa to draw where there is no screen.

    ## Action Space

    That of the environment `env_id`.

    ## Observation Space

    `Dict`: `state`, the environment's observation, and `image`, `Box(0, 255, (48, 48, 3), uint8)`, red, green and blue
    last. With `observation="state"` or `"image"` the observation is that `Box` alone; `"state"` needs no graphics.

    ## Rewards

    The environment's until the task ends the episode, that step's included; 0 from then on. The return of
    InvertedPendulum-v5 is the number of steps for which the pole stood. A random policy gets 5 of 50 there, the
    scripted expert (`expert_action()`) 50; on Reacher-v5 a random policy gets -43, the scripted expert -3.6. Other
    environments have no expert.

    ## Starting State

    The environment's.

    ## Episode End

    1. Termination: never, so that the length of an episode carries no information for imitation; after the task's end
       the dynamics continue. `info["over"]` says that the task had ended its episode before the step.
    2. Truncation: after `horizon` steps, which replace the environment's own time limit.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `env_id` | `"InvertedPendulum-v5"` | the environment: a MuJoCo one whose observation is a `Box` |
    | `domain` | `"own"` | how it looks: a name from below, or other values than a domain's: `{"turn": 15.0}` |
    | `observation` | `"both"` | `"both"`, `"state"` or `"image"` |
    | `size` | `48` | pixels of a side of the image, 16 to 128 |
    | `horizon` | `50` | steps of every episode, at least 1 |
    | `render_mode` | `None` | `"rgb_array"`, the picture at 400 x 400 |

    Others are the environment's own: `gymnasium.make("lhy_rl/MujocoViews-v0", env_id="Hopper-v5", frame_skip=2)`.

    | Domain | What differs from the learner's own | InvertedPendulum | Reacher |
    |--------|-------------------------------------|------------------|---------|
    | `"own"` | nothing | | |
    | `"expert"` | colours and camera | a red pole | a green target, a dark ground, a lower camera |
    | `"colour"` | all colours, and the background | a red pole | a green target, a dark ground |
    | `"camera"` | a camera 30 degrees round and 15 higher | the same | 24.4 degrees lower |
    | `"test"` | all of it, with values that no other domain has | the same | the same |

    The values of a domain are `turn` and `lift` (degrees by which the camera is moved round the model and lifted),
    `zoom`, `hue` (degrees by which all colours are turned), `colours` (name of a geom or a material to red, green and
    blue) and `background` (where the model has no sky); a mapping changes `"own"`, or the domain given as `name`. The
    learner looks at the reacher from above; its target is drawn 2.5 times and its arm 1.5 times as thick as in reality.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/MujocoViews-v0", env_id="Reacher-v5", observation="state")
    >>> obs, info = env.reset(seed=0)
    >>> truncated, total = False, 0.0
    >>> while not truncated:
    ...     obs, reward, terminated, truncated, info = env.step(env.unwrapped.expert_action()[0])
    ...     total += reward
    >>> -5 < total < 0
    True

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/MujocoViews-v0", num_envs=B)`: one environment after the other, `autoreset_mode`
    `"NextStep"` or `"SameStep"`, and one camera for all of them.

    ## Version History

    - v0: first version.
    """
    cameras = Cameras(env_id, domain)
    shared = {"observation": observation, "size": size, "horizon": horizon, "render_mode": render_mode, **options}
    count = validation.integer("num_envs", num_envs, 1)
    makers = [lambda: MujocoViews(env_id, domain, cameras=cameras, **shared)] * count
    return SyncVectorEnv(makers, autoreset_mode=validation.autoreset(autoreset_mode))
