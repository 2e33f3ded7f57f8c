"""`lhy-rl play`: films that are whole, windows, text; and one line for what cannot be shown."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml

from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.envs.registration import TABLE, WRAPPED, Row
from lhy_rl.experiment import config
from lhy_rl.experiment.run import Run
from lhy_rl.recording import film, rendering
from lhy_rl.recording.play import play as play_run
from lhy_rl.recording.rendering import choose_mode
from tests.graphics import needs_mujoco

PPO: dict[str, Any] = {"name": "ppo", "num_envs": 2, "n_steps": 8, "batch_size": 16, "embedding_size": 8}


class Slides(gymnasium.Env[Any, Any]):
    """Four steps an episode; the picture is as bright as the step is late. Only action 1 is legal."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}
    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)
    breaks = 0

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {"action_mask": np.array([0, 1])}

    def step(self, action: Any) -> Any:
        assert action == 1
        self.t += 1
        return np.zeros(2, np.float32), 1.5, self.t == 4, False, {"action_mask": np.array([0, 1])}

    def render(self) -> Any:
        if self.t == Slides.breaks != 0:
            raise RuntimeError("the projector broke")
        return np.full((33, 47, 3), 50 * self.t, np.uint8)


class Dark(Slides):
    """Renders nothing."""

    metadata: dict[str, Any] = {"render_modes": []}


@pytest.fixture
def trained(tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Trains a tiny run in the folder ``run``."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    gymnasium.register("tests/Slides-v0", entry_point=Slides)
    gymnasium.register("tests/Dark-v0", entry_point=Dark)

    def train(env: dict[str, Any], agent: dict[str, Any] | None = None, **run: Any) -> None:
        path = tiny(agent=agent or PPO, total_timesteps=32, run={"evaluation_episodes": 2, **run})
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": env}))
        assert main(["train", str(path), "--run.folder", "run"]) == 0

    yield train
    Slides.breaks = 0
    del gymnasium.registry["tests/Slides-v0"], gymnasium.registry["tests/Dark-v0"]


def play(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    capsys.readouterr()
    assert main(["play", "run", *arguments]) == status
    out, err = capsys.readouterr()
    return out if status == 0 else err


def without_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation plays without masks; here it is not what is tested."""
    monkeypatch.setattr(Slides, "step", lambda self, action, step=Slides.step: step(self, 1))


def test_contract_a_gif_shows_every_step(
    trained: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    with monkeypatch.context() as patched:
        without_masks(patched)
        trained({"id": "tests/Slides-v0"})
    out = play(capsys, "--output", "film.gif", "--episodes", "2")
    assert out.splitlines()[:3] == [
        "episode 1: return 6, 4 steps",
        "episode 2: return 6, 4 steps",
        "mean: return 6, 4 steps",
    ]
    assert re.search(r"written film\.gif: 10 frames, 2\.8 s, \d+ kB", out)
    with Image.open("film.gif") as film:
        assert film.size == (6 * 47, 6 * 33 + 2 * 11), "enlarged, and a caption below"
        observed, durations = [], []
        for frame in range(film.n_frames):
            film.seek(frame)
            observed.append(film.convert("RGB").getpixel((3, 3))[0])
            durations.append(film.info["duration"])
    assert observed == [0, 50, 100, 150, 200] * 2
    assert durations == [200, 200, 200, 200, 600] * 2
    assert not list(Path().glob(".*tmp*"))


def test_contract_an_mp4_shows_every_step(
    trained: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    with monkeypatch.context() as patched:
        without_masks(patched)
        trained({"id": "tests/Slides-v0"})
    play(capsys, "--output", "film.mp4")
    frames_shown = imageio_ffmpeg.read_frames("film.mp4")
    about = next(frames_shown)
    assert about["fps"] == 5
    assert about["size"] == (282, 220), "even sides, as H.264 wants them"
    middle = [frame[len(frame) // 3] for frame in frames_shown]
    np.testing.assert_allclose(middle, [0, 50, 100, 150, 200, 200, 200], atol=6)


def test_contract_a_film_is_there_whole_or_not_at_all(
    trained: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        without_masks(patched)
        trained({"id": "tests/Slides-v0"})
    Slides.breaks = 3
    for name in ("film.gif", "film.mp4"):
        Path(name).write_text("old")
        with pytest.raises(RuntimeError, match="the projector broke"):
            main(["play", "run", "--output", name])
        assert Path(name).read_text() == "old"
    assert not list(Path().glob(".*tmp*"))


def test_contract_an_mp4_names_the_package_it_lacks(
    trained: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    trained({"id": "lhy_rl/Catch-v0"})
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    message = play(capsys, "--output", "a.mp4", status=2)
    assert (
        "needs moviepy; " in message
        and "pip install 'gymnasium[classic-control]" in message
        and "or write a .gif" in message
    )
    play(capsys, "--output", "a.gif")


GRU = {**PPO, "core": "gru", "hidden_size": 8}
LSTM = {"name": "reinforce", "num_envs": 2, "core": "lstm", "hidden_size": 8}


@pytest.mark.parametrize(
    ("agent", "env"), [(GRU, "RepeatPrevious"), (LSTM, "Reverse"), (GRU, "Copy"), (LSTM, "Copy"), (GRU, "Catch")]
)
def test_contract_memory_tasks_are_printed_or_filmed(
    agent: dict[str, Any], env: str, trained: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    trained({"id": f"lhy_rl/{env}-v0"}, agent)
    out = play(capsys)
    steps = int(re.search(r"episode 1: return \S+, (\d+) steps\n$", out)[1])  # type: ignore[index]
    assert len(out.splitlines()) > steps
    assert play(capsys, "--stochastic", "--seed", "3") == play(capsys, "--stochastic", "--seed", "3")
    play(capsys, "--output", "film.gif")
    assert Path("film.gif").stat().st_size > 500


def run_in(env: dict[str, Any], tiny: Callable[..., Path]) -> Run:
    """An untrained run in an environment."""
    agent = {"name": "reinforce", "num_envs": 1, "core": None} if "Text" in env["id"] else PPO
    path = tiny(agent=agent)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": env}))
    return Run(config.load(str(path)))


@pytest.mark.parametrize("row", TABLE + WRAPPED, ids=lambda row: row.id)
def test_contract_each_of_ours_is_filmed(row: Row, tiny: Callable[..., Path]) -> None:
    """Whatever stands behind its id: a class, a function that makes a wrapper, a task of text."""
    from PIL import Image

    small = {**row.small, "horizon": 9} if row.id == "lhy_rl/FixedHorizon-v0" else row.small
    if row.id == "lhy_rl/MujocoViews-v0":
        needs_mujoco()
    run = run_in({"id": row.id, **small}, tiny)
    (episode,) = play_run(run.agent, run.config, output=Path("film.gif"), say=lambda line: None)
    with Image.open("film.gif") as film:
        assert 1 < film.n_frames <= episode.length + 1  # GIFs leave out what looks the same
        assert film.width >= rendering.LEAST


@pytest.mark.parametrize(
    "env_id", ["CartPole-v1", "LunarLander-v3", "FrozenLake-v1", "minigrid:MiniGrid-Empty-5x5-v0", "Hopper-v5"]
)
def test_contract_others_environments_are_filmed(
    env_id: str, tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("pygame", "Box2D", "minigrid", "mujoco"):
        pytest.importorskip(package)
    monkeypatch.setattr(film, "MOST", 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nobody reads Minigrid's texts
        run = run_in({"id": env_id}, tiny)
    try:
        made = film.clip_of(run.agent, run.config)
    except Exception as error:
        if env_id == "Hopper-v5":
            pytest.skip(f"this machine cannot draw MuJoCo: {error}")
        raise
    assert 2 <= made.frames <= 6
    assert len(np.unique(made.images[0])) > 3


def test_contract_behind_the_fall_the_film_goes_on(tiny: Callable[..., Path]) -> None:
    """The cart runs out of the picture, and soon further off than pygame has numbers for."""
    pytest.importorskip("pygame")
    env = gymnasium.make("lhy_rl/FixedHorizon-v0", render_mode="rgb_array")
    env.reset(seed=0)
    env.render()
    for _ in range(500):
        env.step(1)
    assert np.shape(env.render()) == (400, 600, 3)


def test_contract_sentences_are_printed_and_filmed(
    trained: Callable[..., None], tiny: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(tiny(total_timesteps=500)), "--run.folder", "run"]) == 0
    assert "5 steps" in play(capsys)
    assert "6 frames" in play(capsys, "--output", "film.gif")


def test_contract_a_caption_says_who_acts_and_how_it_is_going() -> None:
    plain = np.zeros((300, 400, 3), np.uint8)
    frames_shown = rendering.frame(plain, "ppo", 12, -3.5)
    assert frames_shown.shape == (332, 400, 3) and not frames_shown[:300].any()
    parts = {name: frames_shown[300:, place] for name, place in (("name", slice(0, 160)), ("facts", slice(168, 400)))}
    other = rendering.frame(plain, "a2c", 12, -3.5)[300:]
    assert (other[:, :160] != parts["name"]).any() and (other[:, 168:] == parts["facts"]).all()
    for step, total in ((13, -3.5), (12, -4.5)):
        changed = rendering.frame(plain, "ppo", step, total)[300:]
        assert (changed[:, :160] == parts["name"]).all() and (changed[:, 168:] != parts["facts"]).any()
    assert rendering.frame(plain, "a very long name of a policy", 0, 0.0)[300:, 160:168].max() < 30, (
        "cut, not overlapping"
    )


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("'NoneType' object has no attribute 'glGetError'"),
        RuntimeError("Cannot initialize a EGL device display"),
        type("FatalError", (RuntimeError,), {"__module__": "mujoco"})("a valid context has not been created"),
    ],
)
def test_contract_without_a_graphics_library_one_line_says_what_to_install(error: Exception) -> None:
    class Broken:
        def render(self) -> None:
            raise error

    with pytest.raises(UserError, match=r"no graphics library to render with .* install libegl1, or set MUJOCO_GL"):
        rendering.render(Broken())


def test_contract_a_clip_is_evenly_spaced_and_never_too_long() -> None:
    made = film.Clip(fps=50)
    for step in range(501):
        made.add(lambda step=step: np.full((2, 2, 3), step % 256, np.uint8), 2 if step == 500 else 1)
    steps = [int(image[0, 0, 0]) for image in made.images]
    assert len(steps) <= film.MOST + 1
    assert steps[:-1] == [8 * i % 256 for i in range(len(steps) - 1)] and steps[-1] == 500 % 256
    slow = film.Clip(fps=4)  # every step counts: the first hundred, and the end
    for step in range(300):
        slow.add(lambda step=step: np.full((2, 2, 3), step % 256, np.uint8), 2 if step == 299 else 1)
    assert [int(image[0, 0, 0]) for image in slow.images] == [*range(film.MOST + 1), 299 % 256]
    assert len(slow.gif()) < film.BYTES and slow.seconds <= film.LONGEST + 2


def test_contract_a_window_opens_and_statistics_are_used(
    trained: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pygame")
    env = {"id": "CartPole-v1", "max_episode_steps": 12}
    trained(env, {**PPO, "normalize_observations": True}, evaluation_interval=1)
    observed: list[Any] = []
    from lhy_rl.agents import PPO as Agent

    predict = Agent.observe

    def watched(self: Any, observation: Any) -> Any:
        observed.append((observation, predict(self, observation)))
        return observed[-1][1]

    with monkeypatch.context() as patched:
        patched.setattr(Agent, "observe", watched)
        assert "episode 1: return" in play(capsys, "--checkpoint", "best")
    assert all(not np.allclose(raw, read) for raw, read in observed)
    monkeypatch.delenv("SDL_VIDEODRIVER")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    err = play(capsys, status=2)
    assert "there is no screen here to show CartPole-v1 on; --output film.gif makes a film" in err


def test_contract_what_cannot_be_shown_is_one_line(
    trained: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_masks(monkeypatch)
    trained({"id": "tests/Dark-v0"})
    Path("folder.gif").mkdir()
    for arguments, message in (
        ("", "tests/Dark-v0 renders nothing; a window or text needs human, rgb_array or ansi"),
        ("--output a.gif", "tests/Dark-v0 renders nothing, no pictures; a film needs rgb_array or ansi"),
        ("--output a.avi", "'a.avi' ends in .avi; allowed: .gif, .mp4"),
        ("--output film", "'film' ends in nothing; allowed: .gif, .mp4"),
        ("--output folder.gif", "'folder.gif' is a folder"),
        ("--output none/a.gif", "no folder 'none' for a.gif; make it first"),
        ("--episodes 0", "--episodes is 0; it must be at least 1"),
        ("--seed -1", "--seed is -1; it must be at least 0"),
        ("--checkpoint best", "has no best checkpoint yet"),
    ):
        err = play(capsys, *arguments.split(), status=2)
        assert message in err
        assert err.count("\n") == 1
    assert not list(Path().glob("*.gif/*")) and not list(Path().glob("a.*"))
    shutil.rmtree("run")
    assert "no run folder 'run'" in play(capsys, status=2)


@pytest.mark.parametrize(
    ("modes", "filmed", "screen", "chosen"),
    [
        (["human", "rgb_array"], True, False, "rgb_array"),
        (["ansi"], True, False, "ansi"),
        (["human", "rgb_array"], False, True, "human"),
        (["human", "ansi", "rgb_array"], False, True, "human"),
        (["human", "ansi", "rgb_array"], False, False, "ansi"),
        (["ansi", "rgb_array"], False, True, "ansi"),
        (["ansi"], False, True, "ansi"),
        (["rgb_array"], False, True, "human"),
    ],
)
def test_contract_the_render_mode(
    modes: list[str], filmed: bool, screen: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lhy_rl.recording.rendering.has_screen", lambda: screen)
    assert choose_mode("x", modes, filmed) == chosen


def test_contract_pygame_draws_without_a_screen_and_without_an_error_line() -> None:
    """SDL looks for a screen where none is named, and prints an "error:" that is none."""
    pytest.importorskip("pygame")
    program = (
        "import gymnasium\nfrom lhy_rl.recording import rendering\n"
        "rendering.without_a_screen()\nassert not rendering.has_screen()\n"
        "env = gymnasium.make('CartPole-v1', render_mode='rgb_array')\nenv.reset()\nenv.render()"
    )
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "XDG_RUNTIME_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
