"""The table of activation functions is made in parts, and the benchmark of their search runs in small."""

import numpy as np

from lhy_rl.search.children.activation_formulas import simplest
from lhy_rl.search.table import Table
from tests.benchmarks.quick import quick, run


def test_a_table_goes_on_where_it_was_interrupted(tmp_path):
    files = ["--journal", str(tmp_path / "journal.jsonl"), "--table", str(tmp_path / "table.npz"), "--seeds", "1"]
    run("activation_table", "--only", "2", *files)
    first = (tmp_path / "journal.jsonl").read_text()
    run("activation_table", "--only", "3", *files)
    second = (tmp_path / "journal.jsonl").read_text()
    keys = np.unique(simplest()[:3])
    assert second.startswith(first) and len(second.splitlines()) == len(keys) > len(first.splitlines())
    table = Table.load(tmp_path / "table.npz")
    assert np.isfinite(table.mean).nonzero()[0].tolist() == np.isin(simplest(), keys).nonzero()[0].tolist()
    assert (table.mean == table.mean[simplest()])[np.isfinite(table.mean)].all()  # equal formulas share their scores


def test_activation_search(tmp_path):
    rows = {(row.task, row.agent, row.metric): row.value for row in quick("activation_search", tmp_path)}
    task = "activations-mnist1d"
    for agent in ("controller", "controller_paper", "random", "evolution", "tpe (Optuna)"):
        assert 0.4 < rows[task, agent, "accuracy found"] < 1 and rows[task, agent, "different functions"] <= 40
        assert 0 <= rows[task, agent, "better in the table"] < 0.5
    assert rows[task, "relu(x)", "validation accuracy"] > rows[task, "x", "validation accuracy"] + 0.3
    for data in ("mnist1d", "digits"):
        assert 0 < rows[data, "relu(x)", "accuracy again"] <= 1
        assert 0 < rows[data, "tanh(x)", "p against swish"] <= 1
    assert (tmp_path / "activation_search.png").stat().st_size > 10_000
