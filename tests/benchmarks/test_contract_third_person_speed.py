"""The benchmark of frames and updates runs in small, and our frames are cheaper than pygame's."""

from tests.benchmarks.quick import quick


def test_third_person_speed(tmp_path):
    rows = quick("third_person_speed", tmp_path)
    assert {row.task for row in rows} == {"a frame, 32x32", "an update of 192 pairs, 32x32"}
    faster = [row.value for row in rows if row.task.startswith("a frame") and row.metric.startswith("times")]
    assert len(faster) == 6 and min(faster) > 10
    updates = {row.agent: row.value for row in rows if row.metric == "milliseconds"}
    assert len(updates) == 3 and all(0 < value < 1000 for value in updates.values())
