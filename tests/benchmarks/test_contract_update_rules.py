"""The benchmark of update rules runs in small and says something."""

from benchmarks.update_rules import KNOWN, SEARCHERS
from tests.benchmarks.quick import quick


def test_update_rules(tmp_path):
    rows = {(row.task, row.agent, row.metric): row.value for row in quick("update_rules", tmp_path)}
    for name in SEARCHERS:
        found, tried = (rows["rules-digits", name, metric] for metric in ("score found", "best score tried"))
        assert 0.1 <= found <= tried <= 1
    scores = {name: rows["rules-digits", name, "score"] for name in KNOWN}
    assert scores["Adam"] > scores["SGD"] > 0.8
    for task, least in (("digits", 0.8), ("mnist1d", 0.2)):
        assert all(rows[task, name, "test accuracy"] > least for name in ("SGD", "Adam"))
        assert 0 < rows[task, "SGD", "p against Adam"] <= 1
    assert (tmp_path / "update_rules.png").stat().st_size > 10_000
