"""The pictures of a run that need its agent: the film, the maps of a recovered reward, the road that was driven.

They are drawn at the end of a run, into its folder ``plots/``. What cannot be drawn is left out with a line that says
why: a report is written wherever one trains.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.recording import clip
from lhy_rl.reporting import plots, reward_maps, road_plot

if TYPE_CHECKING:
    from lhy_rl.experiment.run import Run

FILM = "film.gif"
TITLES = {"rewards.png": "The reward that was found", "road.png": "The same road, driven by others"}


def draw(run: Run, folder: Path) -> list[str]:
    """Draw what there is to draw.

    Args:
        run: With its agent as it is; nothing of it changes.
        folder: Where the files go.

    Returns:
        A line for each picture that could not be made.
    """
    import matplotlib

    folder.mkdir(exist_ok=True)
    for name in (FILM, *TITLES):
        (folder / name).unlink(missing_ok=True)
    if run.evaluator.is_text:
        return []
    with matplotlib.rc_context(plots.STYLE):
        if (maps := reward_maps.reward_maps(run.agent)) is not None:
            maps.savefig(folder / "rewards.png", dpi=plots.DPI)
        if drives := road_plot.drives(run):
            road_plot.roads(drives).savefig(folder / "road.png", dpi=plots.DPI)
    try:
        archive.write_bytes(folder / FILM, clip.record(run).gif())
    except Exception as error:  # a renderer's, of which there are many kinds
        return [f"no film in the report: {why(error)}"]
    return []


def why(error: Exception) -> str:
    """One line, with what to install where a package is missing."""
    said = " ".join(str(error).split()) or repr(error)
    if isinstance(error, UserError):
        return said
    if "pygame" in said:
        return f"pygame is missing; {install_extra('video')}"
    return said[:300]
