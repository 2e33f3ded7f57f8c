"""The benchmark of learning-rate schedules runs in small and compares on the same instances."""

import pytest

from tests.benchmarks.quick import quick


def test_lr_schedule(tmp_path):
    rows = {(row.agent, row.variant, row.metric): row.value for row in quick("lr_schedule", tmp_path)}
    loss = "validation NLL"
    assert rows["cosine", "all", loss] < rows["static", "all", loss] < rows["random", "all", loss]
    expected = rows["ppo", "all", loss] / rows["static", "all", loss]
    assert rows["ppo", "all", f"{loss} by static's"] == pytest.approx(expected)
    levels = [variant for agent, variant, metric in rows if agent == "cosine" and metric == loss and variant != "all"]
    assert levels == ["0% wrong labels", "10% wrong labels", "20% wrong labels", "40% wrong labels"]
    assert rows["cosine", levels[0], loss] < rows["cosine", levels[-1], loss]
    assert rows["ppo", "all", "episodes of training"] >= 64
    assert rows["environment", "8 at once", "steps a CPU-second"] > 10
    assert (tmp_path / "lr_schedule.png").stat().st_size > 10_000
