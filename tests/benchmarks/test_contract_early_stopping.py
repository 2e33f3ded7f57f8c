"""The benchmark of early termination runs in small; what it reads again is what a training gives."""

import numpy as np

from benchmarks.early_stopping import WITH, WITHOUT, Recorded
from lhy_rl.search.early_stopping import Thresholds
from tests.benchmarks.quick import quick
from tests.search.objectives import climbing, objective


def test_early_stopping(tmp_path):
    rows = {(row.variant, row.metric): row.value for row in quick("early_stopping", tmp_path, "--only", "digits-cnn")}
    assert rows[WITHOUT, "stopped"] == 0 and rows[WITHOUT, "reached"] == 1
    assert rows[WITH, "cost of 6 trials"] <= rows[WITHOUT, "cost of 6 trials"] == 18
    assert rows[WITH, "best score of 6 trials"] <= rows[WITHOUT, "best score of 6 trials"]


def test_a_recorded_training_is_stopped_where_it_would_have_been():
    fresh, recorded = objective(climbing), Recorded(objective(climbing))
    tokens, thresholds = np.array([1, 2]), Thresholds((3.0,), (-10.0,))
    recorded.evaluate(tokens, 0)
    one, two = fresh.evaluate(tokens, 0, thresholds), recorded.evaluate(tokens, 0, thresholds)
    assert one.stopped and (one.score, one.epochs, one.curve) == (two.score, two.epochs, two.curve)
