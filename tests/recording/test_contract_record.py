"""`lhy-rl record`: everybody who may act, every place to write to, one line for what cannot be."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml

from lhy_rl.agents import PPO
from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.interop.demonstrations import load_demonstrations
from lhy_rl.recording import keyboard
from lhy_rl.recording.record import demonstrate, destination
from lhy_rl.recording.sources import RecordOptions
from lhy_rl.rollouts.scripted_controllers import EXPERTS

TINY_PPO: dict[str, Any] = {"name": "ppo", "num_envs": 2, "n_steps": 16, "batch_size": 16, "embedding_size": 8}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)


def record(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    """What the command prints."""
    assert main(["record", *arguments]) == status, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    before = sorted(Path().rglob("*"))
    assert main(["record", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("lhy-rl: ") and err.count("\n") == 1, err
    assert sorted(Path().rglob("*")) == before, "something half-made"
    return err


def piped(monkeypatch: pytest.MonkeyPatch, keys: bytes) -> None:
    """Keys on standard input, which is no terminal."""
    read, write = os.pipe()
    os.write(write, keys)
    os.close(write)
    monkeypatch.setattr("sys.stdin", os.fdopen(read))


# ---------------------------------------------------------------------- who acts
def test_a_scripted_expert_and_a_random_policy(capsys: pytest.CaptureFixture[str]) -> None:
    message = record(capsys, "CartPole-v1", "--episodes", "3", "--output", "a.npz")
    assert "written a.npz: 3 episodes, 1,500 steps, return 500 +- 0 (a random policy: " in message
    found = load_demonstrations("a.npz", "CartPole-v1")
    assert found.about["expert"] == "a scripted expert" and 15 < found.about["random_return"] < 35
    record(capsys, "CartPole-v1", "--random", "--episodes", "9", "--output", "random.npz")
    found = load_demonstrations("random.npz")
    assert found.about["expert"] == "random" and found.returns.mean() < 60


def test_noise_makes_a_weak_expert(capsys: pytest.CaptureFixture[str]) -> None:
    record(capsys, "CartPole-v1", "--noise", "0.57", "--episodes", "24", "--output", "weak.npz")
    found = load_demonstrations("weak.npz")
    assert 50 < found.returns.mean() < 180
    assert (found.about["noise"], found.about["labels"]) == (0.57, "executed")


def test_an_environments_own_expert_and_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    name = "lhy_rl/DriveCorridor-v0"
    record(capsys, name, "--episodes", "2", "--env.horizon=25", "--output", "drive.npz")
    found = load_demonstrations("drive.npz", gymnasium.make(name, horizon=25))
    assert found.lengths.tolist() == [25, 25] and found.about["expert"] == "its own expert"
    assert found.about["env_options"] == {"horizon": 25}
    assert "unknown option 'gravitas' of env" in refused(capsys, "CartPole-v1", "--random", "--env.gravitas", "9")


@pytest.mark.filterwarnings("ignore")  # it is untrained, and may be worse than chance
def test_a_run_with_its_memory_and_its_best_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    config = Path("tiny.yaml")
    values = {"env": {"id": "CartPole-v1"}, "agent": TINY_PPO | {"core": "gru"}, "total_timesteps": 64}
    config.write_text(yaml.safe_dump(values | {"run": {"tracker": "none", "plots": False, "evaluation_episodes": 2}}))
    assert main(["train", str(config), "--run.folder", "run"]) == 0
    capsys.readouterr()
    record(capsys, "run", "--episodes", "3", "--seed", "5", "--output", "a.npz")
    record(capsys, "run", "--episodes", "3", "--seed", "5", "--output", "b.npz")
    a, b = load_demonstrations("a.npz", "CartPole-v1"), load_demonstrations("b.npz")
    assert np.array_equal(a.transitions.obs, b.transitions.obs) and a.about["expert"] == "ppo, run"
    record(
        capsys, "run", "--episodes", "3", "--seed", "5", "--stochastic", "--checkpoint", "newest", "--output", "c.npz"
    )
    assert len(load_demonstrations("c.npz")) == 3
    assert "a run has its own environment" in refused(capsys, "run", "--env", "CartPole-v1")
    assert "a run has its own environment" in refused(capsys, "run", "--env.gravity", "3")


@pytest.mark.filterwarnings("ignore")
def test_a_run_of_mujocos(capsys: pytest.CaptureFixture[str]) -> None:
    """One of its options has an array as its default, which no configuration holds."""
    pytest.importorskip("mujoco")
    run = {"tracker": "none", "plots": False, "evaluation_episodes": 1}
    values = {"env": {"id": "Hopper-v5"}, "agent": TINY_PPO, "total_timesteps": 32, "run": run}
    Path("tiny.yaml").write_text(yaml.safe_dump(values))
    assert main(["train", "tiny.yaml", "--run.folder", "run"]) == 0
    capsys.readouterr()
    record(capsys, "run", "--episodes", "2", "--stochastic", "--output", "a.npz")
    assert len(load_demonstrations("a.npz", "Hopper-v5")) == 2


def test_zips_of_ours_and_of_sb3(capsys: pytest.CaptureFixture[str]) -> None:
    stable_baselines3 = pytest.importorskip("stable_baselines3")
    PPO("CartPole-v1", num_envs=2, n_steps=8, batch_size=16).save("ours.zip")
    stable_baselines3.PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8).save("theirs.zip")
    for name in ("ours", "theirs"):
        with warnings.catch_warnings():  # untrained, they may be worse than chance
            warnings.simplefilter("ignore")
            record(capsys, f"{name}.zip", "--env", "CartPole-v1", "--episodes", "2", "--output", f"{name}.npz")
            found = load_demonstrations(f"{name}.npz", "CartPole-v1")
        assert found.about["expert"] == f"{name}.zip"
    assert "give --env ID" in refused(capsys, "theirs.zip")  # ours names where it acts
    Path("x.zip").write_bytes(b"PK")
    assert "x.zip" in refused(capsys, "x.zip", "--env", "CartPole-v1")


def test_an_expert_worse_than_chance_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(EXPERTS, "CartPole-v1", lambda: lambda obs: np.zeros(len(obs), int))
    with pytest.warns(UserWarning, match="the mean return of this expert is 9.*, that of a random policy 2"):
        record(capsys, "CartPole-v1", "--episodes", "3", "--output", "a.npz")
    with pytest.warns(UserWarning, match="as bad"):
        found = load_demonstrations("a.npz")
    assert found.returns.mean() < 20 and len(found.episodes) == 3


# ---------------------------------------------------------------------- a person
def test_a_person_by_keys_from_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    piped(monkeypatch, b"\x1b[C\x1b[C\x1b[D?" + b"0" * 20 + b"1" * 40)
    message = record(capsys, "CartPole-v1", "--keyboard", "--output", "me.npz")
    found = load_demonstrations("me.npz", "CartPole-v1")
    assert found.episodes[0].actions[:3].tolist() == [1, 1, 0] and found.about["expert"] == "a person"
    assert "left: 0, right: 1" in message and "'?' is not one of the keys" in message
    assert len(found) >= 2 and all(episode.terminated for episode in found.episodes)


def test_a_person_sees_text_where_there_is_some(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, b"2" * 100)
    message = record(capsys, "FrozenLake-v1", "--keyboard", "--episodes", "1", "--output", "ice.npz")
    assert "FFF" in message and len(load_demonstrations("ice.npz")) == 1


def test_a_person_sees_what_a_function_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind this id is a function, which says nothing of what the environment that it makes renders."""
    piped(monkeypatch, b"2" * 100)
    options = ("--env.env_id", "FrozenLake-v1", "--env.after", "freeze", "--env.horizon", "100")
    message = record(capsys, "lhy_rl/FixedHorizon-v0", "--keyboard", "--episodes", "1", "--output", "ice.npz", *options)
    assert "FFF" in message and len(load_demonstrations("ice.npz").transitions) == 100


def test_keys_of_ones_own_and_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    piped(monkeypatch, b"aaa\x7f" + b"d" * 30)
    options = ("--keys", "a=0,d=1", "--episodes", "1", "--output", "me.npz")
    message = record(capsys, "CartPole-v1", "--keyboard", *options)
    assert "is restarted" in message and set(load_demonstrations("me.npz").transitions.actions) == {1}


def test_a_person_who_leaves_too_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"01q")
    with pytest.raises(UserError, match="before its first episode was complete"):
        demonstrate(RecordOptions("CartPole-v1", keyboard=True), say=lambda line: None)


def test_a_person_at_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame.init()
    pygame.display.set_mode((10, 10))
    for key in (pygame.K_LEFT, pygame.K_RETURN, pygame.K_1, pygame.K_ESCAPE):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert list(keyboard.window_keys()) == ["left", "enter", "1", "esc"]
    pygame.quit()


def test_a_person_at_a_terminal() -> None:
    ours, theirs = os.openpty()
    with keyboard.typed_keys(theirs) as keys:  # what was typed before is thrown away
        os.write(ours, b"d\x1b[A \x1b[B\x04")
        assert list(keys) == ["d", "up", "space", "down"]


@pytest.mark.parametrize(
    ("env_id", "bound"),
    [
        ("MountainCar-v0", {"0": 0, "1": 1, "2": 2, "left": 0, "down": 1, "right": 2}),
        ("CliffWalking-v1", {"0": 0, "1": 1, "2": 2, "3": 3, "up": 0, "right": 1, "down": 2, "left": 3}),
        ("Taxi-v4", {str(i): i for i in range(6)}),
    ],
)
def test_keys_that_are_plain(env_id: str, bound: dict[str, int]) -> None:
    assert keyboard.bindings(gymnasium.make(env_id)) == bound


def test_keys_that_cannot_be() -> None:
    env = gymnasium.make("CartPole-v1")
    for text in ("a", "a=2", "a=x", "=1", ""):
        with pytest.raises(UserError, match="KEY=ACTION"):
            keyboard.bindings(env, text)
    with pytest.raises(UserError, match="Discrete"):
        keyboard.bindings(gymnasium.make("Pendulum-v1"))


# ---------------------------------------------------------------------- where it is written
def test_places(capsys: pytest.CaptureFixture[str]) -> None:
    few = ("CartPole-v1", "--random", "--episodes", "2", "--seed")
    assert "demonstrations/CartPole-v1-random.npz" in record(capsys, *few, "0")
    assert "demonstrations/CartPole-v1-random-2.npz" in record(capsys, *few, "1")
    assert "use it  --agent.demonstrations test/x-v0" in record(capsys, *few, "1", "--output", "test/x-v0")
    for seed in ("1", "2"):
        assert "--agent.demonstrations more\n" in record(capsys, *few, seed, "--output", "more")
    assert len(load_demonstrations("more", "CartPole-v1")) == 4
    assert len(load_demonstrations("test/x-v0", "CartPole-v1")) == 2
    for there in ("test/x-v0", "demonstrations/CartPole-v1-random.npz"):
        assert "exists already" in refused(capsys, *few, "1", "--output", there)
    assert destination(None, RecordOptions("lhy_rl/Catch-v0")) == "demonstrations/lhy_rl-Catch-v0-expert.npz"


@pytest.mark.filterwarnings("ignore")
def test_ctrl_c_keeps_whole_episodes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    calls = []

    def expert() -> Any:
        def act(obs: np.ndarray) -> np.ndarray:
            calls.append(0)
            if len(calls) == 30:
                raise KeyboardInterrupt
            return np.zeros(len(obs), int)

        return act

    monkeypatch.setitem(EXPERTS, "CartPole-v1", expert)
    assert main(["record", "CartPole-v1", "--episodes", "500", "--output", "a.npz"]) == 130
    assert "interrupted; the episodes recorded so far are written" in capsys.readouterr().err
    assert 8 <= len(load_demonstrations("a.npz")) < 500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "neither a run folder, nor a zip, nor an environment"),
        (("Acrobot-v1",), "has no expert of its own"),
        (("no.zip", "--env", "CartPole-v1"), "no file"),
        (("CartPole-v1", "--env", "CartPole-v1"), "--env is for a zip"),
        (("CartPole-v1", "--episodes", "0"), "--episodes is 0"),
        (("CartPole-v1", "--seed", "-1"), "--seed is -1"),
        (("CartPole-v1", "--noise", "2"), "--noise is 2.0"),
        (("CartPole-v1", "--random", "--keyboard"), "not allowed with"),
        (("CartPole-v1", "--keys", "a=0"), "--keys needs --keyboard"),
        (("Pendulum-v1", "--keyboard"), "Discrete"),
        (("CartPole-v1", "--keyboard", "--noise", "0.1"), "--noise and --keyboard exclude each other"),
        (("CartPole-v1", "--env.gravity"), "needs a value"),
        (("CartPole-v1", "--output", ""), "--output is empty"),
        ((), "required"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in refused(capsys, *arguments)


def test_returns_that_nobody_reaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "CartPole-v1", "--random", "--min-return", "501"]) == 2
    assert "0 of 100 episodes reached min_return, 501; lower it" in capsys.readouterr().err


def test_an_empty_folder_is_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder").mkdir()
    assert "is not a run" in refused(capsys, "folder")
