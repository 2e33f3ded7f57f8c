"""Base class of the tasks with several views: state and picture, the domain, a fixed number of steps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Dict
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.drawing import SIDE
from lhy_rl.envs.third_person.domains import Domain, domain_of
from lhy_rl.envs.third_person.raster import Camera, Canvas

OBSERVATIONS = ("both", "state", "image")
STATE, IMAGE = "state", "image"
SIZES = (16, 48)
SCALE = 0.75  # size of the plane in the picture, so that a turned camera also sees all of it


class PixelTask(BatchedEnv):
    """A task with a state of numbers and a picture of it, in a domain.

    A subclass defines the constants, the dynamics, :meth:`numbers`, :meth:`distance`, :meth:`draw` and :meth:`expert`.

    Args:
        num_envs: B.
        domain: How it looks: a name, or other values than a domain's.
        observation: ``both``, ``state`` or ``image``.
        size: Pixels of a side of the image.
        horizon: Steps after which an episode is truncated; the task itself never ends.
        autoreset_mode, render_mode, max_episode_steps: See :class:`~lhy_rl.envs.base.BatchedEnv`.

    Attributes:
        num_numbers, bound: K, the number of values in the observed state, and the bound of their absolute values.
        num_actions: A.
        near: The distance below which an episode is a success.
        view: From where it is watched: ``ground``, from above, or ``side``.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 15}
    num_numbers: ClassVar[int]
    bound: ClassVar[float]
    num_actions: ClassVar[int]
    near: ClassVar[float]
    view: ClassVar[str] = "ground"

    def __init__(
        self,
        num_envs: int = 1,
        domain: str | Domain | Mapping[str, Any] = "own",
        observation: str = "both",
        size: int = 32,
        horizon: int = 50,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.domain = domain_of(domain)
        self.observed = validation.choice("observation", observation, OBSERVATIONS)
        if not SIZES[0] <= validation.integer("size", size, 1) <= SIZES[1]:
            raise UserError(f"size={size} is not allowed; must be {SIZES[0]} to {SIZES[1]} pixels")
        self.horizon = validation.integer("horizon", horizon, 1)
        self.camera = self._camera(size)
        numbers = Box(-self.bound, self.bound, (self.num_numbers,), np.float32)
        image = Box(0, 255, (size, size, 3), np.uint8)
        super().__init__(
            num_envs,
            {"both": Dict({STATE: numbers, IMAGE: image}), "state": numbers, "image": image}[self.observed],
            Box(-1.0, 1.0, (self.num_actions,), np.float32),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=self.horizon if max_episode_steps is None else max_episode_steps,
        )
        self.max_episode_steps = min(self.horizon, self.max_episode_steps or self.horizon)

    def numbers(self, state: State) -> np.ndarray:
        """(B, K) the observed values of the states."""
        raise NotImplementedError

    def distance(self, state: State) -> np.ndarray:
        """(B,) the distance to the target."""
        raise NotImplementedError

    def draw(self, state: State, canvas: Canvas) -> None:
        """Draw the states as discs and bars, in the domain's colours."""
        raise NotImplementedError

    def expert(self, state: State) -> np.ndarray:
        """(B, A) the actions of an expert."""
        raise NotImplementedError

    def observation(self, state: State) -> Any:
        if self.observed == "state":
            return self.numbers(state).astype(np.float32)
        images = self._images(state, self.camera)
        return images if self.observed == "image" else {STATE: self.numbers(state).astype(np.float32), IMAGE: images}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        rewards: np.ndarray = -self.distance(next_state) - 0.01 * (action**2).sum(1)
        return rewards

    def final_info(self, state: State) -> dict[str, Any]:
        distance = self.distance(state)
        return {"distance": distance, "success": distance < self.near}

    def terminal(self, state: State) -> np.ndarray:
        return np.zeros(len(next(iter(state.values()))), bool)

    def expert_action(self) -> np.ndarray:
        """(B, A) the expert's actions in the present states (:class:`lhy_rl.core.protocols.ScriptedExpert`)."""
        actions: np.ndarray = np.clip(self.expert(self.snapshot()["state"]), -1, 1).astype(np.float32)
        return actions

    def frame(self, state: State) -> list[Any]:
        return list(self._images(state, self._film_camera))

    @cached_property
    def _film_camera(self) -> Camera:
        return self._camera(SIDE)

    def _images(self, state: State, camera: Camera) -> np.ndarray:
        canvas = Canvas(camera, len(next(iter(state.values()))))
        self.draw(state, canvas)
        return canvas.images()

    def _camera(self, size: int) -> Camera:
        """The camera of the domain. In a side view, turning it makes the scene look narrower."""
        angle, tilt = np.radians(self.domain.angle), np.radians(self.domain.tilt)
        flat = SCALE * np.diag([1.0, np.cos(tilt)])
        if self.view == "side":
            return Camera(flat @ np.diag([np.cos(angle), 1.0]), size, self.domain)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return Camera(flat @ turn, size, self.domain)
