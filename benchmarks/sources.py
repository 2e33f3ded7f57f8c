"""Attention and copying, on tasks that are made to need them (benchmarks/echo.py).

Reversing: the source's 12 to 16 words of 20 are written backwards; one vector of the source does not hold them. New
words: 4 to 6 words are written again, one of them a word that occurs in no training sentence; a generator alone never
writes it. Longer sources: the translation of up to 12 words of 20, backwards or in their order, is learned, and 20
words are translated; sources are read in both directions. Maximum likelihood, the same number of gradient steps for
all; the numbers are shares of greedy answers to test sources. The longer sources were tried on seeds 100 to 102.

    python -m benchmarks.sources [--quick] [--seeds 3] [--only 'longer*']
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks import harness
from benchmarks.echo import Echo
from lhy_rl.agents import MLE
from lhy_rl.nn.decoding import sample

REVERSING, NEW, BACKWARDS, ORDERED = "reversing", "new words", "longer, backwards", "longer, in order"
TRANSLATION: dict[str, Any] = {"words": 20, "longest": 20, "learned": 12, "translated": True}
TASKS: dict[str, dict[str, Any]] = {
    REVERSING: {"words": 20, "longest": 16, "shortest": 12},
    NEW: {"words": 30, "longest": 6, "shortest": 4, "backwards": False, "new_words": 10},
    BACKWARDS: TRANSLATION,
    ORDERED: {**TRANSLATION, "backwards": False},
}
VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    (REVERSING, "no attention", {"attention": "none"}),
    (REVERSING, "dot", {}),
    (REVERSING, "additive", {"attention": "additive"}),
    (NEW, "dot", {}),
    (NEW, "dot, copying", {"copy": True}),
    *(
        (name, variant, {"attention": attention, "source_bidirectional": True})
        for name in (BACKWARDS, ORDERED)
        for variant, attention in (
            ("no attention", "none"), ("dot", "dot"), ("additive", "additive"), ("location", "location")
        )
    ),
]  # fmt: skip
COLOURS = {
    "no attention": "0.7", "dot": "#0072b2", "additive": "#56b4e9", "dot, copying": "#e69f00", "location": "#009e73"
}  # fmt: skip
STEPS = {REVERSING: 500, NEW: 500, BACKWARDS: 600, ORDERED: 600}
WANTED = {"location": "wanted: right tokens 0.9", "no attention": "wanted: right tokens at most 0.6"}


class Reached(NamedTuple):
    """The shares of right tokens, and of right new words or (without new words) right answers; parameters."""

    tokens: float
    found: float
    parameters: int
    seconds: float


def trained(task: Echo, options: dict[str, Any], steps: int, seed: int) -> Reached:
    """Train, and evaluate on the test sources."""
    begun = time.process_time()
    agent = MLE(
        task,
        learning_rate=0.005,
        gradient_steps=steps,
        core="gru",
        embedding_size=32,
        hidden_size=64,
        critic="none",
        seed=seed,
        **options,
    ).learn(1)
    seconds = time.process_time() - begun
    test = task.sequences("test")
    answers = sample(agent.policy.eval(), task, len(test), temperature=0.0, answered=test)
    right = answers.tokens == test.tokens
    new = (test.tokens > task.words - task.new_words) & (test.tokens <= task.words)
    found = right[new].mean() if task.new_words else right.all(1).mean()
    count = sum(parameter.numel() for parameter in agent.policy.parameters())
    return Reached(float(right[test.mask].mean()), float(found), count, seconds)


def main() -> None:
    """Measure, save, draw."""
    parser = harness.parser(__doc__, seeds=3)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="tasks to run, such as longer*")
    common = parser.parse_args()
    torch.set_num_threads(1)
    seeds = 1 if common.quick else common.seeds
    variants = [VARIANTS[i] for i in (0, 3, 8)] if common.quick else VARIANTS
    names = harness.chosen("sources", dict.fromkeys(task for task, *_ in VARIANTS), common.only)
    variants = [variant for variant in variants if variant[0] in names]
    rows = [] if common.quick else harness.load("sources", common.output)
    rows = [row for row in rows if row.task not in names]
    with harness.progress(len(variants) * seeds, "sources") as advance:
        for name, variant, options in variants:
            runs, steps = [], 5 if common.quick else STEPS[name]
            for seed in range(seeds):
                runs.append(trained(Echo(4, **TASKS[name]), options, steps, seed))
                advance(f"{name}, {variant}")
            seconds = float(np.mean([run.seconds for run in runs]))
            metric = "right new words" if name == NEW else "right answers"
            for key, values in (
                ("right tokens", [run.tokens for run in runs]),
                (metric, [run.found for run in runs]),
                ("parameters", [float(run.parameters) for run in runs]),
            ):
                wanted = WANTED.get(variant, "") if name in (BACKWARDS, ORDERED) and key == "right tokens" else ""
                rows.append(harness.summarize(name, "mle", variant, key, values, steps, seconds, wanted))
            harness.save("sources", rows, common.output)
    for row in rows:
        print(f"{row.task:20s} {row.variant:30s} {row.metric:16s} {row.value:10.3f} [{row.low:.3f}, {row.high:.3f}]")
    picture(rows, common.output / "sources.png")


def picture(rows: list[harness.Row], path: Path) -> None:
    """Plot the shares of each variant."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = {REVERSING: "right answers", NEW: "right new words", BACKWARDS: "right tokens", ORDERED: "right tokens"}
    figure, axes = plt.subplots(1, 4, figsize=(16, 3.2))
    for axis, (name, metric) in zip(axes, panels.items(), strict=True):
        bars = [row for row in rows if row.task == name and row.metric == metric]
        spans = [[row.value - row.low for row in bars], [row.high - row.value for row in bars]]
        colours = [COLOURS.get(row.variant, "#d55e00") for row in bars]
        labels = [row.variant.replace(", ", "\n") for row in bars]
        axis.bar(labels, [row.value for row in bars], yerr=spans, color=colours, capsize=3)
        axis.set_ylim(0, 1.05)
        axis.set_ylabel(metric)
        axis.set_title(name, fontsize=10)
        axis.tick_params(axis="x", labelsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
