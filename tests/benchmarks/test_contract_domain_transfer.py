"""The benchmark of domain transfer runs in small and says something."""

import subprocess
import sys

from benchmarks.harness import load


def test_domain_transfer(tmp_path):
    command = [sys.executable, "-m", "benchmarks.domain_transfer", "--quick", "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    rows = {(row.agent, row.metric): row.value for row in load("domain_transfer", tmp_path)}
    assert {agent for agent, _ in rows} == {"real pictures", "photographs as they are", "full", "no constancy"}
    assert rows["real pictures", "accuracy"] > 0.5 > rows["photographs as they are", "accuracy"]
    assert all(0 <= value <= 1 for value in rows.values())
    assert (tmp_path / "domain_transfer_glyphs.png").stat().st_size > 5000
