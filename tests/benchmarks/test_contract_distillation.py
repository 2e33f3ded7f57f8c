"""The benchmark of distillation runs in small, and compares networks of the sizes that it names."""

from benchmarks.distillation import ARMS, TEACHERS
from tests.benchmarks.quick import quick


def test_distillation(tmp_path):
    rows = quick("distillation", tmp_path)
    values = {(row.task, row.variant, row.metric): row.value for row in rows}
    for task in TEACHERS:
        for arm in ARMS:
            assert values[task, arm, "weights"] <= values[task, "teacher", "weights"] / 10
            assert (task, arm, "share") in values
    recall = {variant: value for (task, variant, metric), value in values.items() if metric == "recall of the 3"}
    assert recall["hard labels"] == 0 < recall["distill, bias corrected"]
