"""The small decisions of a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from lhy_rl.benchmark import curve_plots
from lhy_rl.benchmark.benchmark_row import BenchmarkRow
from lhy_rl.benchmark.learning_curve import Curve, Point
from lhy_rl.experiment.text_evaluation import REAL
from lhy_rl.reporting.plots import curves, smooth
from lhy_rl.reporting.report import best_row, duration, number

TABLE = {
    "mle": {"nll_test": 2.0, "bleu2": 0.5, "self_bleu2": 0.1, "std_return": 1.0},
    "seqgan": {"nll_test": 3.0, "bleu2": 0.6, "self_bleu2": 0.9, "std_return": 2.0},
    REAL: {"bleu2": 0.9, "self_bleu2": 0.6},
}


@pytest.mark.parametrize(
    ("metric", "best"), [("nll_test", "mle"), ("bleu2", "seqgan"), ("self_bleu2", "seqgan"), ("std_return", None)]
)
def test_math_best_is_lower_higher_or_nearest_to_real_text(metric: str, best: str | None) -> None:
    assert best_row(TABLE, metric) == best
    assert best_row({"mle": TABLE["mle"], REAL: TABLE[REAL]}, metric) is None


def test_math_numbers_and_durations() -> None:
    assert [number(x) for x in (None, 8.7361, -0.5, 195.04)] == ["–", "8.736", "-0.500", "195.0"]
    assert [duration(s) for s in (8.44, 200.4, 3720)] == ["8.4 s", "3 min 20 s", "1 h 02 min"]


def test_math_smoothing_keeps_constants_and_steps_over_nan() -> None:
    assert smooth([2.0] * 100) == [2.0] * 100
    assert smooth([1.0, float("nan"), 1.0] * 40) == pytest.approx([1.0] * 120)
    assert smooth([0.0] * 30 + [1.0] * 60)[30] == pytest.approx(1 / 3)


def names(legend: Any) -> list[str]:
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(("updates", "legends"), [(70, [["each update", "smoothed"]]), (20, [])])
def test_math_a_smoothed_curve_says_so(updates: int, legends: list[list[str]]) -> None:
    columns = {"train/loss": [(i, float(i % 7)) for i in range(updates)]}
    figure = curves(columns, [{"time/iterations": str(i)} for i in range(updates)], "train/")
    assert figure is not None
    assert [names(legend) for legend in figure.legends] == legends


def test_math_a_benchmarks_legend_has_the_dashed_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels: list[list[str]] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *where, **how: labels.extend(map(names, figure.legends)))
    curve = Curve([Point(0, 0.0, 1.0), Point(100, 1.0, 5.0)])
    lines = [
        (BenchmarkRow(task, "ppo", "ppo", threshold, []), [curve]) for task, threshold in (("a", None), ("b", 4.0))
    ]
    curve_plots.draw(lines, tmp_path / "x.png")
    assert labels == [["ppo", "threshold, or expert"]]
