"""The plots of third-person imitation: scores of all variants, and the results of the sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.harness import Row

COLOURS = {"score": "#0072b2", "success": "#e69f00", "domain accuracy": "#999999"}
STYLES = ("o-", "s--")  # line styles of the arms
LABELS = {"angle": "degrees that the camera is turned by"}


def draw_sweeps(rows: Sequence[Row], sweeps: Mapping[str, Sequence[str]], path: Path) -> None:
    """Plot score and success over the swept quantity.

    Args:
        sweeps: Name of each swept quantity to its values; the variant of a row is name and value.
    """
    import matplotlib.pyplot as plt

    swept = {(row.agent, row.variant, row.metric): row for row in rows if row.variant}
    names = [name for name in sweeps if any(variant.startswith(name) for _, variant, _ in swept)]
    if not names:
        return
    figure, axes = plt.subplots(1, len(names), figsize=(1 + 3.4 * len(names), 3.2), sharey=True, squeeze=False)
    for ax, name in zip(axes[0], names, strict=True):
        arms = dict.fromkeys(agent for agent, variant, _ in swept if variant.startswith(name))
        for arm, style in zip(arms, STYLES, strict=False):
            values = [value for value in sweeps[name] if (arm, f"{name} {value}", "score") in swept]
            for metric, colour in COLOURS.items():
                mine = [swept[arm, f"{name} {value}", metric] for value in values]
                middle, low, high = (np.array([getattr(row, x) for row in mine]) for x in ("value", "low", "high"))
                label = metric if arm == "third person" else f"{metric}, {arm}"
                ax.plot(values, middle, style, color=colour, label=label)
                ax.fill_between(values, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.axhline(0.5, color="black", linewidth=0.6, linestyle=":")
        ax.set(xlabel=LABELS.get(name, name), ylim=(-0.6, 1.05))
    axes[0, -1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Plot the scores of all arms for each task."""
    import matplotlib.pyplot as plt

    scores = [row for row in rows if row.metric == "score" and not row.variant]
    tasks = list(dict.fromkeys(row.task for row in scores))
    figure, axes = plt.subplots(1, len(tasks), figsize=(1.5 + 3.4 * len(tasks), 4), sharey=True, squeeze=False)
    for ax, task in zip(axes[0], tasks, strict=True):
        mine = [row for row in scores if row.task == task][::-1]
        values, lows, highs = (np.array([getattr(row, name) for row in mine]) for name in ("value", "low", "high"))
        ax.barh([row.agent for row in mine], values, xerr=[values - lows, highs - values], color="#56b4e9", capsize=3)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set(title=task, xlabel="score: 0 random, 1 expert")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)
