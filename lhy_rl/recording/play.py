"""Watch a run's policy play: in a window, as text, or in a film with a caption of the policy, step and return."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from lhy_rl.experiment.config import Config
from lhy_rl.recording import film, rendering
from lhy_rl.rollouts.evaluate_policy import Episode, play_episode

PATIENCE = 2.0  # seconds before a progress bar is shown
LAST = 0.6  # seconds that an episode's last frame of a film is shown


def play(
    agent: Any,
    config: Config,
    episodes: int = 1,
    output: Path | None = None,
    seed: int = 0,
    stochastic: bool = False,
    say: Callable[[str], None] = print,
) -> list[Episode]:
    """Show episodes of an agent.

    Args:
        agent: The agent; its newest policy acts.
        config: Its environment is the one to play in.
        output: A film, ``.gif`` or ``.mp4``; None opens a window or, where the environment draws none, prints text.
        seed: The same seed gives the same episodes.
        stochastic: Sample the actions instead of taking the most probable ones.
        say: Prints a line for the reader.

    Raises:
        UserError: the environment cannot be shown in this way.
    """
    if output is not None:
        film.check(output)
    env = rendering.make_environment(config, output is not None)
    agent.predict_generator.manual_seed(seed)
    name = str(list(agent.policies)[-1])
    fps = float(env.metadata.get("render_fps") or 30)
    opened = film.film(output, fps) if output is not None else nullcontext(None)
    played: list[Episode] = []
    lines: list[str] = []  # printed after the bar is erased
    try:
        with opened as made, bar(episodes, made is not None) as advance:

            def show(step: int, total: float, over: bool) -> None:
                if step:
                    advance(step)
                if made is not None:
                    held = max(1, round(LAST * fps)) if over else 1
                    made.add(lambda: rendering.frame(rendering.render(env), name, step, total), held)
                elif env.render_mode == "ansi":
                    text = str(env.render())
                    say(text + "\n" if "\n" in text else text)

            for number in range(episodes):
                played.append(play_episode(agent, env, seed + number, stochastic, show))
                advance(0)
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


@contextmanager
def bar(episodes: int, wanted: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, once it takes longer than a moment.

    It is called with the number of every step, and with 0 at the end of an episode.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    steps = TextColumn("episodes, step {task.fields[step]}")
    columns = (TextColumn("[bold]playing"), BarColumn(20), MofNCompleteColumn(), steps, TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task, begun = progress.add_task("", total=episodes, step=0), time.monotonic()

    def advance(step: int) -> None:
        if wanted and not progress.live.is_started and time.monotonic() - begun > PATIENCE:
            progress.start()
        progress.update(task, advance=not step, step=step)

    try:
        yield advance
    finally:
        progress.stop()
