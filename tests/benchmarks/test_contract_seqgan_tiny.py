"""SeqGAN on languages that can be enumerated runs in small, and its controls are measured at the same temperatures."""

from benchmarks.harness import load
from benchmarks.seqgan_tiny import TABULATED, TEMPERATURES
from tests.benchmarks.quick import run


def test_seqgan_tiny(tmp_path):
    run("seqgan_tiny", "--quick", "--seeds", "1", "--output", tmp_path)
    rows = {(row.agent, row.variant, row.metric): row.value for row in load("seqgan_tiny", tmp_path)}
    assert set(map(float, TABULATED)) < set(TEMPERATURES)
    for agent in ("mle", "seqgan", "permuted", "ideal"):
        costs = [rows[agent, f"temperature {temperature}", "nll_oracle"] for temperature in TABULATED]
        assert costs == sorted(costs, reverse=True)  # a lower temperature writes likelier sentences
        assert 0 < rows[agent, "best temperature", "jsd"] < 0.7
    assert any(metric == "gap_to_front" for _, _, metric in rows)
