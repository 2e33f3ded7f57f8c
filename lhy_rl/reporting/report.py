"""``report.html``: one file with everything about a run, pictures included.

The pictures that need the agent (the film, the agent's own figures, the maps of a recovered reward, the road that was
driven) are drawn at the end of a run, into its folder ``plots/``. A picture that cannot be drawn is left out with a
line that says why: a report is always written.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.core.protocols import DrawnText
from lhy_rl.core.report_figures import Illustrated, PictureRows, ReportFigure
from lhy_rl.experiment.evaluation import AS_TEXT, GLOSSARY, MEANINGS
from lhy_rl.experiment.run_folder import RunFolder
from lhy_rl.experiment.text_evaluation import REAL, written_pictures
from lhy_rl.reporting import agent_figures, plots

if TYPE_CHECKING:
    from lhy_rl.experiment.run import Run

FILM = "film.gif"
TITLES = {
    "rewards.png": "The recovered reward",
    "road.png": "The same road, driven by the policy, the expert and a random policy",
}
PICTURES, WRITTEN = "Sentences as pictures", 24
DRIVE = "lhy_rl/DriveCorridor-v0"


def draw_pictures(run: Run, folder: Path, film: Callable[[], bytes]) -> list[str]:
    """Draw the pictures that need the agent.

    Args:
        run: The run with its agent, which is not changed.
        folder: Where the files go.
        film: Films an episode of the run's policy; returns the bytes of a GIF.

    Returns:
        A line for each picture that could not be made.
    """
    import matplotlib

    folder.mkdir(exist_ok=True)
    for name in (FILM, *TITLES):
        (folder / name).unlink(missing_ok=True)
    agent_figures.forget(folder)
    missing = []
    figures: list[ReportFigure] = []
    task: Any = run.agent.task if run.evaluator.is_text else None
    if isinstance(task, DrawnText):
        rows = written_pictures(run.agent.policies, task, WRITTEN)
        figures.append(PictureRows(title=PICTURES, caption="Drawn token by token, next to real ones.", rows=rows))
    if isinstance(run.agent, Illustrated):
        try:
            figures += run.agent.report_figures()
        except UserError as error:
            missing.append(f"no figures of the agent in the report: {error}")
    if figures:
        agent_figures.draw(figures, folder, run.metrics.path)
    if run.evaluator.is_text or run.evaluator.is_game:
        return missing
    with matplotlib.rc_context(plots.STYLE):
        if hasattr(run.agent, "state_rewards"):
            from lhy_rl.reporting.reward_maps import reward_maps

            if (maps := reward_maps(run.agent)) is not None:
                plots.write(maps, folder / "rewards.png")
        if run.config.values["env"]["id"] == DRIVE:
            from lhy_rl.reporting.road_plot import drives, roads

            plots.write(roads(drives(run)), folder / "road.png")
    try:
        archive.write_bytes(folder / FILM, film())
    except Exception as error:  # renderers raise many kinds of errors
        missing.append(f"no film in the report: {reason(error)}")
    return missing


def reason(error: Exception) -> str:
    """Describe an error in one line, with what to install where a package is missing."""
    message = " ".join(str(error).split()) or repr(error)
    if isinstance(error, UserError):
        return message
    if "pygame" in message:
        return f"pygame is missing; {install_extra('video')}"
    return message[:300]


def write_report(place: RunFolder, result: dict[str, Any]) -> Path:
    """Draw the plots and write the page.

    Args:
        place: The run.
        result: Result of the run, see :meth:`lhy_rl.experiment.run.Run.result`.

    Returns:
        The page's path.
    """
    folder = place.path / "plots"
    drawn = plots.draw_all(place.metrics_file, result, folder)
    curve = drawn.pop(plots.RETURN_TITLE, None)
    kept = {title: folder / name for name, title in TITLES.items() if (folder / name).is_file()}
    own = agent_figures.drawn(folder) + agent_figures.drawn(folder, agent_figures.DIAGNOSIS)
    film = folder / FILM
    table = result["table"]
    references = result.get("references", {})
    names = [name for name in GLOSSARY if any(name in row for row in table.values())]
    text = template("report.html.j2").render(
        result=result,
        name=place.path.resolve().name,
        folder=str(place.path),
        metrics=[(name, *GLOSSARY[name]) for name in names],
        table=table | references,
        references={name: MEANINGS[name] for name in references},
        best={name: best_row(table, name) for name in names},
        aside=(REAL, *references),
        samples={} if any(entry["title"] == PICTURES for entry in own) else result["samples"],
        samples_title="Dialogues" if result.get("is_game") else "Sentences",
        look=look_command(result).format(place.path),
        film=base64.b64encode(film.read_bytes()).decode() if film.is_file() else None,
        curve=picture(curve) if curve else None,
        figures=[
            {"first": False} | entry | {"files": [embedded(folder / name) for name in entry["files"]]} for entry in own
        ],
        plots={title: picture(path) for title, path in {**kept, **drawn}.items()},
        config=place.config_file.read_text(encoding="utf-8"),
        duration=duration(result["seconds"]),
        number=number,
    )
    archive.write_bytes(place.report_file, text.encode())
    return place.report_file


def template(name: str) -> Any:
    """Load a page's template from this folder."""
    import jinja2

    loader = jinja2.PackageLoader("lhy_rl", "reporting")
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined).get_template(name)


def look_command(result: dict[str, Any]) -> str:
    """The command that shows a run's policy; ``{}`` stands for its folder."""
    if result.get("is_game"):
        return "lhy-rl play {}"
    if result["samples"]:
        return "lhy-rl sample {}"
    return "lhy-rl play {} --output film.gif"


def picture(path: Path) -> tuple[str, int]:
    """A PNG as text for the page, and its width there in CSS pixels (the same scale for every picture)."""
    data = path.read_bytes()
    pixels = int.from_bytes(data[16:20], "big")  # of the header
    return base64.b64encode(data).decode(), round(pixels * 96 / plots.DPI)


def embedded(path: Path) -> tuple[str, int]:
    """The data URL of a PNG or a GIF, and its width in the page; a GIF is shown at its size in pixels."""
    if path.suffix == ".png":
        data, width = picture(path)
    else:
        content = path.read_bytes()
        data, width = base64.b64encode(content).decode(), int.from_bytes(content[6:8], "little")  # of the header
    return f"data:image/{path.suffix[1:]};base64,{data}", width


def best_row(table: dict[str, dict[str, float]], metric: str) -> str | None:
    """The policy that is best in a metric; None where there is only one policy, or the metric has no direction."""
    direction = GLOSSARY[metric][0]
    values = {name: row[metric] for name, row in table.items() if name != REAL and metric in row}
    if len(values) < 2 or not direction:
        return None
    if direction == AS_TEXT:
        real = table.get(REAL, {}).get(metric)
        return None if real is None else min(values, key=lambda name: abs(values[name] - real))
    return (min if direction == "lower" else max)(values, key=values.__getitem__)


def number(value: float | None) -> str:
    """Format a metric's value for a table."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 20 else f"{value:.1f}"


def duration(seconds: float) -> str:
    """Seconds as ``1 h 02 min``, ``3 min 20 s`` or ``8.4 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
