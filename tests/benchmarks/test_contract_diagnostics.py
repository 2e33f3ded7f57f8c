"""The benchmark of losses and layers runs in small, and finds the closed forms of linear networks."""

import pytest

from benchmarks.diagnostics import LAYERS, NORMS
from tests.benchmarks.quick import quick


def test_diagnostics(tmp_path):
    values = {(row.task, row.variant, row.metric): row.value for row in quick("diagnostics", tmp_path)}
    assert values["saddle", "1-1-1", "negative eigenvalues at the origin"] == 1
    assert values["saddle", "1-1-1", "smallest eigenvalue at the origin"] == pytest.approx(-2)
    assert values["saddle", "1-1-1-1", "greatest entry of the Hessian at the origin"] == 0
    assert 0 <= values["saddle", "5-2-5", "loss above the optimum"] <= 1e-4
    assert values["layers", "plain, selu", "smallest variance"] > 0.7 > values["layers", LAYERS[2], "smallest variance"]
    assert len([key for key in values if key[0] == "batch norm" and key[2] == "accuracy"]) == 2 * len(NORMS)
    assert (tmp_path / "diagnostics.png").stat().st_size > 10_000
