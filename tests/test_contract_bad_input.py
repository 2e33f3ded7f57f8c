"""Whatever others wrote, a UserError of one line or the right values: YAML, command lines, npz files, arrays."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from lhy_rl.agents import PPO, MaxEntIRL
from lhy_rl.cli.arguments import whole
from lhy_rl.cli.main import explain, main
from lhy_rl.cli.record import split_env
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.registry import registered
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.data.npz import write_npz
from lhy_rl.data.spaces import conformed
from lhy_rl.experiment import config, yaml_files
from lhy_rl.interop.demonstrations import load_demonstrations

CARTPOLE = Path(__file__).parent.parent / "configs/ppo/cartpole.yaml"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{key}: &{key} [{', '.join([f'*{before}'] * 10)}]\n" for before, key in zip("abcdefghi", "bcdefghij", strict=True)
)
ODD = ["2020-01-01", "0x_", "1e400", ".nan", "9" * 400, "9" * 5000, "[", "{a", "&a", "!!timestamp x", "!!set {a}"]
ODD += [
    "",
    "~",
    "\n",
    "a: b",
    "1:30",
    "[[" * 40,
    "a:b:c",
    ":CartPole-v1",
    "CartPole-v1\n",
    "18446744073709551616",
    "-1",
]
KEYS = [
    "seed",
    "total_timesteps",
    "threads",
    "env.id",
    "env",
    "agent.name",
    "agent.learning_rate",
    "agent.core",
    "agent",
]
KEYS += [
    "agent.n_steps",
    "agent.hidden_sizes",
    "run.name",
    "run.folder",
    "run.tracker",
    "",
    ".",
    "env.id.x",
    "env.gravity",
]


@pytest.fixture(autouse=True, scope="module")
def no_tracker() -> Iterator[None]:
    """Nobody is asked whether wandb is logged in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        yield


# ---------------------------------------------------------------------- YAML and the command line
def test_math_plain_yaml() -> None:
    text = "a: 1e-3\nb: 2020-01-01\nc: 0x_\nd: 1_000\ne: &e {f: 1}\ng:\n  <<: *e\n  h: .5\ni: [1.5e3, -.inf, '1e3', ~]"
    values = yaml_files.parse(text)
    assert values == {
        "a": 0.001, "b": "2020-01-01", "c": "0x_", "d": 1000, "e": {"f": 1}, "g": {"f": 1, "h": 0.5},
        "i": [1500.0, -np.inf, "1e3", None],
    }  # fmt: skip
    assert yaml_files.parse(yaml_files.dump(values)) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "its aliases expand to more than 100,000 values"),
        ("a: &a [*a]", "an alias is inside the value that it refers to"),
        ("a: " + "[" * 5000, "nested deeper than 30"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is given twice"),
        ("a: !!set {b}", "could not determine a constructor"),
        ("on: 3", "the key True"),
        ("agent:\n  1: y", "the key 1, which is not a string"),
        ("seed: .nan", "seed is nan; it must be a whole number|seed is not a number"),
        ("seed: 18446744073709551616", "seed is 18446744073709551616..., 20 digits; allowed: below 2\\*\\*63"),
        ("seed: -1", "seed is -1"),
        ('run: {name: "a\\0b"}', "run.name is 'a.x00b'; a string must not contain NUL"),
        ("run: {name: ..}", "run.name is '..'; it must be a plain name"),
        ("run: {name: ../../x}", "run.name is '../../x'; it must be a plain name"),
        ("threads: 100000000", "threads is 100000000; it must be 1 to 1024"),
        ("agent: {name: ppo, learning_rate: 2020-01-01}", "agent.learning_rate is '2020-01-01'; it must be a number"),
    ],
)
def test_contract_a_configuration_of_others(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    base = ["env: {id: CartPole-v1}", "agent: {name: ppo}", "total_timesteps: 100"]
    others = [line for line in base if line.split(":")[0] != text.split(":")[0]]
    Path("odd.yaml").write_text("\n".join([text, *others]))
    assert main(["train", "odd.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(said, line), line
    assert os.listdir() == ["odd.yaml"]


@settings(max_examples=60)
@given(st.sampled_from(KEYS), st.sampled_from(ODD) | st.text(max_size=12))
def test_contract_any_option_on_the_command_line(key: str, value: str) -> None:
    message = ""
    try:
        config.load("ppo/cartpole", {key: value})
    except UserError as error:  # nothing else is raised
        message = str(error)
    assert "\n" not in message


@settings(max_examples=60)
@given(st.integers(0, 30), st.sampled_from(["insert", "cut", "line"]), st.sampled_from(ODD) | st.text(max_size=8))
def test_contract_any_text_in_a_configuration(tmp_path_factory: Any, place: int, how: str, text: str) -> None:
    lines = CARTPOLE.read_text().splitlines()
    at = place % len(lines)
    lines[at] = {"insert": lines[at][:place] + text + lines[at][place:], "cut": lines[at][:place], "line": text}[how]
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    message = ""
    try:
        assert {"env", "agent", "total_timesteps"} <= set(config.load(str(path)).values)
    except UserError as error:  # nothing else is raised
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize("env_id", ["", ":CartPole-v1", "a:b:c", "CartPole-v1:", ".a:b", "a b:c", "no_such_package:x"])
def test_contract_ids_that_can_be_none(env_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"is not an environment id|No module named 'no_such_package'"):
        registered(env_id)
    with pytest.raises(UserError):
        PPO(env_id)
    assert main(["train", "ppo/cartpole", "--env.id", env_id]) == 2
    assert main(["record", env_id or ":", "--random", "--output", "never.npz"]) == 2
    assert all(line.startswith("lhy-rl: ") for line in capsys.readouterr().err.splitlines())


@pytest.mark.parametrize("place", ["../../x-v0", "../x/y-v0", "a/../../../b-v0"])
def test_contract_a_dataset_is_written_nowhere_else(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("minari")
    assert main(["record", "CartPole-v1", "--random", "--episodes", "1", "--output", place]) == 2
    assert "is not a Minari id" in capsys.readouterr().err


def test_contract_env_options_of_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    assert split_env(["--env.a", "2020-01-01", "--env.b=0x_", "x", "--env.c", "1e-3"]) == (
        ["x"],
        {"a": "2020-01-01", "b": "0x_", "c": 0.001},
    )
    for option, value, said in (
        ("x", "{a", "--env.x is '{a', which is not YAML"),
        ("x", "1", "unknown option 'x' of env"),
        ("max_episode_steps", "2020-01-01", "env.max_episode_steps is '2020-01-01'; it must be a whole number"),
        ("sutton_barto_reward", "9" * 400, "env.sutton_barto_reward is 999"),
    ):
        assert main(["record", "CartPole-v1", "--random", f"--env.{option}", value, "--output", "never.npz"]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(("text", "number"), [("2e5", 200_000), ("9007199254740993", 2**53 + 1), ("-1", -1)])
def test_math_whole_numbers_as_typed(text: str, number: int) -> None:
    assert whole(text) == number


@pytest.mark.parametrize("text", ["9" * 400, "9" * 5000, "1e400", "nan", "1.5", str(2**63), "", "x"])
def test_contract_no_whole_number_of_64_bits(text: str) -> None:
    with pytest.raises(ValueError):
        whole(text)


@pytest.mark.parametrize("seed", [2**63, 2**64, 10**400])
def test_contract_seeds_and_counts_of_an_agent(seed: int) -> None:
    for option in ("seed", "num_envs", "n_steps"):
        with pytest.raises(UserError, match=rf"{option} is .*; allowed: at least ., below 2\*\*63"):
            PPO("CartPole-v1", **{option: seed})


@pytest.mark.parametrize(
    ("config", "option", "message"),
    [
        ("ppo/cartpole", "num_envs", "not enough memory"),
        ("ppo/cartpole", "embedding_size", "not enough memory"),
        ("ppo/cartpole", "n_steps", "with num_envs 8 an update would need"),
        ("dagger/cartpole", "n_steps", "an update would need"),
        ("selfplay/negotiation", "n_games", "an update would need"),
    ],
)
def test_contract_more_than_the_memory(
    config: str, option: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "never"
    assert main(["train", config, f"--agent.{option}", str(10**17), "--run.folder", str(place)]) == 2
    assert message in capsys.readouterr().err
    assert not os.listdir(tmp_path)


def test_contract_a_full_disk_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        archive.write(tmp_path / "update-00000007.zip", [1])
    line, status = explain(caught.value)
    assert status == 2 and "update-00000007.zip; free some space" in str(line)


# ---------------------------------------------------------------------- npz
SEEN = spaces.Dict({"a": spaces.Box(-1, 1, (3,), np.float32), "b": spaces.Discrete(5)})
DONE = spaces.Discrete(4)
PLAIN = (spaces.Box(-1, 1, (3,), np.float32), DONE)


def shown(lengths: tuple[int, ...] = (4, 7)) -> Demonstrations:
    def episode(n: int) -> Episode:
        seen = {"a": np.linspace(0, 1, 3 * n + 3, dtype=np.float32).reshape(-1, 3), "b": np.arange(n + 1) % 5}
        return Episode(seen, np.arange(n) % 4, np.ones(n), True, False)

    return Demonstrations([episode(n) for n in lengths], SEEN, DONE, {"random_return": 0.5})


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    with np.load(write_npz(shown(), tmp_path_factory.mktemp("npz") / "a.npz")) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For all examples, and with no other test's files."""
    return tmp_path_factory.mktemp("odd")


OLD = {"obs": np.zeros((13, 3), np.float32), "acts": np.zeros(11, int), "rews": np.zeros(11)}
OLD |= {"terminal": np.array([True, True]), "indices": np.array([4])}
BOX = {"type": "Box", "shape": [10**6, 10**6], "dtype": "float32", "low": 0, "high": 1}
ARRAYS = [
    np.array("x"), np.array(["a", "b"]), np.zeros(3, [("x", int)]), np.array([None], object), np.zeros(0),
    np.array(3),
    np.array([2**62] * 4), np.array([2**63, 2**63], np.uint64), np.array([-5, 16]), np.zeros(13, complex),
    np.array("[" * 100_000), np.full(13, np.nan), np.full(12, 300), np.array(["2020-01-01"], "M8[D]"),
    np.zeros(11, "S3"),
    np.array(json.dumps([1])), np.array(json.dumps({"observation": BOX, "action": 3})), np.array([4.5, 6.5]),
    np.array(json.dumps({"observation": {"type": "Discrete", "n": 10**30, "start": 0}})), np.zeros((13, 3), ">f4"),
]  # fmt: skip


def read(data: bytes, folder: Path, env: Any) -> Demonstrations | None:
    (folder / "odd.npz").write_bytes(data)
    before = sorted(folder.rglob("*"))
    try:
        return load_demonstrations(folder / "odd.npz", env)
    except UserError:
        return None
    finally:
        assert sorted(folder.rglob("*")) == before


def packed(arrays: dict[str, np.ndarray], **more: bytes) -> bytes:
    """An .npz, also of members that numpy would not write."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with zipfile.ZipFile(buffer, "a") as file:
        for name, content in more.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def test_contract_members_of_any_kind(members: dict[str, np.ndarray], tmp_path: Path) -> None:
    for arrays, env in ((members, None), (members, (SEEN, DONE)), (OLD, PLAIN)):
        assert read(packed(arrays), tmp_path, env) is not None
        for name in arrays:
            others = {key: value for key, value in arrays.items() if key != name}
            read(packed(others), tmp_path, env)
            for odd in ARRAYS:
                read(packed({**others, name: odd}), tmp_path, env)


@settings(max_examples=150)
@given(st.data())
def test_contract_bytes_flipped_deleted_inserted(
    members: dict[str, np.ndarray], folder: Path, data: st.DataObject
) -> None:
    """Of the whole file, and of a member whose checksum is right."""
    name = data.draw(st.sampled_from([None, *members]))
    buffer = io.BytesIO()
    if name is not None:
        np.lib.format.write_array(buffer, members[name])
    content = bytearray(packed(members) if name is None else buffer.getvalue())
    at = data.draw(st.integers(0, len(content) - 1 if name is None else min(130, len(content) - 1)))
    match data.draw(st.sampled_from(["flip", "delete", "insert", "truncate"])):
        case "flip":
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        case "delete":
            del content[at : at + data.draw(st.sampled_from([1, 2, 100]))]
        case "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=20))
        case "truncate":
            del content[at:]
    others = {key: value for key, value in members.items() if key != name}
    whole = bytes(content) if name is None else packed(others, **{name: bytes(content)})
    found = read(whole, folder, None)
    assert found is None or len(found.episodes) > 0  # refused, or something that can be learned from


def test_contract_a_small_file_that_would_fill_the_memory(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", observations=np.zeros(1 << 20, np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "GROWN", 1 << 16)
        with pytest.raises(UserError, match=r"would grow to 1,048,704, more than 100 times"):
            load_demonstrations(tmp_path / "bomb.npz")
    tree = io.BytesIO()
    with zipfile.ZipFile(tree, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(archive.TREE, "[]")
        file.writestr(archive.TENSORS, bytes(8))
        file.comment = archive.MARK + b"0" * archive.DIGEST
    body = tree.getvalue()[: -archive.DIGEST]
    with pytest.raises(UserError, match="its members are compressed"):
        archive.from_bytes(body + hashlib.sha256(body).hexdigest().encode())


# ---------------------------------------------------------------------- arrays
def backwards(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x[::-1])[::-1]


def big_endian(x: np.ndarray) -> np.ndarray:
    return x.astype(x.dtype.newbyteorder(">"))


@pytest.mark.parametrize("odd", [backwards, big_endian, np.asfortranarray])
def test_contract_any_memory_of_an_array(odd: Any, tmp_path: Path, members: dict[str, np.ndarray]) -> None:
    obs = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    agent = PPO("CartPole-v1", num_envs=2, n_steps=8, core="gru", embedding_size=8, hidden_size=8)
    start, action_mask = np.array([True, False]), np.array([[True, False], [False, True]])
    state = agent.predict(obs)[1]
    for given_obs in (obs, obs[0]):
        np.testing.assert_array_equal(
            agent.predict(odd(given_obs), deterministic=True)[0], agent.predict(given_obs, deterministic=True)[0]
        )
    np.testing.assert_array_equal(agent.predict(odd(obs), state, odd(start), True, odd(action_mask))[0], [0, 1])
    teacher = MaxEntIRL("lhy_rl/Gridworld-v0", num_envs=2)
    states = np.array([3, 1])
    np.testing.assert_array_equal(teacher.rewards(*[odd(states)] * 3), teacher.rewards(*[states] * 3))
    found = read(packed({name: odd(array) if array.ndim else array for name, array in members.items()}), tmp_path, None)
    assert found is not None
    for one, other in zip(found.episodes, shown().episodes, strict=True):
        assert one.observations["a"].dtype == np.float32 and one.observations["a"].dtype.isnative
        np.testing.assert_array_equal(one.observations["a"], other.observations["a"])
        np.testing.assert_array_equal(one.actions, other.actions)


def test_math_numbers_too_large_for_their_type_are_not_wrapped() -> None:
    space = spaces.Box(0, 255, (2,), np.uint8)
    assert conformed(np.array([[1, 255]]), space).dtype == np.uint8
    kept = conformed(np.array([[1, 300], [0, 0]]), space)
    np.testing.assert_array_equal(kept, [[1, 300], [0, 0]])
    with pytest.raises(UserError, match="at step 0 is 300, outside"):
        Demonstrations([Episode(kept, np.zeros(1, int), np.zeros(1), True, False)], space, DONE, {})
    with pytest.raises(UserError, match="are <U1, not numbers"):
        Demonstrations(
            [Episode(kept, np.array(["a"]), np.zeros(1), True, False)], spaces.Box(0, 400, (2,), np.int64), DONE, {}
        )
