"""The benchmark of domain transfer runs in small and says something."""

from tests.benchmarks.quick import quick


def test_domain_transfer(tmp_path):
    rows = {(row.agent, row.metric): row.value for row in quick("domain_transfer", tmp_path)}
    assert {agent for agent, _ in rows} == {"real pictures", "photographs as they are", "full", "no constancy"}
    assert rows["real pictures", "accuracy"] > 0.5 > rows["photographs as they are", "accuracy"]
    assert all(0 <= value <= 1 for value in rows.values())
    assert (tmp_path / "domain_transfer_glyphs.png").stat().st_size > 5000
