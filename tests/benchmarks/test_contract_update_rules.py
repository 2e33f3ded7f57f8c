"""The benchmark of update rules runs in small and says something."""

import subprocess
import sys

from benchmarks.harness import load
from benchmarks.update_rules import KNOWN, SEARCHERS


def test_update_rules(tmp_path):
    command = [sys.executable, "-m", "benchmarks.update_rules", "--quick", "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    rows = {(row.task, row.agent, row.metric): row.value for row in load("update_rules", tmp_path)}
    for name in SEARCHERS:
        found, tried = (rows["rules-digits", name, metric] for metric in ("score found", "best score tried"))
        assert 0.1 <= found <= tried <= 1
    scores = {name: rows["rules-digits", name, "score"] for name in KNOWN}
    assert scores["Adam"] > scores["SGD"] > 0.8
    for task, least in (("digits", 0.8), ("mnist1d", 0.2)):
        assert all(rows[task, name, "test accuracy"] > least for name in ("SGD", "Adam"))
        assert 0 < rows[task, "SGD", "p against Adam"] <= 1
    assert (tmp_path / "update_rules.png").stat().st_size > 10_000
