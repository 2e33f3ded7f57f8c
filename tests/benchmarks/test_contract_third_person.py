"""The benchmark of third-person imitation runs in small and says something."""

from tests.benchmarks.quick import quick


def test_third_person(tmp_path):
    found = quick("third_person", tmp_path)
    assert {row.variant for row in found} == {"", "angle 45"}
    rows = {(row.agent, row.metric): row.value for row in found if not row.variant}
    assert {agent for agent, _ in rows} == {"true reward", "third person", "goal distance"}
    for agent in ("true reward", "third person", "goal distance"):
        assert -1 < rows[agent, "score"] < 1.05 and 0 <= rows[agent, "success"] <= 1
        assert rows[agent, "return"] < 0
    assert 0.5 <= rows["third person", "domain accuracy"] <= 1
    for name in ("third_person", "third_person_sweeps"):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
