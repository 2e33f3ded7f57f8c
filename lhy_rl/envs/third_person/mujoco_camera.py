"""Pictures of a MuJoCo model, in a domain: one graphics context draws any number of instances of it.

Gymnasium's renderer draws with shadows and smoothed edges, into a buffer and a context of each instance. Here the
buffer is as small as the picture, and without shadows, reflections and smoothing it takes a fourth of the time. Between
two pictures the context is not current, since Gymnasium's renderers free their resources in the current context.
"""

from __future__ import annotations

import colorsys
import copy
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from lhy_rl.core.graphics import is_headless, nothing_to_draw_with
from lhy_rl.envs.third_person.mujoco_domains import MujocoDomain, OwnView

MOST_GEOMS = 2000  # largest number of geoms in a scene
BACKENDS = ("egl", "osmesa", "glfw")
TRACK = "track"  # name of the camera that follows a model in Gymnasium's environments


class MujocoCamera:
    """Draws a model in a domain; the simulated model is not changed.

    Args:
        env: A MuJoCo environment of Gymnasium's, unwrapped.
        own: The learner's own view.
        domain: The differences from that view.
        size: S, pixels of a side.

    Raises:
        UserError: MuJoCo finds no graphics library, or the model has no geom or material of that name.
    """

    def __init__(self, env: Any, own: OwnView, domain: MujocoDomain, size: int) -> None:
        import mujoco

        self.size, self.mujoco = size, mujoco
        self.background = domain.background
        self.model = copy.deepcopy(env.model)
        _dress(self.model, own, domain)
        self.model.vis.quality.offsamples = 0
        self.model.vis.global_.offwidth = self.model.vis.global_.offheight = size
        self.camera = _camera(self.model, env, own, domain)
        self.scene = mujoco.MjvScene(self.model, MOST_GEOMS)
        self.option = mujoco.MjvOption()
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self.scene.flags[flag] = False
        try:
            self.opened: Any = _context(size)
            with _current(self.opened):
                self.context = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
                mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self.context)
                self.context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        except Exception as error:  # graphics libraries raise many kinds of errors
            raise nothing_to_draw_with(error) from error
        self.whole = mujoco.MjrRect(0, 0, size, size)

    def picture(self, data: Any) -> np.ndarray:
        """(S, S, 3) uint8 of an instance's ``MjData``."""
        mujoco = self.mujoco
        mujoco.mjv_updateScene(
            self.model, data, self.option, None, self.camera, mujoco.mjtCatBit.mjCAT_ALL.value, self.scene
        )
        pixels = np.empty((self.size, self.size, 3), np.uint8)
        depth = None if self.background is None else np.empty((self.size, self.size), np.float32)
        with _current(self.opened):
            mujoco.mjr_render(self.whole, self.scene, self.context)
            mujoco.mjr_readPixels(pixels, depth, self.whole, self.context)
        if depth is not None:
            pixels[depth == 0] = np.array(self.background)  # infinitely far
        return pixels[::-1].copy()

    def close(self) -> None:
        """Free the graphics context; further calls do nothing."""
        opened, self.opened = getattr(self, "opened", None), None
        if opened is not None:
            with _current(opened):
                self.context.free()
            opened.free()

    def __del__(self) -> None:
        """Free the resources in their own context also if the camera was not closed."""
        with suppress(Exception):  # at interpreter exit the graphics library may be gone
            self.close()


def _context(size: int) -> Any:
    """A graphics context of the library that MUJOCO_GL names, or else of the first that works, without a screen or
    with."""
    named = os.environ.get("MUJOCO_GL", "").lower()
    if named in BACKENDS:
        order = [named]
    elif sys.platform == "darwin":
        order = ["cgl", "glfw"]
    else:
        order = ["egl", "osmesa"] if is_headless() else ["glfw", "egl", "osmesa"]
    errors: list[Exception] = []
    for name in order:
        try:
            return importlib.import_module(f"mujoco.{name}").GLContext(size, size)
        except Exception as error:  # its type depends on the library
            errors.append(error)
    raise errors[0]


@contextmanager
def _current(context: Any) -> Iterator[None]:
    """Make a graphics context current, and restore the previous one afterwards; MuJoCo before 4.0 only has the
    former."""
    if hasattr(context, "as_current"):
        with context.as_current():
            yield
        return
    context.make_current()
    yield


def _camera(model: Any, env: Any, own: OwnView, domain: MujocoDomain) -> Any:
    """MuJoCo's free camera with the environment's values, the learner's and the domain's; one that follows its model
    where the model has such a camera."""
    import mujoco

    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    defaults = getattr(getattr(env, "mujoco_renderer", None), "default_cam_config", None) or {}
    for name, value in {**defaults, **own.camera}.items():
        if name == "lookat":
            camera.lookat[:] = value
        else:
            setattr(camera, name, type(getattr(camera, name))(value))  # configurations may give integers as floats
    track = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, TRACK)
    if track >= 0:
        camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
        camera.trackbodyid = model.cam_bodyid[track]
    camera.azimuth += domain.turn
    camera.elevation = np.clip(camera.elevation + domain.lift, -90.0, 90.0)
    camera.distance /= domain.zoom
    return camera


def _dress(model: Any, own: OwnView, domain: MujocoDomain) -> None:
    """Give a model its domain's colours, and the learner's sizes."""
    import mujoco

    if domain.hue:
        for colours in (model.geom_rgba, model.mat_rgba, model.site_rgba):
            colours[:, :3] = [_turned(colour, domain.hue) for colour in colours[:, :3].tolist()] or colours[:, :3]
    kinds = {"geom": mujoco.mjtObj.mjOBJ_GEOM, "material": mujoco.mjtObj.mjOBJ_MATERIAL}
    for name, colour in domain.colours.items():
        geom, material = (mujoco.mj_name2id(model, kind, name) for kind in kinds.values())
        if geom < 0 and material < 0:
            raise _unknown(model, name, kinds)
        if geom >= 0:
            model.geom_matid[geom] = -1
            model.geom_rgba[geom, :3] = np.array(colour) / 255
        if material >= 0:
            model.mat_rgba[material, :3] = np.array(colour) / 255
    for name, times in own.sizes.items():
        model.geom(name).size[0] *= times


def _turned(colour: list[float], degrees: float) -> tuple[float, float, float]:
    """A colour, red, green and blue from 0 to 1, with another hue."""
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    return colorsys.hsv_to_rgb((hue + degrees / 360) % 1, saturation, value)


def _unknown(model: Any, name: str, kinds: dict[str, Any]) -> Exception:
    """The error for a name that no part of a model has."""
    import mujoco

    from lhy_rl.core.errors import suggest

    counts = {"geom": model.ngeom, "material": model.nmat}
    names = [mujoco.mj_id2name(model, kind, i) for what, kind in kinds.items() for i in range(counts[what])]
    return suggest(name, [one for one in names if one], "geom or material")
