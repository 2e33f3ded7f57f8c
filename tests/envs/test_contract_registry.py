"""Every registered environment keeps Gymnasium's and our own contracts."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import iterate
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Snapshot, TextTask
from lhy_rl.core.registry import Registry
from lhy_rl.core.trees import leaves, take
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.registration import GAMES, TABLE, WRAPPED, Row
from lhy_rl.envs.single import SingleEnv

MODES = ["NextStep", "SameStep", "Disabled"]
every_row = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.id)
every_text = pytest.mark.parametrize("row", [row for row in TABLE if ".text." in row.batched], ids=lambda row: row.id)
every_mode = pytest.mark.parametrize("mode", MODES)


def single(row: Row, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(row.id, **{**row.small, **kwargs})


def batch(row: Row, n: int, mode: str = "NextStep", **kwargs: Any) -> VectorEnv[Any, Any, Any]:
    return gymnasium.make_vec(row.id, num_envs=n, autoreset_mode=mode, **{**row.small, **kwargs})


def actions(env: Any, steps: int, seed: int = 0) -> list[Any]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(steps)]


def run(env: Any, script: list[Any], seed: int | None = 7) -> list[Any]:
    out: list[Any] = [env.reset(seed=seed)]
    for action in script:
        out.append(env.step(action))
        done = out[-1][2] | out[-1][3]
        if np.any(done) and env.metadata.get("autoreset_mode") in (None, AutoresetMode.DISABLED):
            out.append(env.reset(options={"reset_mask": done} if isinstance(env, VectorEnv) else None))
    return out


def one(env: BatchedEnv, obs: Any, i: int) -> Any:
    """Instance i's of a batch of observations."""
    return list(iterate(env.observation_space, obs))[i]


def same(first: Any, second: Any) -> bool:
    return data_equivalence(first, second, exact=True)


@every_row
def test_check_env(row: Row) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(single(row).unwrapped)
        for mode in single(row).metadata["render_modes"]:
            check_env(single(row, render_mode=mode).unwrapped)


@every_row
def test_made_by_id(row: Row) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, many = single(row), batch(row, 3)
    assert isinstance(one.unwrapped, SingleEnv) and isinstance(many.unwrapped, BatchedEnv)
    assert many.num_envs == 3 and many.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert many.single_observation_space == one.observation_space
    assert many.single_action_space == one.action_space


@every_row
def test_spec_survives_json(row: Row) -> None:
    env = single(row)
    assert env.spec is not None
    again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.spec == env.spec and again.action_space == env.action_space
    many = batch(row, 2, "SameStep").unwrapped.spec
    assert many is not None and json.loads(many.to_json())["kwargs"]["autoreset_mode"] == "SameStep"


@every_row
def test_default_size(row: Row) -> None:
    env = gymnasium.make_vec(row.id, num_envs=2)
    out = run(env, actions(env, 70))
    assert all(step[0] in env.observation_space for step in out)
    assert any((step[2] | step[3]).any() for step in out[1:])  # an episode ends, by itself or at its time limit


@every_row
@every_mode
def test_two_copies_agree(row: Row, mode: str) -> None:
    first, second = batch(row, 4, mode), batch(row, 4, mode)
    script = actions(first, 25)  # two ends and more, of nearly all
    assert same(run(first, script), run(second, script))


@every_row
@every_mode
@pytest.mark.parametrize("limit", [None, 3])
def test_batch_equals_singles(row: Row, mode: str, limit: int | None) -> None:
    """Batched and Gymnasium's own loop over single environments: the same at every step, bit for bit.

    With more than one instance this holds for environments whose dynamics draw no random numbers; a random
    one shares a generator in the batch and is compared as a batch of one.
    """
    steps = 10 if limit else 20
    ours = batch(row, 5, mode, max_episode_steps=limit)
    script = actions(ours, steps)
    before = ours.np_random.bit_generator.state
    result = run(ours, script, seed=None)
    if ours.np_random.bit_generator.state != before:
        ours = batch(row, 1, mode, max_episode_steps=limit)
        script = actions(ours, steps)
        result = run(ours, script)
    made = type(single(row).unwrapped)
    theirs = SyncVectorEnv(
        [lambda: made(**row.small, max_episode_steps=limit) for _ in range(ours.num_envs)],
        autoreset_mode=AutoresetMode(mode),
    )
    reference = run(theirs, script)
    assert len(result) == len(reference)
    for t, (a, b) in enumerate(zip(result, reference, strict=True)):
        assert same(a, b), f"call {t}:\n{a}\n{b}"


@every_row
def test_same_step_keeps_the_end(row: Row) -> None:
    env = batch(row, 4, "SameStep", max_episode_steps=3)
    env.reset(seed=0)
    ended = np.zeros(4, bool)
    for action in actions(env, 3):
        *_, infos = env.step(action)
        done = infos.get("_final_obs", np.zeros(4, bool))
        assert not done.any() or (infos["_final_info"] == done).all()
        assert all(obs in env.single_observation_space for obs in infos["final_obs"][done]) if done.any() else True
        ended |= done
    assert ended.all()


@every_row
@every_mode
def test_snapshot(row: Row, mode: str) -> None:
    env = batch(row, 4, mode, max_episode_steps=6).unwrapped
    assert isinstance(env, BatchedEnv) and isinstance(env, Snapshot)
    script = actions(env, 18)
    env.reset(seed=0)
    for action in script[:4]:
        if mode == "Disabled" and env._done.any():
            env.reset(options={"reset_mask": env._done.copy()})
        env.step(action)
    snapshot = env.snapshot()

    def future(rows: np.ndarray) -> list[Any]:
        out: list[Any] = []
        for action in script[4:]:
            if mode == "Disabled" and env._done.any():
                env.reset(options={"reset_mask": env._done.copy()})
            obs, reward, terminated, truncated, _ = env.step(action)
            out.append((take(obs, rows), reward[rows], terminated[rows], truncated[rows]))
        return out

    every = np.arange(4)
    first = future(every)
    env.restore(snapshot)
    assert same(future(every), first)
    env.restore(snapshot)
    some = np.array([2, 0])
    part = env.snapshot(some)
    kept = future(some)
    env.restore(snapshot)
    env.restore(part, some)
    assert same(future(some), kept)


@every_row
def test_observation_law(row: Row) -> None:
    """The observation is the same function of the state, after a reset and a step alike; it shows the last state too.

    Which function it is, the tests of the environments say.
    """
    env, same_step = (batch(row, 6, mode, max_episode_steps=5).unwrapped for mode in ("Disabled", "SameStep"))
    assert isinstance(env, BatchedEnv) and isinstance(same_step, BatchedEnv)
    for obs, _ in (env.reset(seed=0), same_step.reset(seed=0)):
        assert same(obs, env.observation(env.snapshot()["state"]))
    for action in actions(env, 5):
        obs, _, terminated, truncated, _ = env.step(action)
        assert same(obs, env.observation(env.snapshot()["state"]))
        after, *_, infos = same_step.step(action)
        assert same(after, same_step.observation(same_step.snapshot()["state"]))
        done = terminated | truncated
        for i in np.flatnonzero(done):
            assert same(infos["final_obs"][i], one(env, obs, i))
        if done.any():
            break
    assert done.any()


@every_text
def test_observation_law_of_text(row: Row) -> None:
    """The last token written, before the first one the start token."""
    env = batch(row, 6, "SameStep").unwrapped
    assert isinstance(env, BatchedEnv) and isinstance(env, TextTask)
    obs, _ = env.reset(seed=0)
    assert (obs == env.start_token).all()
    for action in actions(env, 40):
        obs, _, terminated, truncated, infos = env.step(action)
        done = terminated | truncated
        np.testing.assert_array_equal(obs, np.where(done, env.start_token, action))
        np.testing.assert_array_equal(obs, env.observation(env.snapshot()["state"]))
        for i in np.flatnonzero(done):
            assert infos["final_obs"][i] == action[i]


@every_row
def test_returned_arrays_are_the_callers(row: Row) -> None:
    env, twin = batch(row, 3, "SameStep"), batch(row, 3, "SameStep")
    script = actions(env, 25)
    env.reset(seed=0)
    twin.reset(seed=0)
    for action in script:
        own = action.copy()
        result = env.step(own)
        assert same(result, twin.step(action))
        for array in (
            own,
            *leaves(result[0]),
            *result[1:4],
        ):  # whoever spoils what was returned or given spoils nothing inside
            array[:] = 1
        for value in result[4].values():
            if isinstance(value, np.ndarray):
                value[:] = 1


@every_row
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
def test_a_copy_goes_on_alike_and_alone(row: Row, copied: Any) -> None:
    for env in (single(row).unwrapped, batch(row, 3, "SameStep")):
        script = actions(env, 1)
        env.reset(seed=1)
        twin = copied(env)
        assert same(run(env, script, None), run(twin, script, None))
        before = env.snapshot()
        twin.reset(seed=2)
        assert same(env.snapshot(), before)


@every_row
def test_what_is_no_action_is_one_line(row: Row) -> None:
    env, many = single(row).unwrapped, batch(row, 2)
    for odd in ([], None, "x", 10**30, -(10**9), np.nan, np.zeros(77), {"a": 1}, [None, None]):
        env.reset(seed=0)
        many.reset(seed=0)
        for step in (env.step, many.step):
            with pytest.raises(UserError, match="action"):
                step(odd)


@pytest.mark.parametrize("row", [*TABLE, *WRAPPED, *GAMES], ids=lambda row: row.id)
def test_what_no_argument_can_be_is_one_line(row: Any) -> None:
    if row.id == "lhy_rl/MujocoViews-v0":
        pytest.importorskip("mujoco")
    made = Registry("environment", {row.id: getattr(row, "rules", None) or row.batched}).get(row.id)
    others = {"scorer", "options"}  # a scorer is asked for with some rewards only
    for name in set(inspect.signature(made).parameters) - others:
        for odd in (object(), [object()], b"x", 2**70, -1.5, np.nan):
            with pytest.raises(UserError, match={"env_id": "environment", "tables": "table"}.get(name, name)) as caught:
                made(**{**row.small, name: odd})
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("env_id", "arguments", "message"),
    [
        ("BabiRoom", {"num_questions": 10**9}, "num_questions=1000000000 is not allowed; must be .* from 1 to 100"),
        ("Copy", {"max_length": 10**9}, "max_length=1000000000 is not allowed; must be at most 1,000,000"),
        ("CopySummary", {"reports": 10**9}, "reports=1000000000 is not allowed; must be .* from 1 to 100000"),
        ("CorpusText", {"max_length": 10**9}, "max_length=1000000000 is not allowed; must be .* from 2 to 10000"),
        ("Gridworld", {"size": 10**9}, "size=1000000000 is not allowed; must be .* from 2 to 200"),
        ("Gridworld", {"goal": "no"}, "goal='no' is not allowed; must be true or false"),
        ("LRSchedule", {"epochs": 10**9}, "epochs=1000000000 is not allowed; must be .* from 1 to 1000"),
        ("FixedHorizon", {"max_episode_steps": 9}, "horizon is the length of every episode"),
    ],
)
def test_what_would_never_be_made_is_one_line(env_id: str, arguments: dict[str, Any], message: str) -> None:
    (row,) = (row for row in TABLE + WRAPPED if row.id == f"lhy_rl/{env_id}-v0")
    with pytest.raises(UserError, match=message):
        Registry("environment", {row.id: row.batched}).get(row.id)(**{**row.small, **arguments})


@every_text
def test_text_task(row: Row) -> None:
    env, many = single(row).unwrapped, batch(row, 2).unwrapped
    assert isinstance(env, TextTask) and isinstance(many, TextTask)
    assert many.single_action_space == gymnasium.spaces.Discrete(many.vocabulary_size)
    assert many.single_observation_space == gymnasium.spaces.Discrete(many.observation_size)
    assert many.start_token != many.pad_token and 0 <= many.start_token < many.observation_size
    again = batch(row, 1).unwrapped
    assert isinstance(again, TextTask)
    seen = []
    for split in ("train", "validation", "test"):
        sentences = many.sequences(split)  # type: ignore[arg-type]
        assert sentences.tokens.dtype == np.int64 and sentences.tokens.shape == (len(sentences), many.max_length)
        assert sentences.lengths.min() >= 1 and sentences.lengths.max() <= many.max_length
        assert (sentences.tokens[~sentences.mask] == many.pad_token).all()
        words = sentences.tokens[sentences.mask]
        assert words.min() >= 0 and words.max() < many.vocabulary_size
        if many.end_token is not None:
            ends = sentences.tokens == many.end_token
            assert (ends.sum(1) == 1).all() and (ends.argmax(1) == sentences.lengths - 1).all()
        np.testing.assert_array_equal(sentences.tokens, again.sequences(split).tokens)  # type: ignore[arg-type]
        assert isinstance(many.decode(sentences.tokens[0]), str) and many.decode(sentences.tokens[0])
        seen.append(sentences.tokens[:50].tobytes())
    assert len(set(seen)) == 3


@every_text
def test_a_task_sentence_can_be_written(row: Row) -> None:
    env = single(row).unwrapped
    assert isinstance(env, TextTask)
    sentences = env.sequences("test")
    for tokens, length in zip(sentences.tokens[:20], sentences.lengths[:20], strict=True):
        env.reset(seed=0)
        flags = [env.step(token)[2] for token in tokens[:length]]
        assert flags == [False] * (length - 1) + [True]


@every_row
@pytest.mark.parametrize("mode", MODES[:2])
def test_record_episode_statistics(row: Row, mode: str) -> None:
    env = RecordEpisodeStatistics(batch(row, 3, mode, max_episode_steps=4))
    env.reset(seed=0)
    total = np.zeros(3)
    for action in actions(env, 4):
        *_, infos = (step := env.step(action))
        total += step[1]
        done = step[2] | step[3]
        if done.any():
            assert infos["_episode"][done].all()
            break
    assert done.any()
    np.testing.assert_allclose(infos["episode"]["r"][done], total[done], rtol=1e-6)


@every_row
def test_render(row: Row) -> None:
    for mode in single(row).metadata["render_modes"]:
        env = batch(row, 2, render_mode=mode)
        env.reset(seed=0)
        env.action_space.seed(0)
        for _ in range(20):  # until the two are seen to differ
            env.step(env.action_space.sample())
            frames: Any = env.render()
            assert frames is not None and len(frames) == 2
            if not np.array_equal(frames[0], frames[1]):
                break
        else:
            pytest.fail("all instances are drawn alike")
        for frame in frames:
            if mode == "ansi":
                assert isinstance(frame, str) and frame
            else:
                assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3


@every_row
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"render_mode": "human"}, "render_mode|human"),
        ({"autoreset_mode": "Never"}, "autoreset_mode"),
        ({"num_envs": 0}, "num_envs"),
        ({"max_episode_steps": 0}, "max_episode_steps"),
    ],
    ids=str,
)
def test_bad_arguments_are_one_line(row: Row, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        type(batch(row, 1).unwrapped)(**{**row.small, **arguments})
    assert type(caught.value).__name__ == "UserError" and "\n" not in str(caught.value)


@every_text
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_length": 0}, "max_length"),
        ({"max_length": 2.5}, "max_length"),
        ({"vocabulary_size": 1}, "vocabulary_size"),
        ({"reward": "nonne"}, "unknown reward 'nonne'; did you mean 'none'"),
    ],
    ids=str,
)
def test_bad_arguments_of_text_are_one_line(row: Row, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        type(batch(row, 1).unwrapped)(**{**row.small, **arguments})
    assert type(caught.value).__name__ == "UserError" and "\n" not in str(caught.value)
