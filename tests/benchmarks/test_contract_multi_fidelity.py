"""The benchmark of schedules runs in small, and its rows fit each other."""

import subprocess
import sys

from benchmarks.harness import load


def test_multi_fidelity(tmp_path):
    command = [sys.executable, "-m", "benchmarks.multi_fidelity", "--quick", "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    rows = {(row.agent, row.variant, row.metric): row.value for row in load("multi_fidelity", tmp_path)}
    agents = {agent for agent, *_ in rows}
    assert {"full_training", "successive_halving", "hyperband", "asha", "median_stopping", "ppo"} <= agents
    for agent in agents - {"full_training"}:
        ours, theirs = rows[agent, "54 epochs", "regret"], rows["full_training", "54 epochs", "regret"]
        assert abs(rows[agent, "54 epochs", "by full training's"] - ours / theirs) < 1e-9
    assert (tmp_path / "multi_fidelity.png").stat().st_size > 10_000
