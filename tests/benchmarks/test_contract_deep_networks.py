"""The benchmark of deep networks runs in small and says something."""

from benchmarks.deep_networks import NETWORKS, PARITY
from benchmarks.harness import load
from tests.benchmarks.quick import run


def test_deep_networks(tmp_path):
    printed = run("deep_networks", "--quick", "--output", tmp_path)
    rows = load("deep_networks", tmp_path)
    values = {(row.task, row.variant, row.metric): row.value for row in rows}
    assert {row.variant for row in rows if row.task == "digits"} == set(NETWORKS)
    assert values["digits", "highway, relu", "accuracy"] > 0.5 > values["digits", "plain, sigmoid, default", "accuracy"]
    weights = [values["parity of 24 bits", name, "weights"] for name in PARITY]
    assert max(weights) < 1.1 * min(weights)
    assert printed.count("seed 0: accuracy") == len(NETWORKS) + len(PARITY)
