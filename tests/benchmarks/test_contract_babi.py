"""The benchmark of memory networks runs in small and says something."""

import subprocess
import sys

from benchmarks.babi import NETWORKS
from benchmarks.harness import load


def test_babi(tmp_path):
    command = [sys.executable, "-m", "benchmarks.babi", "--quick", "--output", str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = {row.variant: row.value for row in load("babi", tmp_path)}
    assert rows.keys() == NETWORKS[2].keys() and all(0 < value < 1 for value in rows.values())
    assert done.stdout.count("seed 0: 0.") == 3
    assert (tmp_path / "babi.png").stat().st_size > 10_000
