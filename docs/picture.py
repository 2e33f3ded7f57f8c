"""Draw the README's first picture: a policy before and after its training, and its return on the way.

It trains ppo/cartpole, about half a minute, unless a finished run is given; pygame draws (pip install 'lhy-rl[video]').

python docs/picture.py [RUN]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

PLACE = Path(__file__).parent / "images" / "report.png"
sys.path.insert(0, str(Path(__file__).parents[1]))

from lhy_rl.cli.main import main as lhy_rl_main  # noqa: E402
from lhy_rl.experiment.run import Run  # noqa: E402
from lhy_rl.experiment.run_folder import RunFolder  # noqa: E402
from lhy_rl.experiment.start_run import load  # noqa: E402
from lhy_rl.experiment.tracking import read_metrics  # noqa: E402
from lhy_rl.recording import rendering  # noqa: E402
from lhy_rl.reporting import plots  # noqa: E402
from lhy_rl.reporting.report import duration  # noqa: E402
from lhy_rl.rollouts.evaluate_policy import SEED, play_episode  # noqa: E402

CONFIGURATION = "ppo/cartpole"
WIDTH, HEIGHT, DPI = 8.3, 6.4, 200  # inches, so that text has its true size on a page of 830 pixels; dots per inch
ACROSS = 4  # frames per strip


def main(path: Path) -> None:
    """Draw the picture of a finished run."""
    import matplotlib
    from matplotlib.figure import Figure

    place = RunFolder(path)
    result = place.result()
    assert result is not None, "the run has not finished"
    with matplotlib.rc_context({**plots.STYLE, "figure.constrained_layout.use": False, "font.size": 10}):
        figure = Figure(figsize=(WIDTH, HEIGHT))
        facts = f"{result['timesteps']:,} {result['timestep']}, {duration(result['seconds'])} of training"
        title = f"{result['agent']} on {result['environment']}: {facts}"
        figure.text(0.012, 1 - 0.1 / HEIGHT, title, fontsize=12.5, weight="bold", va="top", color="#1a365d")
        strip(figure, Run(place.config()), "before training", 4.64, "#c53030")
        strip(figure, load(path), "after training", 3.1, "#2f855a")
        curve = figure.add_axes((0.085, 0.48 / HEIGHT, 0.755, 2.3 / HEIGHT))
        plots.draw_return(curve, read_metrics(place.metrics_file), result)
        figure.savefig(PLACE, dpi=DPI)
    compress(PLACE)


def strip(figure: Any, run: Run, name: str, bottom: float, colour: str) -> None:
    """Draw frames of an episode side by side, ``bottom`` inches above the lower edge, from the first to the last."""
    shots, total = episode(run)
    head = f"{name}: return {total:.4g}"
    figure.text(0.012, (bottom + 1.21) / HEIGHT, head, fontsize=11, weight="bold", color=colour)
    for i, number in enumerate(np.linspace(0, len(shots) - 1, ACROSS).round().astype(int).tolist()):
        ax = figure.add_axes((0.012 + i * 0.247, bottom / HEIGHT, 0.235, 0.975 / HEIGHT))
        ax.imshow(shots[number][130:330, 100:500])  # where the cart and the pole are
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.set_title(f"step {number}", fontsize=9.5, weight="normal", loc="left", pad=3)
        ax.spines[["top", "right"]].set_visible(True)


def episode(run: Run) -> tuple[list[np.ndarray], float]:
    """Return the frames of an episode, and its return."""
    env = rendering.make_environment(run.config, filmed=True)
    shots: list[np.ndarray] = []
    played = play_episode(run.agent, env, SEED, False, lambda *step: shots.append(rendering.pixels(env.render())))
    env.close()
    return shots, played.reward


def compress(path: Path) -> None:
    """Reduce the number of colours, which saves two thirds of the bytes."""
    from PIL import Image

    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            trained = Path(folder) / "run"
            arguments = ["train", CONFIGURATION, "--run.folder", str(trained), "--run.tracker", "none"]
            assert lhy_rl_main([*arguments, "--run.plots", "false"]) == 0
            main(trained)
