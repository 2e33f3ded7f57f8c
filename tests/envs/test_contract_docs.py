"""The class docstrings are the documentation pages: complete, and true to the classes."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Space

from lhy_rl.core.registry import Registry
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.registration import TABLE, WRAPPED, Row

HEADINGS = [
    "Description",
    "Action Space",
    "Observation Space",
    "Rewards",
    "Starting State",
    "Episode End",
    "Arguments",
    "Vectorized environment",
    "Version History",
]
every_row = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.id)
every_page = pytest.mark.parametrize("row", TABLE + WRAPPED, ids=lambda row: row.id)


def class_of(row: Row) -> type[BatchedEnv]:
    batched: type[BatchedEnv] = Registry("environment", {row.id: row.batched}).get(row.id)
    return batched


def sections(row: Row) -> dict[str, str]:
    page = inspect.cleandoc(class_of(row).__doc__ or "")
    parts = re.split(r"^## (.+)$", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@every_page
def test_headings(row: Row) -> None:
    found = sections(row)
    assert list(found) == HEADINGS
    assert all(text.strip() for text in found.values())
    assert re.search(r"^- v" + row.id.rsplit("-v")[1] + ":", found["Version History"], flags=re.M)
    assert "Termination:" in found["Episode End"]
    assert row.id in found["Arguments"] + found["Vectorized environment"]


def rows_alike(space: Space[Any]) -> str:
    """How a page states a table whose columns have bounds of their own; empty of any other space."""
    if not isinstance(space, Box) or len(space.shape) != 2 or len(np.unique(space.low[0])) == 1:
        return ""
    assert (space.low == space.low[0]).all() and (space.high == space.high[0]).all()
    return f"Box({space.low[0].tolist()}, {space.high[0].tolist()}, {space.shape}, {space.dtype})"


@every_row
def test_spaces_agree_with_the_page(row: Row) -> None:
    env, page = class_of(row)(num_envs=1), sections(row)  # type: ignore[call-arg]
    seen = env.single_observation_space
    if isinstance(seen, Dict):  # and an action mask, a source or an image
        seen = next(seen[key] for key in ("observation", "token", "state") if key in seen.spaces)
    for heading, space in [("Action Space", env.single_action_space), ("Observation Space", seen)]:
        stated = re.search(r"`((?:Discrete|MultiDiscrete|Box)\(.*?\))`", page[heading])
        assert stated, f"{heading} states no space"
        assert stated[1] == (rows_alike(space) or str(space)), heading
    table = page["Observation Space"].split("With `observation=")[0]  # of the usual observation
    rows = re.findall(r"^\| *\d+(?: to \d+)? *\|[^|]*\| *(-?\d+) *\| *(\d+) *\|", table, flags=re.M)
    if isinstance(seen, Discrete):
        bounds = (seen.start, seen.start + seen.n - 1)
    elif isinstance(seen, MultiDiscrete):
        bounds = (seen.start.min(), (seen.start + seen.nvec - 1).max())
    else:
        assert isinstance(seen, Box)
        if rows_alike(seen):  # a line for each column
            columns = zip(seen.low[0].tolist(), seen.high[0].tolist(), strict=True)
            assert [(int(low), int(high)) for low, high in rows] == list(columns)
            return
        bounds = (seen.low.min(), seen.high.max())
    assert {(int(low), int(high)) for low, high in rows} == {bounds}


@every_page
def test_arguments_agree_with_the_page(row: Row) -> None:
    page = sections(row)
    stated = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", page["Arguments"], flags=re.M))
    signature = inspect.signature(class_of(row)).parameters
    actual = {
        name: repr(p.default).replace("'", '"')
        for name, p in signature.items()
        if name not in ("num_envs", "autoreset_mode") and p.kind is not p.VAR_KEYWORD
    }
    assert {name: value.replace("'", '"') for name, value in stated.items()} == actual
    assert "autoreset_mode" in page["Vectorized environment"]
    length = re.search(r"(\d+) tokens", page["Episode End"])
    if ".text." in row.batched:
        assert length and int(length[1]) == signature["max_length"].default


@every_row
def test_stated_steps_are_those_of_an_episode(row: Row) -> None:
    stated = re.search(r"after (\d+) steps", sections(row)["Episode End"])
    if not stated:
        pytest.skip("the page states no fixed number of steps")
    env = class_of(row)(num_envs=1)  # type: ignore[call-arg]
    env.reset(seed=0)
    ended = [bool(env.step(np.zeros(1, int))[2][0]) for _ in range(int(stated[1]))]
    assert ended == [False] * (len(ended) - 1) + [True]


@every_page
def test_examples_run(row: Row) -> None:
    if row.id == "lhy_rl/MujocoViews-v0":
        pytest.importorskip("mujoco")
    module = importlib.import_module(row.batched.split(":")[0])
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(class_of(row), globs=vars(module).copy())
    assert example.examples
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(example).failed == 0
