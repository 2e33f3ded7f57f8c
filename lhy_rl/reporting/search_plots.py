"""The plots of a search: regret over trials, importance of each hyperparameter, the configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lhy_rl.reporting.plots import COLOURS, GREY
from lhy_rl.search.space import Space

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8}
LINES = 400  # lines of the parallel coordinates; more are indistinguishable


def regret_plot(mine: list[float], others: dict[str, np.ndarray], ylabel: str) -> Figure:
    """The regret of this search over its trials, with the means and quartiles of other searchers.

    Args:
        mine: Regret after each trial.
        others: Name to (S, T) regrets of S seeds.
        ylabel: Label of the y axis with the unit.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 4.0))
    axes = figure.subplots()
    for (name, curves), colour in zip(others.items(), [GREY, *COLOURS[1:]], strict=False):
        trials = np.arange(1, curves.shape[1] + 1)
        axes.plot(trials, curves.mean(0), color=colour, label=f"{name}, mean of {len(curves)} seeds")
        axes.fill_between(trials, *np.quantile(curves, (0.25, 0.75), axis=0), color=colour, alpha=0.15, linewidth=0)
    axes.plot(np.arange(1, len(mine) + 1), mine, color=COLOURS[0], linewidth=2.2, label="this search")
    axes.set(xlabel="trials", ylabel=ylabel, title="Regret: distance of the best so far from the table's best")
    floor = min([value for value in mine if value > 0], default=1e-3)
    axes.set_yscale("symlog", linthresh=max(floor / 2, 1e-6))
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure


def complete(trial: dict[str, Any]) -> bool:
    """Whether a trial has the score of a whole training."""
    return trial["score"] is not None and not trial["stopped"]


def score_plot(trials: list[dict[str, Any]], ylabel: str) -> Figure:
    """The score of every trial, and the best so far; for trials stopped early, the score that they had reached."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 3.6))
    axes = figure.subplots()
    scores = np.array([np.nan if trial["score"] is None else trial["score"] for trial in trials], float)
    numbers = np.arange(1, len(scores) + 1)
    whole = np.array([complete(trial) for trial in trials], bool)
    stopped = np.isfinite(scores) & ~whole
    axes.scatter(numbers[whole], scores[whole], s=12, color=COLOURS[0], alpha=0.5, linewidth=0, label="a trial")
    if stopped.any():
        axes.scatter(numbers[stopped], scores[stopped], s=14, marker="v", color=GREY, label="stopped early")
    if whole.any():
        best = np.fmax.accumulate(np.where(whole, scores, np.nan))
        axes.plot(numbers, best, color=COLOURS[1], label="best so far")
        failed = numbers[np.isnan(scores)]
        axes.scatter(
            failed, np.full(len(failed), np.nanmin(scores)), marker="x", s=18, color=COLOURS[4], label="failed"
        )
    axes.set(xlabel="trials", ylabel=ylabel, title="Scores of the trials")
    axes.legend()
    return figure


def curves_plot(trials: list[dict[str, Any]], ylabel: str, xlabel: str) -> Figure | None:
    """The trials' intermediate scores: trials that were stopped early end in a triangle, the best is orange."""
    from matplotlib.figure import Figure

    drawn = [trial for trial in trials if len(trial["curve"]) > 1 or (trial["curve"] and trial["stopped"])]
    if not drawn:
        return None
    figure = Figure(figsize=(7.6, 4.0))
    axes = figure.subplots()
    best = max(filter(complete, drawn), key=lambda trial: trial["score"], default=None)
    for trial in drawn:
        steps, scores = np.array(trial["curve"]).T
        colour = GREY if trial["stopped"] else COLOURS[1] if trial is best else COLOURS[0]
        axes.plot(steps, scores, color=colour, alpha=1.0 if trial is best else 0.5, linewidth=1 + (trial is best))
        axes.plot(steps[-1:], scores[-1:], marker="v" if trial["stopped"] else "o", ms=4, color=colour, alpha=0.8)
    stopped = sum(trial["stopped"] for trial in drawn)
    axes.set(
        xlabel=xlabel, ylabel=ylabel, title=f"Intermediate scores: {stopped} of {len(trials)} trials stopped early"
    )
    return figure


def main_effects(space: Space, trials: list[dict[str, Any]]) -> dict[str, float]:
    """Each choice's share of the variance of the scores, by its main effect alone (a one-way analysis of variance).

    The trials come from a search and are not uniformly distributed, so the shares are a hint, no measurement.
    """
    scored = [trial for trial in trials if complete(trial)]
    scores = np.array([trial["score"] for trial in scored], float)
    tokens = np.array([trial["tokens"] for trial in scored]).reshape(-1, len(space))
    total = float(((scores - scores.mean()) ** 2).sum()) if len(scores) else 0.0
    shares = {}
    for position, choice in enumerate(space.choices):
        between = 0.0
        for token in np.unique(tokens[:, position]):
            group = scores[tokens[:, position] == token]
            between += len(group) * float((group.mean() - scores.mean()) ** 2)
        shares[choice.name] = between / total if total > 0 else 0.0
    return shares


def effects_plot(shares: dict[str, float]) -> Figure:
    """The shares as bars, the largest on top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 0.6 + 0.32 * len(shares)))
    axes = figure.subplots()
    ordered = sorted(shares.items(), key=lambda entry: entry[1])
    axes.barh([name for name, _ in ordered], [share for _, share in ordered], color=COLOURS[0], height=0.62)
    axes.set(xlabel="share of the scores' variance", title="What matters: main effects over the trials")
    axes.grid(axis="y", visible=False)
    return figure


def parallel_plot(space: Space, trials: list[dict[str, Any]]) -> Figure | None:
    """Every configuration as a line through its values, the better ones darker and on top."""
    from matplotlib.figure import Figure

    scored = sorted(filter(complete, trials), key=lambda trial: trial["score"])
    scored = scored[-LINES:]
    if len(scored) < 2:
        return None
    figure = Figure(figsize=(max(7.6, 1.25 * len(space)), 4.4))
    axes = figure.subplots()
    jitter = np.random.default_rng(0)
    for rank, trial in enumerate(scored):
        good = rank / (len(scored) - 1)
        heights = [
            (token + jitter.uniform(-0.18, 0.18)) / max(1, len(choice.values) - 1)
            for token, choice in zip(trial["tokens"], space.choices, strict=True)
        ]
        colour = COLOURS[0] if rank < len(scored) - 1 else COLOURS[1]
        width = 0.6 + good if rank < len(scored) - 1 else 2.6
        axes.plot(heights, color=colour, alpha=0.04 + 0.5 * good**3, linewidth=width)
    for position, choice in enumerate(space.choices):
        axes.axvline(position, color="#a0aec0", linewidth=0.8, zorder=0)
        stride = max(1, -(-len(choice.values) // 10))
        for token in range(0, len(choice.values), stride):
            text = str(choice.values[token])
            height = token / max(1, len(choice.values) - 1)
            axes.text(position + 0.04, height, text[:14], fontsize=7.5, va="center", bbox=LABEL)
    axes.set_xticks(range(len(space)), [choice.name for choice in space.choices], rotation=20, ha="right")
    axes.set(yticks=[], xlim=(-0.2, len(space) - 0.4), title="The configurations: better ones darker, the best orange")
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    return figure
