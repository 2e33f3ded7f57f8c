"""The benchmark of searching with what was learned elsewhere runs in small and says something."""

from tests.benchmarks.quick import quick


def test_hpo_trial(tmp_path):
    rows = {(row.agent, row.variant, row.metric): row.value for row in quick("hpo_trial", tmp_path)}
    assert {"random", "portfolio", "controller_transfer", "ppo, HPOTrial-v0"} < {agent for agent, *_ in rows}
    for agent in {agent for agent, variant, metric in rows if metric == "repeated"}:
        best, incumbent = (rows[agent, "12 trials", f"regret, {kind}"] for kind in ("best tried", "incumbent"))
        assert 0 <= best <= rows[agent, "10 trials", "regret, best tried"] and best <= incumbent
    assert rows["portfolio", "12 trials", "by random's"] < 1
    assert (tmp_path / "hpo_trial.png").stat().st_size > 10_000
