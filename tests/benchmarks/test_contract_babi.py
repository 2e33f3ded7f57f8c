"""The benchmark of memory networks runs in small and says something."""

from benchmarks.babi import NETWORKS
from benchmarks.harness import load
from tests.benchmarks.quick import run


def test_babi(tmp_path):
    printed = run("babi", "--quick", "--output", tmp_path)
    rows = {row.variant: row.value for row in load("babi", tmp_path)}
    assert rows.keys() == NETWORKS[2].keys() and all(0 < value < 1 for value in rows.values())
    assert printed.count("seed 0: 0.") == 3
    assert (tmp_path / "babi.png").stat().st_size > 10_000
