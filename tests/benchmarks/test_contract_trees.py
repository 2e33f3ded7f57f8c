"""The benchmark of tree encoders runs in small and says something."""

from benchmarks.harness import load
from benchmarks.trees import NETWORKS
from tests.benchmarks.quick import run


def test_trees(tmp_path):
    printed = run("trees", "--quick", "--output", tmp_path)
    rows = {(row.variant, row.metric): row.value for row in load("trees", tmp_path)}
    networks = {network for network, _ in rows}
    assert len(networks) == 2 and networks < set(NETWORKS)
    for network in networks:
        assert all(0 < rows[network, f"accuracy at depth {depth}"] < 1 for depth in (4, 6))
        assert 500 < rows[network, "weights"] < 200_000
    assert printed.count("seed 0: accuracy at depth 4") == 2
    assert (tmp_path / "trees.png").stat().st_size > 5000
