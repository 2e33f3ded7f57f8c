"""The benchmark of the searchers runs in small and says something."""

from tests.benchmarks.quick import quick


def test_search(tmp_path):
    rows = {(row.agent, row.variant, row.metric): row.value for row in quick("search", tmp_path, "--only", "evolution")}
    assert {agent for agent, *_ in rows} == {"random", "evolution", "tpe (Optuna)"}
    for agent in ("random", "evolution", "tpe (Optuna)"):
        assert 0 <= rows[agent, "25 trials", "regret, best tried"] <= rows[agent, "10 trials", "regret, best tried"]
        best, incumbent = (rows[agent, "25 trials", f"regret, {kind}"] for kind in ("best tried", "incumbent"))
        assert best <= incumbent
    assert rows["random", "25 trials", "repeated"] == rows["evolution", "25 trials", "repeated"] == 0
    assert rows["evolution", "25 trials", "regret by TPE's"] > 0
