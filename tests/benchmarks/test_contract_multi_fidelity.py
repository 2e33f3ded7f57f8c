"""The benchmark of schedules runs in small, and its rows fit each other."""

from tests.benchmarks.quick import quick


def test_multi_fidelity(tmp_path):
    rows = {(row.agent, row.variant, row.metric): row.value for row in quick("multi_fidelity", tmp_path)}
    agents = {agent for agent, *_ in rows}
    assert {"full_training", "successive_halving", "hyperband", "asha", "median_stopping", "ppo"} <= agents
    for agent in agents - {"full_training"}:
        ours, theirs = rows[agent, "54 epochs", "regret"], rows["full_training", "54 epochs", "regret"]
        assert abs(rows[agent, "54 epochs", "by full training's"] - ours / theirs) < 1e-9
    assert (tmp_path / "multi_fidelity.png").stat().st_size > 10_000
