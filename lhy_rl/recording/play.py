"""A run's policy at play: in a window, as text, or in a film that says who acts and how it is going."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.experiment.config import Config, environment_options
from lhy_rl.experiment.run import Run
from lhy_rl.recording import frames, video

NO_SCREEN = "dummy,offscreen"  # of SDL's drivers, as we ask for them; a person who names one alone wants a window
PATIENCE = 2.0  # seconds without a progress bar
LAST = 0.6  # seconds that an episode's last frame of a film is shown


@dataclass(frozen=True)
class Episode:
    """What an episode came to."""

    reward: float
    length: int


def play(
    run: Run,
    episodes: int = 1,
    output: Path | None = None,
    seed: int = 0,
    stochastic: bool = False,
    say: Callable[[str], None] = print,
) -> list[Episode]:
    """Play episodes for somebody to see.

    Args:
        run: As :func:`lhy_rl.experiment.run.load` gives it.
        output: A film, ``.gif`` or ``.mp4``; None opens a window or, where the environment draws none, prints text.
        seed: Same seed, same episodes.
        stochastic: Draw the actions instead of taking the most probable ones.
        say: Takes lines for the reader.

    Raises:
        UserError: an environment that cannot be shown like that.
    """
    if output is not None:
        video.check(output)
    env = make_environment(run.config, output is not None)
    run.agent.predict_generator.manual_seed(seed)
    name = run.evaluator.newest
    fps = float(env.metadata.get("render_fps") or 30)
    showing = video.film(output, fps) if output is not None else nullcontext(None)
    played: list[Episode] = []
    lines: list[str] = []  # they wait until the bar is gone
    try:
        with showing as made, bar(episodes, made is not None) as tell:

            def show(step: int, total: float, last: bool) -> None:
                if made is not None:
                    held = max(1, round(LAST * fps)) if last else 1
                    made.add(lambda: frames.frame(frames.render(env), name, step, total), held)
                elif env.render_mode == "ansi":
                    text = str(env.render())
                    say(text + "\n" if "\n" in text else text)

            for number in range(episodes):
                played.append(episode(run.agent, env, seed + number, stochastic, show, tell))
                line = f"episode {number + 1}: return {played[-1].reward:g}, {played[-1].length} steps"
                (say if made is None else lines.append)(line)
    finally:
        env.close()
    for line in lines:
        say(line)
    if episodes > 1:
        say(f"mean: return {np.mean([e.reward for e in played]):g}, {np.mean([e.length for e in played]):g} steps")
    if made is not None and output is not None:
        say(f"written {output}: {made.frames} frames, {made.seconds:.1f} s, {output.stat().st_size / 1000:,.0f} kB")
    return played


def episode(
    agent: Any,
    env: gymnasium.Env[Any, Any],
    seed: int,
    stochastic: bool,
    show: Callable[[int, float, bool], None],
    tell: Callable[[int], None] = lambda step: None,
) -> Episode:
    """Play one episode.

    Args:
        show: Told of the beginning and of every step: its number, the return so far, whether the episode is over.
        tell: Told of the number of every step, and of the episode's end with 0.
    """
    obs, info = env.reset(seed=seed)
    state, total, length, over = None, 0.0, 0, False
    show(0, 0.0, False)
    while not over:
        action, state = agent.predict(obs, state, deterministic=not stochastic, action_masks=info.get("action_mask"))
        obs, reward, terminated, truncated, info = env.step(action)
        total, length, over = total + float(reward), length + 1, terminated or truncated
        show(length, total, over)
        tell(length)
    tell(0)
    return Episode(total, length)


def make_environment(config: Config, filmed: bool) -> gymnasium.Env[Any, Any]:
    """One instance of the run's environment, in the render mode to show it in.

    Raises:
        UserError: it has none that would do, or there is no screen for its window.
    """
    env_id, options = config.values["env"]["id"], environment_options(config)
    without_a_screen()
    return gymnasium.make(env_id, render_mode=choose_mode(env_id, render_modes(env_id, options), filmed), **options)


def render_modes(env_id: str, options: dict[str, Any]) -> list[str]:
    """What an environment renders in. It is made and asked: behind an id may be a function, or a wrapper around it."""
    env = gymnasium.make(env_id, **options)
    try:
        return list(env.metadata.get("render_modes") or [])
    finally:
        env.close()


def without_a_screen() -> None:
    """Where there is none, let what draws do so without: pygame without its greeting and errors, MuJoCo with EGL."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        os.environ.setdefault("MUJOCO_GL", "egl")
        os.environ.setdefault("SDL_VIDEODRIVER", NO_SCREEN)


def choose_mode(env_id: str, modes: list[str], filmed: bool) -> str:
    """The render mode for a film, or else for a window, or else for text; of what is only text, text is filmed."""
    has = f"{env_id} renders {', '.join(modes) or 'nothing'}"
    if filmed:
        for mode in ("rgb_array", "ansi"):
            if mode in modes:
                return mode
        raise UserError(f"{has}, no pictures; a film needs rgb_array or ansi")
    window = "human" in modes or "rgb_array" in modes  # Gymnasium shows an rgb_array in a window, too
    if window and "human" in modes and has_screen():
        return "human"
    if "ansi" in modes:
        return "ansi"
    if window and not has_screen():
        raise UserError(f"there is no screen here to show {env_id} on; --output film.gif makes a film")
    if window:
        return "human"
    raise UserError(f"{has}; to be shown it needs human, rgb_array or ansi")


def has_screen() -> bool:
    """Whether a window would be seen; elsewhere than on Linux there is always one."""
    given = [os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")]
    return any(name not in (None, "", NO_SCREEN) for name in given) or not sys.platform.startswith("linux")


@contextmanager
def bar(episodes: int, wanted: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, once it takes longer than a moment.

    It is told of every step with the episode's number of steps, and of an episode's end with 0.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    steps = TextColumn("episodes, step {task.fields[step]}")
    columns = (TextColumn("[bold]playing"), BarColumn(20), MofNCompleteColumn(), steps, TimeElapsedColumn())
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    task, begun = shown.add_task("", total=episodes, step=0), time.monotonic()

    def tell(step: int) -> None:
        if wanted and not shown.live.is_started and time.monotonic() - begun > PATIENCE:
            shown.start()
        shown.update(task, advance=not step, step=step)

    try:
        yield tell
    finally:
        shown.stop()
