"""Spaces as plain JSON, comparisons of spaces, and conversion of trees of arrays to a space's types."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.registry import spec_of
from lhy_rl.core.trees import map_tree

Space = gym.Space[Any]
MOST = 2**27  # most numbers in an observation or action of a file


def to_json(space: Space) -> dict[str, Any]:
    """A space as JSON values; :func:`from_json` gives it back.

    Raises:
        UserError: Demonstrations cannot have this kind of space.
    """
    match space:
        case spaces.Box():
            bounds = {name: _short(getattr(space, name)) for name in ("low", "high")}
            return {"type": "Box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
        case spaces.Discrete():
            return {"type": "Discrete", "n": int(space.n), "start": int(space.start)}
        case spaces.MultiDiscrete():
            return {"type": "MultiDiscrete", "nvec": space.nvec.tolist(), "start": space.start.tolist()}
        case spaces.MultiBinary():
            return {"type": "MultiBinary", "shape": list(space.shape)}
        case spaces.Dict():
            return {"type": "Dict", "spaces": {key: to_json(part) for key, part in space.spaces.items()}}
        case spaces.Tuple():
            return {"type": "Tuple", "spaces": [to_json(part) for part in space.spaces]}
    raise UserError(
        f"demonstrations cannot hold {type(space).__name__}; allowed: Box, Discrete, MultiDiscrete, MultiBinary, Dict, "
        "Tuple"
    )


def from_json(description: dict[str, Any]) -> Space:
    """The space that :func:`to_json` described.

    Raises:
        AttributeError, LookupError, TypeError, ValueError, RuntimeError, ArithmeticError, AssertionError: The
            description is invalid (:func:`lhy_rl.core.saved_states.fitting` makes one line of each).
    """
    match description["type"]:
        case "Box":
            dtype, shape = np.dtype(description["dtype"]).type, tuple(description["shape"])
            if math.prod(shape) > MOST:
                raise ValueError(f"a Box of shape {shape} is more than {MOST:,} numbers")
            low, high = (np.broadcast_to(np.array(description[name], dtype), shape) for name in ("low", "high"))
            return spaces.Box(low, high, shape, dtype)
        case "Discrete":
            return spaces.Discrete(description["n"], start=description["start"])
        case "MultiDiscrete":
            return spaces.MultiDiscrete(description["nvec"], start=description["start"])
        case "MultiBinary":
            shape = description["shape"]
            return spaces.MultiBinary(shape[0] if len(shape) == 1 else shape)
        case "Dict":
            return spaces.Dict({key: from_json(part) for key, part in description["spaces"].items()})
        case "Tuple":
            return spaces.Tuple([from_json(part) for part in description["spaces"]])
    raise ValueError(f"unknown type of space {description['type']!r}")


def _short(bound: np.ndarray) -> Any:
    """A single number if all bounds are the same, as those of an image; else nested lists."""
    return bound.flat[0].item() if bound.size and (bound == bound.flat[0]).all() else bound.tolist()


def spaces_of(env: Any) -> tuple[Space, Space]:
    """The observation and the action space of one instance, given an environment, its id, or the two spaces.

    Raises:
        UserError: The id is unknown, or the object has no spaces.
    """
    if isinstance(env, str):
        spec_of(env)
        made = gym.make(env)
        made.close()
        return made.observation_space, made.action_space
    if isinstance(env, tuple) and len(env) == 2 and all(isinstance(space, gym.Space) for space in env):
        return env
    if isinstance(env, VectorEnv):
        return env.single_observation_space, env.single_action_space
    if hasattr(env, "observation_space") and hasattr(env, "action_space"):
        return env.observation_space, env.action_space
    raise UserError(f"{brief(env)} has no spaces; allowed: an id, an Env, a vector environment, a pair of spaces")


def without_texts(space: Space) -> Space:
    """The space without the texts in a Dict, which no encoder reads."""
    if not isinstance(space, spaces.Dict):
        return space
    return spaces.Dict({key: part for key, part in space.spaces.items() if not isinstance(part, spaces.Text)})


def difference(one: Space, other: Space, name: str = "") -> str | None:
    """The reason why data of the first space does not fit the second, in words; None if it fits.

    Boxes are compared by shape and by whether they hold integers, not by bounds or the size of the dtype.
    """
    there = f" at {name}" if name else ""
    if type(one) is not type(other):
        return f"{words(one)} is not {words(other)}{there}"
    if isinstance(one, spaces.Dict) and isinstance(other, spaces.Dict):
        if set(one.spaces) != set(other.spaces):
            return f"the keys {sorted(one.spaces)} are not {sorted(other.spaces)}{there}"
        parts = [(one.spaces[key], other.spaces[key], repr(key)) for key in one.spaces]
    elif isinstance(one, spaces.Tuple) and isinstance(other, spaces.Tuple):
        if len(one.spaces) != len(other.spaces):
            return f"{len(one.spaces)} parts are not {len(other.spaces)}{there}"
        parts = [(a, b, str(i)) for i, (a, b) in enumerate(zip(one.spaces, other.spaces, strict=True))]
    else:
        if isinstance(one, spaces.Box) and isinstance(other, spaces.Box):
            same = one.shape == other.shape and (one.dtype.kind == "f") == (other.dtype.kind == "f")
        else:
            same = one == other
        return None if same else f"{words(one)} is not {words(other)}{there}"
    found = (difference(a, b, f"{name} {key}".strip()) for a, b, key in parts)
    return next((words for words in found if words), None)


def whole_number_limits(space: Space) -> tuple[Any, Any] | None:
    """The least and the largest integers in elements of a space; None if the space does not hold integers."""
    match space:
        case spaces.Discrete():
            return int(space.start), int(space.start + space.n - 1)
        case spaces.MultiDiscrete():
            return space.start, space.start + space.nvec - 1
        case spaces.MultiBinary():
            return 0, 1
    return None


def outside(array: np.ndarray, least: Any, most: Any) -> bool:
    """Whether a number in (..., *shape) is no integer or outside its limits."""
    return array.dtype.kind == "f" or bool(np.count_nonzero((array < least) | (array > most)))


def misfit(observation: Any, space: Space, name: str = "") -> str | None:
    """The reason why this is no observation of the space, nor a batch of them, in words; None if it is.

    For a Box the shape is checked, not the bounds.
    """
    there = f" at {name}" if name else ""
    parts: list[tuple[Any, Space, str]] = []
    if isinstance(space, spaces.Dict):
        if not isinstance(observation, dict):
            return f"{brief(observation)} is not a dict{there}; wanted: the keys {', '.join(map(repr, space.spaces))}"
        if missing := [key for key in space.spaces if key not in observation]:
            return f"the key {missing[0]!r} is missing{there}; given: {brief(sorted(map(str, observation)))}"
        parts = [(observation[key], part, repr(key)) for key, part in space.spaces.items()]
    elif isinstance(space, spaces.Tuple):
        if not isinstance(observation, tuple) or len(observation) != len(space.spaces):
            return f"{brief(observation)} is not a tuple of {len(space.spaces)} parts{there}"
        parts = [(x, part, str(i)) for i, (x, part) in enumerate(zip(observation, space.spaces, strict=True))]
    if parts:
        found = (misfit(x, part, f"{name} {key}".strip()) for x, part, key in parts)
        return next((words for words in found if words), None)
    try:
        array = np.asarray(observation)
    except ValueError:  # rows of several lengths
        return f"{brief(observation)} is not an array{there}"
    shape = space.shape or ()
    extra = array.ndim - len(shape)
    if array.dtype.kind not in "biuf" or extra not in (0, 1) or array.shape[extra:] != shape:
        given = f"{brief(observation)}, " if array.dtype.kind not in "biuf" else ""
        allowed = f"{shape}, or (B, {', '.join(map(str, shape))})" if shape else "(), or (B,)"
        return f"{given}{array.dtype} of shape {array.shape}{there}; wanted: numbers of shape {allowed}"
    if (limits := whole_number_limits(space)) is not None and outside(array, *limits):
        least, most = (np.asarray(limit).tolist() for limit in limits)
        return f"{brief(observation)}{there}; wanted: whole numbers from {least} to {most}"
    if not array.size:
        return f"{brief(observation)}{there} is empty"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return f"{brief(observation)}{there} contains infinity or NaN"
    return None


def words(space: Space) -> str:
    """A space for a message, without the bounds of arrays."""
    if isinstance(space, spaces.Box):  # its bounds may be pages long
        return f"Box of shape {space.shape} and {space.dtype}"
    text = str(space)
    return text if len(text) < 80 else type(space).__name__


def conformed(tree: Any, space: Space) -> Any:
    """A tree of (N, ...) arrays in the order and with the dtypes of the space, if no value changes by it.

    Keys that are not in the space are left out; :class:`Demonstrations` checks for missing and invalid ones.
    """
    if isinstance(space, spaces.Dict) and isinstance(tree, dict):
        return {key: conformed(tree[key], part) for key, part in space.spaces.items() if key in tree}
    if isinstance(space, spaces.Tuple) and isinstance(tree, tuple | list) and len(tree) == len(space.spaces):
        return tuple(conformed(x, part) for x, part in zip(tree, space.spaces, strict=True))
    if isinstance(tree, dict | tuple):
        return map_tree(np.asarray, tree)
    array = np.asarray(tree)
    if (
        space.dtype is not None
        and {array.dtype.kind, space.dtype.kind} <= set("biuf")
        and (array.dtype.kind == "f") == (space.dtype.kind == "f")
    ):
        with np.errstate(over="ignore"):  # it becomes infinite and is refused later
            cast = np.ascontiguousarray(array, space.dtype)
        if array.dtype.kind == "f" or (cast == array).all():  # integers too large for the dtype are kept
            return cast
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)) if array.ndim else array
