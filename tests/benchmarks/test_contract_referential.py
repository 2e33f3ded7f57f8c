"""The benchmark of the referential game runs in small and says something."""

from tests.benchmarks.quick import quick


def test_referential(tmp_path):
    rows = {(row.agent, row.variant, row.metric): row.value for row in quick("referential", tmp_path)}
    for agent in ("random", "selfplay"):
        assert abs(rows[agent, "training objects, channel shuffled", "right"] - 0.25) < 0.06
    assert abs(rows["random", "training objects", "right"] - 0.25) < 0.06
    assert 1 <= rows["selfplay", "all objects", "different messages"] <= 64
