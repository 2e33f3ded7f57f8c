"""The benchmark of the referential game runs in small and says something."""

import subprocess
import sys

from benchmarks.harness import load
from benchmarks.tables import ROOT


def test_referential(tmp_path):
    command = [sys.executable, "-m", "benchmarks.referential", "--quick", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = {(row.agent, row.variant, row.metric): row.value for row in load("referential", tmp_path)}
    for agent in ("random", "selfplay"):
        assert abs(rows[agent, "training objects, channel shuffled", "right"] - 0.25) < 0.06
    assert abs(rows["random", "training objects", "right"] - 0.25) < 0.06
    assert 1 <= rows["selfplay", "all objects", "different messages"] <= 64
