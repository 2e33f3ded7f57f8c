"""``report.html`` of a search: the regret, the hyperparameters' importance, and the best configurations in a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lhy_rl.core import archive
from lhy_rl.experiment import yaml_files
from lhy_rl.experiment.search_run import REPORT
from lhy_rl.reporting import plots, search_plots
from lhy_rl.reporting.report import picture, template
from lhy_rl.search.space import Space

BEST = 10  # configurations in the table


def write_search_report(
    folder: Path, space: Space, result: dict[str, Any], others: dict[str, np.ndarray], unit: str
) -> Path:
    """Draw the plots into ``plots/`` and write the page.

    Args:
        folder: The search's folder.
        space: The space that was searched.
        result: The content of ``result.json``.
        others: Name to (S, T) regrets of other searchers, on a table.
        unit: Unit of a score.

    Returns:
        The page's path.
    """
    import matplotlib

    place = folder / "plots"
    place.mkdir(exist_ok=True)
    with matplotlib.rc_context(plots.STYLE):
        figures = {"scores": search_plots.score_plot(result["trials"], unit)}
        if "regret" in result:
            figures = {"regret": search_plots.regret_plot(result["regret"], others, f"regret, {unit}")} | figures
        figures["effects"] = search_plots.effects_plot(search_plots.main_effects(space, result["trials"]))
        if (curves := search_plots.curves_plot(result["trials"], unit, result["cost"])) is not None:
            figures["curves"] = curves
        if (parallel := search_plots.parallel_plot(space, result["trials"])) is not None:
            figures["configurations"] = parallel
        for name, figure in figures.items():
            plots.write(figure, place / f"{name}.png")
    scored = sorted((t for t in result["trials"] if search_plots.complete(t)), key=lambda t: -t["score"])
    failures: dict[str, int] = {}
    for trial in result["trials"]:
        if trial["failure"]:
            failures[trial["failure"]] = failures.get(trial["failure"], 0) + 1
    text = template("search.html.j2").render(
        name=folder.resolve().name,
        folder=str(folder),
        result=result,
        names=space.names,
        best=scored[:BEST],
        failures=failures,
        epochs=sum(trial["epochs"] for trial in result["trials"]),
        seconds=sum(trial["seconds"] for trial in result["trials"]),
        unit=unit,
        last={"this search": result["regret"][-1], **{name: float(c[:, -1].mean()) for name, c in others.items()}}
        if "regret" in result
        else {},
        best_yaml=yaml_files.dump(result["best"]) if result["best"] is not None else "",
        plots=[picture(place / f"{name}.png") for name in figures],
    )
    archive.write_bytes(folder / REPORT, text.encode())
    return folder / REPORT
