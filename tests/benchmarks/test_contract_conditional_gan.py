"""The benchmark of conditional generative adversarial networks runs in small and says something."""

from benchmarks.conditional_gan import CASES
from benchmarks.harness import load
from tests.benchmarks.quick import run


def test_conditional_gan(tmp_path):
    run("conditional_gan", "--quick", "--output", tmp_path)
    rows = load("conditional_gan", tmp_path)
    assert {f"{row.task}/{row.variant}" for row in rows} == set(CASES)
    values = {(row.task, row.metric): row.value for row in rows}
    assert 0 <= values["captions", "right"] <= 1 and values["sketches", "reward"] > 0.5
