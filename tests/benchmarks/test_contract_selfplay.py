"""The benchmark of self-play runs in small and says something."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.test_contract_benchmarks import checked


def test_selfplay(tmp_path: Path) -> None:
    rows = {(row.agent, row.metric): row.value for row in checked("selfplay", tmp_path) if row.task == "joint"}
    assert rows["untrained", "joint points"] < 5 < 11 < rows["self-play", "joint points"]
    assert rows["self-play", "agreements"] > 0.9
