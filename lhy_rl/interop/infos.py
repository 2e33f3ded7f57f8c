"""Converts infos from the batches of Gymnasium's vector environments to Stable-Baselines3's list of dicts."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from lhy_rl.core.trees import map_tree

ENDING = ("terminal_observation", "TimeLimit.truncated")  # keys that SB3 itself writes into the infos


def row(infos: dict[str, Any], i: int) -> dict[str, Any]:
    """The infos of instance i, without masks."""
    result: dict[str, Any] = {}
    for key, value in infos.items():
        if key.startswith("_") and key[1:] in infos:
            continue
        mask = infos.get(f"_{key}")
        if mask is None or mask[i]:
            one = row(value, i) if isinstance(value, dict) else value[i]
            result[key] = bool(one) if isinstance(one, np.bool_) else one
    return result


def rows_of_step(
    infos: dict[str, Any], obs: Any, terminated: np.ndarray, truncated: np.ndarray
) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """A step's infos in the form of Stable-Baselines3, in any autoreset mode.

    Args:
        infos: The infos of ``env.step``.
        obs: (B, ...) the step's observations; these are the final ones if the infos have no ``final_obs``.
        terminated, truncated: (B,) bool.

    Returns:
        A dict per instance, with ``terminal_observation`` if its episode ended; and a mapping from instance to the
        infos of the episode that began in the same step.
    """
    rows = [row(infos, i) for i in range(len(terminated))] if infos else [{} for _ in terminated]
    begun: dict[int, dict[str, Any]] = {}
    for i in np.flatnonzero(terminated | truncated).tolist():
        if "final_obs" in infos:
            begun[i] = rows[i]
            rows[i] = begun[i].pop("final_info", {})
            rows[i]["terminal_observation"] = deepcopy(begun[i].pop("final_obs"))
            if "episode" in begun[i]:  # written by RecordEpisodeStatistics; SB3 uses the same key
                rows[i]["episode"] = begun[i].pop("episode")
        else:
            rows[i]["terminal_observation"] = map_tree(lambda x, i=i: x[i].copy(), obs)
    timed_out = truncated & ~terminated
    for info, truncation in zip(rows, timed_out.tolist(), strict=True):
        info["TimeLimit.truncated"] = truncation
    return rows, begun
