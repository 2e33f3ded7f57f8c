"""Shared parts of the commands: names, parsers, consoles, and loading a trained run."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lhy_rl.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from lhy_rl.experiment.run import Run

COMMANDS = {
    "list": "list configurations, agents, environments, and their parts",
    "train": "train an agent from a configuration",
    "resume": "continue a run that was stopped or killed",
    "evaluate": "measure a run's policies again",
    "sample": "let a run's policy write sentences",
    "play": "show a run's policy at play: in a window, as text or in a film",
    "record": "record demonstrations of a run, an expert, a person at the keyboard or a random policy",
    "report": "draw a run's plots and write its report.html",
    "diagnose": "measure a run's loss: curvature, gradient noise, landscape, layers, memorization",
    "benchmark": "train configurations over several seeds and compare them",
    "search": "look for the best hyperparameters, in a table of results or with a function of your own",
    "sweep": "tune a configuration's agent, and write the best configuration",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def parser(command: str, example: str) -> Parser:
    """A command's parser, with an example below its help."""
    return Parser(
        prog=f"lhy-rl {command}",
        description=COMMANDS[command][0].upper() + COMMANDS[command][1:] + ".",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def whole(text: str) -> int:
    """A whole number as people type it: 200000, 200_000 or 2e5."""
    number = int(text) if text.strip("+-").replace("_", "").isdecimal() else float(text)
    if number != number // 1 or not abs(number) < 2**63:  # torch and numpy keep it in 64 bits
        raise ValueError(text)
    return int(number)


whole.__name__ = "whole number"  # argparse says "invalid whole number value"


def run_parser(command: str, example: str, checkpoint: bool = True, files: bool = False) -> Parser:
    """A parser with RUN and the choice of a checkpoint; with ``files`` RUN may be the file of an agent."""
    made = parser(command, example)
    what = "a run folder, for example runs/seqgan-chat"
    if files:
        what += "; or a file that agent.save wrote in Python"
        made.add_argument(
            "--env", dest="env_id", metavar="ID", help="environment of a file's agent (default: as saved)"
        )
    made.add_argument("run", metavar="RUN", type=Path, help=what)
    if checkpoint:
        made.add_argument(
            "--checkpoint", choices=["newest", "best"], default="newest", help="which checkpoint (default: newest)"
        )
    return made


def check_least(options: argparse.Namespace, **least: int) -> None:
    """Refuse an option that was given and is smaller than it may be."""
    for name, smallest in least.items():
        if (value := getattr(options, name)) is not None and value < smallest:
            raise UserError(f"--{name} is {value}; it must be at least {smallest}")


def table(rows: list[tuple[str, str]]) -> str:
    """Names and summaries side by side; on a terminal long summaries are wrapped."""
    width = max((len(name) for name, _ in rows), default=0)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    return "\n".join(
        textwrap.fill(
            summary,
            max(columns, width + 40),
            initial_indent=f"  {name:{width}}  ",
            subsequent_indent=" " * (width + 4),
            break_long_words=False,
            break_on_hyphens=False,
        )
        or f"  {name}"
        for name, summary in rows
    )


@contextmanager
def starting(name: str) -> Iterator[None]:
    """Show a line on the terminal while torch is imported and a run is built, which takes a few seconds.

    It is erased afterwards, also before an error's line; if the output is no terminal nothing is shown.

    Args:
        name: What is being started: ``ppo/cartpole``.
    """
    line = f"{name}: starting ..."
    on_terminal = sys.stderr.isatty()
    if on_terminal:
        print(line, end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if on_terminal:
            print(" " * len(line), end="\r", file=sys.stderr, flush=True)


def loaded(place: Path, checkpoint: str = "newest", env_id: str | None = None) -> Run:
    """Load a run from a checkpoint, or the agent of a file as a run."""
    with starting(str(place)):
        from lhy_rl.experiment.start_run import load

        return load(place, checkpoint, error_console(), env_id)


def error_console() -> Console:
    """Return the console for progress and notes."""
    from rich.console import Console

    return Console(stderr=True)


def output_console() -> Console:
    """Return the console for results, which is as wide as needed where no terminal sets a width."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=180)
