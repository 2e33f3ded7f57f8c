"""The batched base class on a toy that uses all of it, against Gymnasium's own SyncVectorEnv."""

from __future__ import annotations

import json
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.single import SingleEnv

MODES = ["NextStep", "SameStep", "Disabled"]


class Walk(BatchedEnv):
    """Count up by the action to a goal; with ``noise`` the goal and the steps are random."""

    metadata = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(self, num_envs: int = 1, noise: bool = False, goal: int = 7, **base: Any) -> None:
        observation = Dict({"place": Box(0.0, 1e6, (2,), np.float64), "parity": Discrete(2)})
        super().__init__(num_envs, observation, Discrete(4), **base)
        self.noise, self.goal = noise, goal

    def initial(self, n: int, rng: np.random.Generator) -> State:
        goal = self.goal + (rng.integers(0, 4, n) if self.noise else np.zeros(n, np.int64))
        return {"count": np.zeros(n, np.int64), "goal": goal}

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        extra = rng.integers(0, 2, len(action)) if self.noise else 0
        return {"count": state["count"] + action + extra, "goal": state["goal"]}

    def observation(self, state: State) -> Any:
        return {"place": np.stack([state["count"] / 1.0, state["goal"] / 3.0], -1), "parity": state["count"] % 2}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        return (next_state["count"] - state["count"]) / 3

    def terminal(self, state: State) -> np.ndarray:
        return state["count"] >= state["goal"]

    def info(self, state: State) -> dict[str, Any]:
        return {"left": state["goal"] - state["count"], "deep": {"even": state["count"] % 2 == 0}}

    def final_info(self, state: State) -> dict[str, Any]:
        return {"name": np.array([f"end {c}" for c in state["count"]]), "pair": np.stack([state["count"]] * 2, -1)}

    def frame(self, state: State) -> list[str]:
        return [str(c) for c in state["count"]]


class WalkEnv(SingleEnv):
    batched = Walk


def sync(mode: str, n: int, **kwargs: Any) -> SyncVectorEnv:
    return SyncVectorEnv([lambda: WalkEnv(**kwargs) for _ in range(n)], autoreset_mode=AutoresetMode(mode))


def run(env: Any, actions: np.ndarray, seed: int | None = 0) -> list[Any]:
    """Everything that comes back from a reset and steps; without autoreset, ended instances are reset."""
    out: list[Any] = [env.reset(seed=seed)]
    for row in actions:
        result = env.step(row)
        out.append(result)
        done = result[2] | result[3]
        if env.metadata["autoreset_mode"] is AutoresetMode.DISABLED and done.any():
            out.append(env.reset(options={"reset_mask": done}))
    return out


def same(first: list[Any], second: list[Any]) -> bool:
    return data_equivalence(first, second, exact=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limit", [None, 4])
def test_autoreset_equals_gymnasiums(mode: str, limit: int | None) -> None:
    actions = np.random.default_rng(1).integers(0, 4, (60, 5))
    ours = run(Walk(5, autoreset_mode=mode, max_episode_steps=limit), actions)
    theirs = run(sync(mode, 5, max_episode_steps=limit), actions)
    assert len(ours) == len(theirs)
    for t, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert same([a], [b]), f"call {t}:\n{a}\n{b}"


@pytest.mark.parametrize("mode", MODES)
def test_random_batch_of_one_equals_single(mode: str) -> None:
    actions = np.random.default_rng(1).integers(0, 4, (60, 1))
    assert same(run(Walk(1, noise=True, autoreset_mode=mode), actions, 5), run(sync(mode, 1, noise=True), actions, 5))


def of_one(infos: dict[str, Any]) -> dict[str, Any]:
    """The entries of a batch's infos that instance 0 has, without masks."""
    found: dict[str, Any] = {}
    for key, value in infos.items():
        if f"_{key}" in infos and infos[f"_{key}"][0]:
            one = of_one(value) if isinstance(value, dict) else value[0]
            found[key] = bool(one) if isinstance(one, np.bool_) else one
    return found


def test_a_step_of_one_is_the_batchs_step_in_types_too() -> None:
    """What :class:`SingleEnv` takes, which leaves rows and masks out, against what the batch takes."""
    short, whole = (Walk(1, noise=True, goal=12, autoreset_mode="Disabled", max_episode_steps=6) for _ in range(2))
    truncations = []
    for action, seed in enumerate((3, None, None, 4)):
        if seed is not None:
            short.np_random, whole.np_random = (np.random.default_rng(seed) for _ in range(2))
        first = short.reset_of_one({"reset_mask": np.ones(1, bool)} if action == 1 else None)
        obs, infos = whole.reset()
        assert same([first], [({key: x[0] for key, x in obs.items()}, of_one(infos))])
        terminated = truncated = False
        while not (terminated or truncated):
            obs, reward, terminated, truncated, info = short.step_of_one([action])
            expected = whole.step([action])
            assert same([obs, info], [{key: x[0] for key, x in expected[0].items()}, of_one(expected[4])])
            assert [reward, terminated, truncated] == [x[0] for x in expected[1:4]]
            assert [type(x) for x in (reward, terminated, truncated)] == [float, bool, bool]
            assert type(info["deep"]["even"]) is bool and type(info["left"]) is np.int64
            assert same([short.snapshot()], [whole.snapshot()])
        assert type(info["name"]) is str and info["pair"].base is None
        truncations.append(truncated)
        with pytest.raises(ResetNeeded, match=r"instances \[0\] have ended"):
            short.step_of_one([1])
    assert set(truncations) == {True, False}


def test_what_a_single_environment_gives_is_its_users() -> None:
    env = WalkEnv(goal=100)
    obs, _ = env.reset(seed=0)
    first = env.step(2)
    for given in (obs["place"], first[0]["place"]):
        given += 7.0
    assert env.observe()["place"].tolist() == [2.0, 100 / 3]
    assert env.step(1)[0]["place"].tolist() == [3.0, 100 / 3]


@pytest.mark.parametrize("action", [4, -1, True, 1.0, np.array([1, 2]), None, "1", np.float32(1)])
def test_a_step_of_one_refuses_what_the_step_refuses(action: Any) -> None:
    env = Walk(1, autoreset_mode="Disabled")
    with pytest.raises(ResetNeeded):
        env.step_of_one([1])
    env.reset(seed=0)
    for given in ([action], [1, 1], [], 1):
        with pytest.raises(UserError) as short:
            env.step_of_one(given)
        with pytest.raises(UserError) as whole:
            env.step(given)
        assert str(short.value) == str(whole.value)
    assert env.observe()["place"][0, 0] == 0


def test_time_limit_equals_gymnasiums_wrapper() -> None:
    ours = WalkEnv(max_episode_steps=3)
    theirs = gymnasium.wrappers.TimeLimit(WalkEnv(), 3)
    for actions in ([1, 1, 1], [3, 3, 3], [3, 1, 1]):
        assert same([ours.reset()], [theirs.reset()])
        for action in actions:
            a, b = ours.step(action), theirs.step(action)
            assert same([a[:4]], [b[:4]])  # a wrapper cannot add what final_info says
        assert a[3]


def test_seed_and_batch_size_fix_everything() -> None:
    actions = np.random.default_rng(1).integers(0, 4, (50, 6))
    first, again, other = (run(Walk(6, noise=True), actions, seed) for seed in (3, 3, 4))
    assert same(first, again) and not same(first, other)
    env = Walk(6, noise=True)
    run(env, actions, 9)
    assert same(run(env, actions, 3), first)  # whatever was before


def test_global_generator_is_not_touched() -> None:
    before = np.random.get_state()  # noqa: NPY002
    run(Walk(6, noise=True), np.ones((20, 6), np.int64))
    assert data_equivalence(np.random.get_state(), before, exact=True)  # noqa: NPY002


@pytest.mark.parametrize("mode", MODES)
def test_snapshot_continues_bit_for_bit(mode: str) -> None:
    actions = np.random.default_rng(1).integers(0, 4, (40, 4))
    env = Walk(4, noise=True, autoreset_mode=mode, max_episode_steps=5)
    run(env, actions[:10])

    def future(env: Walk) -> list[Any]:
        out: list[Any] = [env.observe()]
        for row in actions[10:]:
            if mode == "Disabled" and env._done.any():
                out.append(env.reset(options={"reset_mask": env._done.copy()}))
            out.append(env.step(row))
        return out

    snapshot = env.snapshot()
    first = future(env)
    env.restore(snapshot)
    assert same(future(env), first)
    fresh = Walk(4, noise=True, autoreset_mode=mode, max_episode_steps=5)
    fresh.restore(snapshot)  # in an environment that was never reset
    assert same(future(fresh), first)
    json.dumps(snapshot["rng"])  # numbers and names only, so that it can be stored


def test_snapshot_shares_no_memory() -> None:
    env = Walk(3)
    env.reset(seed=0)
    snapshot = env.snapshot()
    snapshot["state"]["count"][:] = 99
    assert env.observe()["place"][:, 0].max() == 0
    env.restore(snapshot)
    snapshot["state"]["count"][:] = 5
    assert (env.observe()["place"][:, 0] == 99).all()


def test_snapshot_of_some_instances() -> None:
    env = Walk(4, max_episode_steps=3)
    env.reset(seed=0)
    env.step(np.array([0, 1, 2, 3]))
    part = env.snapshot(np.array([1, 3]))
    env.step(np.array([3, 3, 0, 3]))
    env.restore(part, np.array([3, 0]))  # 1 to 3, 3 to 0
    assert env.observe()["place"][:, 0].tolist() == [3, 4, 2, 1]
    _, _, _, truncated, _ = env.step(np.zeros(4, np.int64))
    assert truncated.tolist() == [False, True, True, False]  # the step counters moved with them
    one = env.snapshot(np.array([0]))
    env.restore(one, np.arange(4))  # one for all
    assert env.observe()["place"][:, 0].tolist() == [3, 3, 3, 3]


def test_snapshot_that_does_not_fit() -> None:
    env = Walk(4)
    with pytest.raises(ResetNeeded):
        env.snapshot()
    env.reset()
    with pytest.raises(UserError, match="3 instances does not fit 4; must be as many, or 1"):
        env.restore(env.snapshot(np.arange(3)))
    alien = env.snapshot()
    del alien["state"]["goal"]
    with pytest.raises(UserError, match="another kind"):
        env.restore(alien)


def test_returned_arrays_are_fresh() -> None:
    env = Walk(3, autoreset_mode="SameStep")
    obs, info = env.reset(seed=0)
    obs["place"][:] = -1
    info["left"][:] = -1
    obs, _, terminated, _, info = env.step(np.array([1, 2, 3]))
    assert obs["place"][:, 0].tolist() == [1, 2, 3] and info["left"].tolist() == [6, 5, 4]
    kept = obs["place"].copy()
    terminated[:] = True
    env.step(np.array([1, 1, 1]))
    np.testing.assert_array_equal(obs["place"], kept)


def test_partial_reset_keeps_the_others_and_the_options() -> None:
    env = Walk(3, autoreset_mode="Disabled")
    env.reset(seed=0)
    env.step(np.array([1, 2, 3]))
    options = {"reset_mask": np.array([False, True, False])}
    obs, info = env.reset(options=options)
    assert obs["place"][:, 0].tolist() == [1, 0, 3] and "reset_mask" in options
    assert info["_left"].tolist() == [False, True, False]


@pytest.mark.parametrize(
    "mask", [[True, False, True], np.array([1, 0, 1]), np.array([True]), np.zeros(3, bool)], ids=str
)
def test_bad_reset_mask(mask: Any) -> None:
    env = Walk(3)
    env.reset()
    with pytest.raises(UserError, match="reset_mask"):
        env.reset(options={"reset_mask": mask})


def test_calls_out_of_order() -> None:
    env = Walk(2, autoreset_mode="Disabled")
    for call in (lambda: env.step(np.zeros(2, np.int64)), env.observe):
        with pytest.raises(ResetNeeded):
            call()
    env.reset()
    for _ in range(3):
        env.step(np.array([0, 3]))
    with pytest.raises(ResetNeeded, match=r"instances \[1\] have ended"):
        env.step(np.array([0, 0]))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([0, 4], "action 4 is not in the action space; allowed: 0 to 3"),
        ([-1, 0], "action -1"),
        ([0.0, 1.0], "whole numbers"),
        ([0], r"shape \(1,\)"),
        ([[0], [1]], r"shape \(2, 1\)"),
    ],
)
def test_bad_actions(actions: Any, message: str) -> None:
    env = Walk(2)
    env.reset()
    with pytest.raises(UserError, match=message):
        env.step(np.array(actions))
    assert env.observe()["place"][:, 0].tolist() == [0, 0]


def test_bad_arguments() -> None:
    for arguments, message in [
        ({"num_envs": 0}, "num_envs=0 is not allowed; must be a whole number of at least 1"),
        ({"max_episode_steps": 0}, "max_episode_steps=0"),
        ({"autoreset_mode": "SameStap"}, "unknown autoreset_mode 'SameStap'; did you mean 'SameStep'"),
        ({"render_mode": "rgb_array"}, "unknown render_mode 'rgb_array'"),
    ]:
        with pytest.raises(UserError, match=message):
            Walk(**arguments)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="num_envs"):
        WalkEnv(num_envs=2)
    for seed in ([1, 2], -1, 0.5):
        with pytest.raises(UserError, match="seed="):
            Walk(2).reset(seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["SameStep", "same_step", "SAME_STEP", AutoresetMode.SAME_STEP])
def test_autoreset_mode_names(name: Any) -> None:
    env = Walk(2, autoreset_mode=name)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert "autoreset_mode" not in Walk.metadata  # the class's own is not touched


def test_infos_of_an_episode() -> None:
    """Literal values: both views run the same code, so that comparing them cannot find what is missing in both."""
    env = WalkEnv(goal=4)
    assert env.reset(seed=0)[1] == {"left": 4, "deep": {"even": True}}
    assert env.step(3)[4] == {"left": 1, "deep": {"even": False}}
    info = env.step(3)[4]
    assert info.pop("pair").tolist() == [6, 6]
    assert info == {"left": -2, "deep": {"even": True}, "name": "end 6"}
    batch = Walk(2, goal=4, autoreset_mode="SameStep")
    batch.reset(seed=0)
    batch.step(np.array([3, 0]))
    _, reward, terminated, _, info = batch.step(np.array([3, 1]))
    assert terminated.tolist() == [True, False] and reward.tolist() == [1.0, 1 / 3]
    assert info["left"].tolist() == [4, 3] and info["_left"].all()
    final = info["final_info"]
    assert final["left"].tolist() == [-2, 0] and final["_left"].tolist() == [True, False]
    assert final["deep"]["even"].tolist() == [True, False] and final["name"].tolist() == ["end 6", None]
    assert info["final_obs"][0]["place"][0] == 6 and info["final_obs"][1] is None


def test_render() -> None:
    env = Walk(2, render_mode="ansi")
    env.reset()
    env.step(np.array([1, 2]))
    assert env.render() == ("1", "2")
    single = WalkEnv(render_mode="ansi")
    single.reset()
    assert single.render() == "0"


def test_gymnasium_check_env() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(WalkEnv(noise=True, render_mode="ansi"), skip_render_check=True)


@pytest.mark.parametrize("mode", MODES[:2])
def test_record_episode_statistics(mode: str) -> None:
    env = RecordEpisodeStatistics(Walk(2, autoreset_mode=mode))
    env.reset(seed=0)
    for _ in range(7):
        *_, info = env.step(np.array([1, 3]))
    assert info["_episode"].tolist() == [True, mode == "NextStep"]
    assert info["episode"]["l"][0] == 7 and info["episode"]["r"][0] == pytest.approx(7 / 3)


def test_single_passes_on_what_it_lacks() -> None:
    env = WalkEnv(goal=9)
    assert env.goal == 9
    with pytest.raises(AttributeError):
        env.no_such_thing  # noqa: B018
