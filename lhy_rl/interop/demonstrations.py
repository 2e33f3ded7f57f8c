"""Loads demonstrations from any source that a configuration may name."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from lhy_rl.core.errors import UserError, brief
from lhy_rl.data import shipped
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.data.npz import Spaces, check_spaces, from_members, read_npz
from lhy_rl.data.npz_members import Members
from lhy_rl.data.spaces import spaces_of, without_texts
from lhy_rl.interop import imitation_files

SOURCES = "a shipped name (lhy-rl list demonstrations), an .npz file, a folder of them, a Minari dataset's id or folder"


def load_demonstrations(
    source: Demonstrations | str | os.PathLike[str], env: Any = None, trajectories: int | None = None
) -> Demonstrations:
    """Load and check demonstrations; warn if the expert is no better than a random policy.

    Args:
        source: Demonstrations (returned as they are); a shipped name such as ``cartpole-expert``; an .npz file or a
            folder of them (:mod:`lhy_rl.data.npz`); the id or folder of a Minari dataset; a file or folder of the
            library ``imitation``.
        env: The environment that they are for: an id, an ``Env``, a vector environment, or the pair of spaces. The
            demonstrations must fit its spaces, and are converted to its dtypes. None skips the check.
        trajectories: Number of episodes to take, the first ones; None takes all.

    Raises:
        UserError: There are no such demonstrations, or they are damaged or of another environment.

    Example:
        >>> demonstrations = load_demonstrations("cartpole-expert", "CartPole-v1")
        >>> len(demonstrations.take(5))
        5
    """
    spaces = None
    if env is not None:  # the spaces that an agent observes
        observation_space, action_space = spaces_of(env)
        spaces = without_texts(observation_space), without_texts(action_space)
    if isinstance(source, Demonstrations):
        if spaces is not None:
            check_spaces((source.observation_space, source.action_space), spaces, "given here")
        return source if trajectories is None else source.take(trajectories)
    if not isinstance(source, str | os.PathLike) or not str(source):
        raise UserError(f"demonstrations is {brief(source)}; allowed: {SOURCES}")
    demonstrations = _read(source, spaces)
    _warn_if_useless(demonstrations, str(source))
    return demonstrations if trajectories is None else demonstrations.take(trajectories)


def _read(source: str | os.PathLike[str], spaces: Spaces | None) -> Demonstrations:
    path = Path(source)
    if str(source) in shipped.names():
        return read_npz(shipped.path_of(str(source)), spaces)
    if path.suffix == ".npz":
        members = Members(path, "demonstrations")
        if imitation_files.is_old(members):
            return imitation_files.read_old(members, str(path), spaces)
        return from_members(members, str(path), spaces)
    if path.suffix in (".pkl", ".pickle"):
        raise UserError(f"{str(path)!r} is a pickle, which could run any code, and is not loaded; allowed: {SOURCES}")
    if imitation_files.is_folder(path):
        return imitation_files.read_folder(path, spaces)
    if path.is_dir() and any(path.glob("*.npz")):
        return read_npz(path, spaces)
    if path.is_file():
        raise UserError(f"{str(path)!r} is not a file of demonstrations; allowed: {SOURCES}")
    if path.is_dir() or looks_like_an_id(str(source)):
        from lhy_rl.interop.minari import read_minari

        return read_minari(source, spaces)
    known = ", ".join(shipped.names())
    raise UserError(f"there are no demonstrations {str(source)!r}; allowed: {SOURCES}. Shipped: {known}")


def looks_like_an_id(name: str) -> bool:
    """Whether a name ends like the ids of Minari's datasets: ``-v0``."""
    stem, v, version = name.rpartition("-v")
    return bool(stem and v and version.isdigit())


def _warn_if_useless(demonstrations: Demonstrations, name: str) -> None:
    """Warn if the expert is known to be no better than a random policy, unless it is one on purpose."""
    floor, mean = demonstrations.about.get("random_return"), float(demonstrations.returns.mean())
    if isinstance(floor, int | float) and demonstrations.about.get("expert") != "random" and mean <= float(floor):
        warnings.warn(
            f"the expert of {name!r} reaches {mean:.4g} on average, a random policy {float(floor):.4g}: an agent "
            "that imitates it well will be as bad",
            stacklevel=3,
        )
