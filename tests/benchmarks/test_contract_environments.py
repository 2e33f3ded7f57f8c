"""The benchmark of steps a second runs in small and says something."""

from tests.benchmarks.quick import quick


def test_environments(tmp_path):
    rows = quick("environments", tmp_path)
    values = {(row.task, row.variant, row.metric): row.value for row in rows}
    for name in ("HPOToken-v0", "RepeatPrevious-v0"):
        single, batch = (values[name, variant, "steps/s"] for variant in ("single", "batch of 64"))
        assert batch > 4 * single > 4_000
        assert 0 < values[name, "single", "against CartPole"] < 3
