"""A matrix of networks and tasks: each network learns each task, and a picture shows which is right for which.

networks:                       # lines of the matrix: what is changed in the configurations of the tasks
  no memory: {agent.core: null}
  lstm: {agent.core: lstm}
tasks:                          # columns: rows of a benchmark as spec.py has them, and
  - task: Reverse               # what the column is called
    config: ppo/reverse
    score: [-0.5, 1.0]          # the returns of chance and of the optimum, which become 0 and 1
    elsewhere: {20 letters: {env.min_length: 20, env.max_length: 20}}    # more columns: where it never learned
    networks: [lstm]            # those that can be compared on it; all where left out
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lhy_rl.core.errors import UserError, suggest


def expand(document: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Return the rows of a benchmark, task by task: one for each network.

    Raises:
        UserError: no networks or tasks, or an unknown network.
    """
    networks, tasks = document.get("networks"), document.get("tasks")
    if not isinstance(networks, dict) or not all(isinstance(changes, dict) for changes in networks.values()):
        raise UserError(f"networks in {str(path)!r} must be a mapping of names to the options that each changes")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise UserError(f"tasks in {str(path)!r} must be a list of mappings with at least config, task and score")
    rows = []
    for number, task in enumerate(tasks, 1):
        if missing := [key for key in ("task", "score") if key not in task]:
            raise UserError(f"task {number} in {str(path)!r} needs {missing[0]}")
        task = dict(task)
        for name in task.pop("networks", networks):
            if name not in networks:
                raise suggest(str(name), networks, f"network of task {number}")
            overrides = {**task.get("overrides", {}), **networks[name]}
            rows.append({**task, "variant": name, "overrides": overrides})
    return rows
