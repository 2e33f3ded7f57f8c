"""The benchmark of the workers runs in small and says how busy they were."""

from tests.benchmarks.quick import quick


def test_search_workers(tmp_path):
    rows = {(row.agent, row.metric): row.value for row in quick("search_workers", tmp_path)}
    assert {agent for agent, _ in rows} == {"processes", "joblib"}
    for agent in ("processes", "joblib"):
        one, two = (rows[agent, f"seconds of {count}"] for count in ("1 worker", "2 workers"))
        assert abs(rows[agent, "speed-up"] - one / two) < 1e-6
        assert 0.1 < rows[agent, "busy"] <= 1
