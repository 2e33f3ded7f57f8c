"""Demonstrations as plain numpy files, which any script can write.

One file holds E episodes of L_1, ..., L_E steps, one after the other:

    observations    (sum of L_i + 1, ...): each episode has one more observation, after its last step
    actions         (sum of L_i, ...)
    rewards         (sum of L_i,); if missing, zeros
    lengths         (E,) the L_i; if missing, there is one episode
    terminated      (E,) bool: ended in a terminal state; if missing, false
    truncated       (E,) bool: ended by a time limit; if missing, false
    spaces          JSON text: {"observation": ..., "action": ...}; if missing, those of an environment must be given
    about           JSON text: env_id, expert, seed, ...; may be missing

Parts of observations or actions that are dicts or tuples are stored under ``observations/KEY``. Nothing is pickled, and
files with pickles are refused. A folder of such files is read in the order of their names, all episodes together.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.saved_states import fitting
from lhy_rl.core.trees import leaves, map_tree
from lhy_rl.data.demonstrations import Demonstrations, Episode, joined
from lhy_rl.data.npz_members import Members
from lhy_rl.data.spaces import Space, conformed, difference, from_json, to_json

Spaces = tuple[Space, Space]
"""The spaces of observations and of actions."""


def write_npz(
    demonstrations: Demonstrations, path: str | os.PathLike[str], stored: type[np.floating[Any]] | None = None
) -> Path:
    """Write one file atomically.

    Args:
        path: The file, ending with ``.npz``; its folder is created if it is missing.
        stored: Dtype in the file of observations and actions that are floats; None keeps theirs. ``float16`` takes a
            quarter of the space and keeps 3 digits.

    Raises:
        UserError: The path has another suffix.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise UserError(f"{str(path)!r} must end with .npz")
    episodes = demonstrations.episodes

    def narrow(x: np.ndarray) -> np.ndarray:
        return x.astype(stored) if stored is not None and x.dtype.kind == "f" else x

    observations = map_tree(narrow, joined([episode.observations for episode in episodes]))
    actions = map_tree(narrow, joined([episode.actions for episode in episodes]))
    members = {
        **_flat("observations", observations),
        **_flat("actions", actions),
        "rewards": np.concatenate([episode.rewards for episode in episodes]),
        "lengths": demonstrations.lengths,
        "terminated": np.array([episode.terminated for episode in episodes]),
        "truncated": np.array([episode.truncated for episode in episodes]),
        "spaces": np.array(
            json.dumps(
                {
                    "observation": to_json(demonstrations.observation_space),
                    "action": to_json(demonstrations.action_space),
                }
            )
        ),
        "about": np.array(json.dumps(demonstrations.about)),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **members)  # type: ignore[arg-type]  # its stubs take a member for allow_pickle
    path.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(path, buffer.getvalue())
    return path


def read_npz(path: str | os.PathLike[str], env_spaces: Spaces | None = None) -> Demonstrations:
    """Read a file, or a folder of files, that :func:`write_npz` or your own script wrote.

    Args:
        env_spaces: Spaces of the environment that they are for; None takes those in the file.

    Raises:
        UserError: There is no such file, or it is damaged, pickled, or not in the layout above; the message says why.
    """
    path = Path(path)
    if not path.is_dir():
        return from_members(Members(path, "demonstrations"), str(path), env_spaces)
    files = sorted(path.glob("*.npz"))
    if not files:
        raise UserError(f"{str(path)!r} holds no .npz files")
    return together(
        [from_members(Members(file, "demonstrations"), str(file), env_spaces) for file in files],
        [str(f) for f in files],
    )


def together(parts: list[Demonstrations], names: list[str]) -> Demonstrations:
    """All episodes of several files, with the metadata of the first one.

    Raises:
        UserError: Their spaces differ.
    """
    first = parts[0]
    for name, part in zip(names, parts, strict=True):
        for what in ("observation_space", "action_space"):
            words = difference(getattr(part, what), getattr(first, what))
            if words:
                raise UserError(f"{name!r} does not fit {names[0]!r}: in the {what}, {words}")
    if len(parts) == 1:
        return first
    episodes = [episode for part in parts for episode in part.episodes]
    return Demonstrations(episodes, first.observation_space, first.action_space, {**first.about, "files": len(parts)})


def from_members(found: Mapping[str, np.ndarray], name: str, env_spaces: Spaces | None = None) -> Demonstrations:
    """Demonstrations from the arrays of one file.

    Args:
        name: Name of the file, for messages.

    Raises:
        UserError: The arrays do not make episodes.
    """
    own_spaces = _json(found, "spaces", name)
    about = _json(found, "about", name) or {}
    if not isinstance(about, dict):
        raise UserError(f"about in {name!r} is {type(about).__name__}; it must be a JSON object")
    with fitting(f"the spaces in {name!r} cannot be read"):
        own = (from_json(own_spaces["observation"]), from_json(own_spaces["action"])) if own_spaces else None
    chosen = own if env_spaces is None else env_spaces
    if chosen is None:
        raise UserError(f"{name!r} does not hold its spaces; give the environment, too")
    if own is not None:
        check_spaces(own, chosen, name)
    observations = conformed(_tree(found, "observations", chosen[0], name), chosen[0])
    actions = conformed(_tree(found, "actions", chosen[1], name), chosen[1])
    steps = len(leaves(actions)[0])
    rewards = _numbers(found, "rewards", np.zeros(steps), "biuf", name).astype(np.float64)
    lengths = _numbers(found, "lengths", np.array([steps]), "iu", name).reshape(-1)
    count, total = len(lengths), sum(lengths.tolist())
    if (lengths < 0).any() or total != steps:
        raise UserError(f"the lengths in {name!r} add up to {total:,}, but there are {steps:,} actions")
    if (num_observations := len(leaves(observations)[0])) != steps + count:
        raise UserError(
            f"{name!r} has {num_observations:,} observations for {steps:,} actions in {count:,} episodes; it "
            f"must be {steps + count:,}: each episode has one more observation than actions"
        )
    if rewards.shape != (steps,):
        raise UserError(
            f"the rewards in {name!r} have shape {rewards.shape}; with {steps:,} actions it must be ({steps},)"
        )
    flags = {}
    for flag in ("terminated", "truncated"):
        flags[flag] = _numbers(found, flag, np.zeros(count, bool), "biu", name).astype(bool).reshape(-1)
        if len(flags[flag]) != count:
            raise UserError(f"{flag} in {name!r} has {len(flags[flag])} entries for {count} episodes")
    episodes, a = [], 0
    for i, length in enumerate(lengths.tolist()):
        b, o = a + length, a + i
        episodes.append(
            Episode(
                map_tree(lambda x, o=o, b=b, i=i: x[o : b + i + 1], observations),
                map_tree(lambda x, a=a, b=b: x[a:b], actions),
                rewards[a:b],
                bool(flags["terminated"][i]),
                bool(flags["truncated"][i]),
            )
        )
        a = b
    try:
        return Demonstrations(episodes, *chosen, about)
    except UserError as error:
        raise UserError(f"{name!r}: {error}") from error


def check_spaces(own: Spaces, wanted: Spaces, name: str) -> None:
    """Raise a UserError if demonstrations do not fit an environment's spaces."""
    for what, mine, other in zip(("observation", "action"), own, wanted, strict=True):
        words = difference(mine, other)
        if words:
            raise UserError(f"the demonstrations {name!r} are of another environment: in the {what} space, {words}")


def _numbers(found: Mapping[str, np.ndarray], key: str, default: np.ndarray, kinds: str, name: str) -> np.ndarray:
    """A member of the file, checked to have one of these kinds of numpy dtypes."""
    array = np.asarray(found.get(key, default))
    if array.dtype.kind not in kinds:
        wanted = {"iu": "whole numbers", "biu": "flags"}.get(kinds, "numbers")
        raise UserError(f"the {key} in {name!r} are {array.dtype}; they must be {wanted}")
    return array


def _json(found: Mapping[str, np.ndarray], key: str, name: str) -> Any:
    if key not in found:
        return None
    try:
        return json.loads(str(found[key]))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{key} in {name!r} is not JSON text") from error


def _flat(name: str, tree: Any) -> dict[str, np.ndarray]:
    if isinstance(tree, dict | tuple):
        parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {key: leaf for part, x in parts for key, leaf in _flat(f"{name}/{part}", x).items()}
    return {name: tree}


def _tree(found: Mapping[str, np.ndarray], name: str, space: Space, file: str) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _tree(found, f"{name}/{key}", part, file) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_tree(found, f"{name}/{i}", part, file) for i, part in enumerate(space.spaces))
    if name not in found:
        raise UserError(f"{file!r} has no member {name!r}; it has {', '.join(sorted(found)) or 'none'}")
    array = found[name]
    if not array.ndim:
        raise UserError(f"{name!r} in {file!r} is a single number, not an array of steps")
    return array
