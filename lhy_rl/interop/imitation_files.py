"""Reads the trajectories of the library ``imitation``, in its two formats that need no unpickling.

The current one is a folder of HuggingFace's ``datasets`` (Arrow); its infos are JSON with pickled parts, of which only
the flag of a time limit is read. The old one is an .npz whose infos are pickled and are not read; so it is unknown
whether a time limit ended an episode, and its end counts as termination. The oldest is one pickle and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.core.saved_states import fitting
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.data.npz import Spaces
from lhy_rl.data.spaces import conformed

OLD = {"obs", "acts", "terminal", "indices"}  # members of the old format
TIME_LIMIT_TRUNCATED = "TimeLimit.truncated"  # key of the infos
SAVED = "demonstrations saved by `imitation` do not contain their spaces; give the environment, too"


def is_old(members: Mapping[str, np.ndarray]) -> bool:
    """Whether an .npz is in ``imitation``'s old format."""
    return set(members) >= OLD


def is_folder(path: Path) -> bool:
    """Whether a folder is one of HuggingFace's ``datasets``."""
    return path.is_dir() and (path / "state.json").is_file() and (path / "dataset_info.json").is_file()


def read_old(members: Mapping[str, np.ndarray], name: str, spaces: Spaces | None) -> Demonstrations:
    """Demonstrations from an .npz, in which ``indices`` are the steps at which the second, third, ... episode begin.

    Raises:
        UserError: No spaces are given, or the arrays do not fit together.
    """
    if spaces is None:
        raise UserError(f"{name!r}: {SAVED}")
    with fitting(f"{name!r} is damaged or not from `imitation`"):
        obs, acts = np.atleast_1d(members["obs"]), np.atleast_1d(members["acts"])
        cuts = members["indices"].reshape(-1)
        if cuts.dtype.kind not in "iu" or (np.diff(cuts, prepend=0, append=len(acts)) < 1).any():
            raise ValueError(f"its indices are not the increasing starts of episodes in {len(acts)} steps")
        rewards = np.split(members["rews"] if "rews" in members else np.zeros(len(acts)), cuts)
        observations = np.split(obs, cuts + np.arange(len(cuts)) + 1)
        actions, terminal = np.split(acts, cuts), members["terminal"].astype(bool).reshape(-1)
        if len(terminal) != len(actions):
            raise ValueError(f"it has {len(terminal)} ends for {len(actions)} episodes")
        rows = zip(observations, actions, rewards, terminal.tolist(), strict=True)
        return _made([(o, a, r, end, False) for o, a, r, end in rows], name, spaces)


def read_folder(path: Path, spaces: Spaces | None) -> Demonstrations:
    """Demonstrations from a folder that ``imitation.data.serialize.save`` wrote.

    Raises:
        UserError: No spaces are given, pyarrow is missing, or the folder holds other data.
    """
    name = str(path)
    if spaces is None:
        raise UserError(f"{name!r}: {SAVED}")
    try:
        import pyarrow
    except ImportError as error:
        raise UserError(
            f"{name!r} is an Arrow folder of `imitation`; {install_extra('arrow')} reads it. Or convert "
            "it where `imitation` is installed: np.savez(path, observations=..., actions=..., rewards=..., lengths=...)"
        ) from error
    try:
        names = [part["filename"] for part in json.loads((path / "state.json").read_text())["_data_files"]]
        files = [path / Path(name).name for name in names]  # only files of this folder
        rows: list[dict[str, Any]] = []
        for file in files:
            with pyarrow.OSFile(str(file)) as opened, pyarrow.ipc.open_stream(opened) as stream:
                rows += stream.read_all().to_pylist()
        return _made([_row(row) for row in rows], name, spaces)
    except UserError:
        raise
    except Exception as error:  # Arrow raises many kinds for damaged files
        raise UserError(f"{name!r} is damaged or not from `imitation`: {' '.join(str(error).split())[:200]}") from error


Row = tuple[Any, Any, Any, bool, bool]
"""An episode: observations, actions, rewards, whether it ended, and whether a time limit ended it."""


def _row(row: dict[str, Any]) -> Row:
    last = json.loads(row["infos"][-1]) if row.get("infos") else {}
    timed_out = last.get(TIME_LIMIT_TRUNCATED) is True
    rewards = row.get("rews")
    rewards = np.zeros(len(row["acts"])) if rewards is None else rewards
    return row["obs"], row["acts"], rewards, bool(row["terminal"]), timed_out


def _made(rows: list[Row], name: str, spaces: Spaces) -> Demonstrations:
    def episode(row: Row) -> Episode:
        obs, acts, rewards, ended, timed_out = row
        return Episode(
            conformed(np.asarray(obs), spaces[0]),
            conformed(np.asarray(acts), spaces[1]),
            np.asarray(rewards, np.float64),
            ended and not timed_out,
            ended and timed_out,
        )

    try:
        return Demonstrations([episode(row) for row in rows], *spaces, {"dataset": name})
    except UserError as error:
        raise UserError(f"{name!r}: {error}") from error
