"""One training run: train, evaluate, log, and save checkpoints from which a killed run is resumed.

Everything that future updates depend on is in a checkpoint: the agent's ``state_dict`` and a few numbers of the run
itself. So a run that was killed and resumed gives the same parameters and the same rows as an uninterrupted one.
"""

from __future__ import annotations

import functools
import importlib.util
import platform
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

import lhy_rl
from lhy_rl.agents.common import saved
from lhy_rl.agents.common.agent import Agent
from lhy_rl.agents.common.progress import ProgressDisplay
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, brief, pip_install
from lhy_rl.core.saved_states import check_like, fitting
from lhy_rl.experiment import build, game_evaluation, tracking
from lhy_rl.experiment.config import Config
from lhy_rl.experiment.evaluation import Evaluator, references
from lhy_rl.experiment.run_folder import Checkpoints, RunFolder
from lhy_rl.experiment.schema import RunOptions
from lhy_rl.experiment.tracking import MetricsFile

FORMAT = 1  # version of the run's part of a checkpoint
Report = Callable[["Run", dict[str, Any]], object]
"""Writes a report of a run and its result."""


class Interrupted(Exception):
    """A signal stopped the run after an update; its checkpoint is written.

    Attributes:
        signal: The signal's number.
        folder: The run folder.
    """

    def __init__(self, number: int, path: Path) -> None:
        super().__init__(f"interrupted; continue with: lhy-rl resume {path}")
        self.signal = number
        self.folder = path


class Run:
    """An agent in its environment under a configuration.

    Args:
        config: Complete configuration.
        console: For progress and notes; standard error where left out.
        agent: One that was trained elsewhere, in its own environment; None makes the configuration's.

    Raises:
        UserError: the environment or the agent refuses an option.
    """

    def __init__(self, config: Config, console: Console | None = None, agent: Agent | None = None) -> None:
        self.config = config
        self.console = console or Console(stderr=True)
        self.options = RunOptions(**config.section("run"))
        self.env: Any = build.make_environment(config) if agent is None else agent.env
        self.agent: Any = build.make_agent(config, self.env) if agent is None else agent
        make_env = functools.partial(build.make_environment, config, num_envs=min(8, self.options.evaluation_episodes))
        held_out = build.held_out(config)
        self.evaluator = Evaluator(
            self.agent,
            self.env,
            make_env,
            functools.partial(make_env, **held_out) if held_out else None,
            self.options.evaluation_sentences,
            self.options.evaluation_episodes,
            self.options.samples,
        )
        self.path: Path | None = None
        self.best: float | None = None  # selection value of the best checkpoint
        self.elapsed = 0.0  # seconds of training before this process
        self.trained = 0.0  # seconds of training in the newest checkpoint
        self.tracker_id = uuid.uuid4().hex[:8]
        self.before: list[str] = []  # sentences of the untrained policy
        self.started = self.saved = time.monotonic()
        self.stopped_by: int | None = None
        self.metrics = MetricsFile(Path("metrics.csv"))

    @property
    def folder(self) -> Path:
        """The run folder, once it exists."""
        assert self.path is not None
        return self.path

    def __repr__(self) -> str:
        return f"<Run {self._headline()}>"

    def check(self) -> None:
        """Check before training that the evaluation and the report can succeed after it.

        Raises:
            UserError: too little text for the evaluation, or a package that the report needs is missing.
        """
        self.evaluator.check()
        if self.options.plots:
            for package in ("jinja2", "matplotlib"):
                if importlib.util.find_spec(package) is None:
                    install = pip_install(package)
                    raise UserError(f"the report needs {package}: {install}, or go without: --run.plots false")

    # --- contents of a checkpoint ---

    def begin(self) -> None:
        """Draw sentences of the untrained policy, before the first update."""
        self.before = self.evaluator.sentences_now()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run needs."""
        return {
            "format": FORMAT,
            "versions": versions(),
            "about": saved.about(self.agent),
            "agent": self.agent.state_dict(),
            "metrics": self.metrics.state_dict(),
            "best": self.best,
            "seconds": self.seconds,
            "tracker_id": self.tracker_id,
            "before": self.before,
        }

    def load(self, place: RunFolder, which: str = "newest", to_train: bool = True) -> None:
        """Load a checkpoint of the run folder; if there is none, the run starts from the beginning.

        Args:
            to_train: Drop the rows of ``metrics.csv`` that come after the checkpoint, and rename damaged checkpoints.
        """
        tree = Checkpoints(place.checkpoints).load(which, self.note, set_aside=to_train)
        self.path = place.path
        self.metrics = MetricsFile(place.metrics_file)
        if tree is None:
            self.begin()
            if to_train:
                self.metrics.load_state_dict({"columns": [], "rows": 0})
            return
        if not isinstance(tree.get("format"), int) or tree["format"] != FORMAT:
            found = brief(tree.get("format"))
            raise UserError(f"the checkpoint of {str(place.path)!r} has format {found}, not {FORMAT}")
        with fitting(f"the checkpoint of {str(place.path)!r} does not fit its configuration"):
            own = {name: value for name, value in self.state_dict().items() if name != "about"}  # older ones lack it
            check_like(tree, {**own, "agent": {}, "best": None, "versions": {}})
            made_by = ", ".join(f"{name} {version}" for name, version in tree["versions"].items())
            best, before = tree["best"], [str(sentence) for sentence in tree["before"]]
            self.best = None if best is None else float(best)
            try:
                self.agent.load_state_dict(tree["agent"])
            except UserError as error:
                raise UserError(f"{error}; the checkpoint was made by {made_by}") from error
            if to_train:
                self.metrics.load_state_dict(tree["metrics"])
        self.trained = self.elapsed = tree["seconds"]
        self.tracker_id, self.before = tree["tracker_id"], before

    # --- training ---

    @property
    def seconds(self) -> float:
        """Seconds of training, in all processes of this run."""
        return self.elapsed + time.monotonic() - self.started

    def train(self, place: RunFolder, report: Report | None = None) -> None:
        """Train to the end and write everything into the run folder.

        Args:
            report: Writes the report from the run and its result, if the configuration asks for one.
        """
        self.path = place.path
        self.metrics.path = place.metrics_file
        self.checkpoints = Checkpoints(place.checkpoints, self.options.keep_checkpoints)
        with place.locked():
            self.note(self._headline())
            self.checkpoints.clean()
            self.tracker = tracking.make_tracker(
                self.options, place.path, self.config.values, self.tracker_id, self.agent.num_updates
            )
            try:
                with ProgressDisplay(self.console) as self.display, self._signals():
                    self.started = self.saved = time.monotonic()
                    self._learn()
                    self._save()
                if self.stopped_by is not None:
                    raise Interrupted(self.stopped_by, place.path)
                self._finish(place, report)
            except KeyboardInterrupt:
                raise Interrupted(signal.SIGINT, place.path) from None
            except Interrupted:
                raise
            except UserError as error:  # such as a NaN
                raise UserError(f"{error}; {self._recovery_hint(place)}") from error
            except Exception as error:  # such as one of the environment's: it keeps its type and its traceback
                error.add_note(self._recovery_hint(place))
                raise
            finally:
                self.tracker.close()

    def _headline(self) -> str:
        """The first line of output: the agent, the environment, the number of timesteps and the device."""
        values, done = self.config.values, self.agent.num_timesteps
        begun = f", {done:,} of them done" if done else ""
        place = f", in {self.path}" if self.path else ""
        steps = f"{values['total_timesteps']:,} timesteps{begun}"
        device = str(self.agent.device).upper()
        task = f"{values['agent']['name']} on {values['env']['id']}"
        return f"{task}: {steps}, seed {values['seed']}, on the {device}{place}"

    def _recovery_hint(self, place: RunFolder) -> str:
        newest = self.checkpoints.newest()
        kept = f"{newest[0].name} is intact" if newest else "there is no checkpoint"
        return f"{kept}; fix the cause (options are in {place.config_file}), then: lhy-rl resume {place.path}"

    def _learn(self) -> None:
        remaining = self.config.values["total_timesteps"] - self.agent.num_timesteps
        self.phase = self.agent.phase  # phase of the next update
        if remaining > 0:
            self.agent.learn(remaining, callback=self._after_update, reset_num_timesteps=False)

    def _after_update(self, agent: Any, metrics: dict[str, float]) -> bool:
        """Log an update, evaluate and save when due; return whether to continue training."""
        row: dict[str, Any] = {
            "time/iterations": agent.num_updates,
            "time/total_timesteps": agent.num_timesteps,
            "phase": self.phase,
            **metrics,
        }
        self.phase = agent.phase
        interval = self.options.evaluation_interval
        better = False
        if interval and agent.num_updates % interval == 0:
            columns, selection = self.evaluator.quick()
            row |= columns
            better = self.best is None or selection < self.best
            self.best = selection if better else self.best
        row["time/time_elapsed"] = round(self.seconds, 3)
        row["time/fps"] = round(agent.num_timesteps / max(self.seconds, 1e-9), 1)
        self.metrics.write(row)
        self.tracker.log(row, agent.num_updates)
        self.display.update(agent, row)
        if better:
            self.checkpoints.save(self.state_dict(), agent.num_updates, best=True)
        updates = self.options.checkpoint_updates
        seconds = time.monotonic() - self.saved
        if (updates and agent.num_updates % updates == 0) or seconds >= self.options.checkpoint_seconds:
            self._save()
        return self.stopped_by is None

    def _save(self) -> None:
        self.checkpoints.save(self.state_dict(), self.agent.num_updates)
        self.saved, self.trained = time.monotonic(), self.seconds

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first Ctrl-C (or SIGTERM) stops after the update; a second Ctrl-C stops at once."""

        def stop(number: int, frame: FrameType | None) -> None:
            if self.stopped_by is not None:
                raise KeyboardInterrupt
            self.stopped_by = number
            self.note("stopping after this update and saving a checkpoint; press Ctrl-C again to stop at once")

        try:
            old = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not in the main thread, where signals cannot be handled
            yield
            return
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _finish(self, place: RunFolder, report: Report | None) -> None:
        self.note("evaluating ...")
        result = self.result()
        for name, sentences in result["samples"].items():
            (place.path / "samples").mkdir(exist_ok=True)
            text = ("\n\n" if result["is_game"] else "\n").join(sentences)
            archive.write_bytes(place.path / "samples" / f"{name.replace(' ', '_')}.txt", f"{text}\n".encode())
        if self.options.plots and report is not None:
            report(self, result)
        self.tracker.finish(result["table"] | result["references"], place.path / "plots")
        place.write_json(place.result_file, result)

    def result(self) -> dict[str, Any]:
        """Evaluate the present agent; return the result with what is needed to interpret it."""
        evaluation, known = self.evaluator.full(), {}
        if self.evaluator.is_game:
            known = game_evaluation.references(self.agent, self.evaluator.episodes)
        elif not self.evaluator.is_text:
            evaluator = self.evaluator
            known = references(self.config, evaluator.make_env, evaluator.episodes, evaluator.make_held_out)
        samples = {"before training": self.before} if self.before else {}
        return {
            "configuration": self.config.values["run"]["name"],
            "environment": self.config.values["env"]["id"],
            "agent": self.config.values["agent"]["name"],
            "seed": self.config.values["seed"],
            "timesteps": self.agent.num_timesteps,
            "timestep": self.agent.timestep,
            "labels": getattr(self.agent, "labels", None),
            "updates": self.agent.num_updates,
            "seconds": round(self.trained, 1),
            "is_game": self.evaluator.is_game,
            "table": evaluation.table,
            "references": known,
            "samples": samples | evaluation.samples,
            "versions": versions(),
        }

    def note(self, line: str) -> None:
        """Print one line for the reader."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)


def versions() -> dict[str, str]:
    """Return the versions of the software that the numbers depend on."""
    import gymnasium
    import numpy
    import torch

    return {
        "lhy_rl": lhy_rl.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "gymnasium": gymnasium.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }
