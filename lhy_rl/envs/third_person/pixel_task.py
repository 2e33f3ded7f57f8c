"""What the tasks with several views share: state and picture, the domain, a fixed number of steps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

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
SCALE = 0.75  # of the plane in the picture of a camera that is not turned, so that a turned one sees all of it, too


class PixelTask(BatchedEnv):
    """A task with a state of numbers and a picture of it, in a domain.

    A subclass gives the dynamics, :meth:`numbers`, :meth:`draw` and :meth:`expert`, and :attr:`view`.

    Args:
        num_numbers: K, of the state that is observed.
        bound: The largest that one of them can be, either way.
        num_actions: A.
        horizon: Steps of an episode, behind which it is truncated: the task itself never ends.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 15}
    view = "ground"
    """From where it is seen: ``ground``, from above, or ``side``."""

    def __init__(
        self,
        num_numbers: int,
        bound: float,
        num_actions: int,
        num_envs: int,
        domain: str | Domain | Mapping[str, Any],
        observation: str,
        size: int,
        horizon: int,
        autoreset_mode: AutoresetMode | str,
        render_mode: str | None,
        max_episode_steps: int | None,
    ) -> None:
        self.domain = domain_of(domain)
        self.observed = validation.choice("observation", observation, OBSERVATIONS)
        if not SIZES[0] <= validation.integer("size", size, 1) <= SIZES[1]:
            raise UserError(f"size={size} is not allowed; must be {SIZES[0]} to {SIZES[1]} pixels")
        self.horizon = validation.integer("horizon", horizon, 1)
        self.camera = self._camera(size)
        numbers = Box(-bound, bound, (num_numbers,), np.float32)
        image = Box(0, 255, (size, size, 3), np.uint8)
        super().__init__(
            num_envs,
            {"both": Dict({STATE: numbers, IMAGE: image}), "state": numbers, "image": image}[self.observed],
            Box(-1.0, 1.0, (num_actions,), np.float32),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=self.horizon if max_episode_steps is None else max_episode_steps,
        )
        self.max_episode_steps = min(self.horizon, self.max_episode_steps or self.horizon)

    def numbers(self, state: State) -> np.ndarray:
        """(B, K) what is to be known of the states."""
        raise NotImplementedError

    def draw(self, state: State, canvas: Canvas) -> None:
        """The states as discs and bars, in the domain's colours."""
        raise NotImplementedError

    def expert(self, state: State) -> np.ndarray:
        """(B, A) what somebody does who knows the task."""
        raise NotImplementedError

    def observation(self, state: State) -> Any:
        if self.observed == "state":
            return self.numbers(state).astype(np.float32)
        images = self._images(state, self.camera)
        return images if self.observed == "image" else {STATE: self.numbers(state).astype(np.float32), IMAGE: images}

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
        """The camera of the domain. Seen from the side, what it turns away from looks narrower."""
        angle, tilt = np.radians(self.domain.angle), np.radians(self.domain.tilt)
        flat = SCALE * np.diag([1.0, np.cos(tilt)])
        if self.view == "side":
            return Camera(flat @ np.diag([np.cos(angle), 1.0]), size, self.domain)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return Camera(flat @ turn, size, self.domain)
