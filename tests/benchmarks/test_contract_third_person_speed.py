"""The benchmark of frames and updates runs in small, and our frames are cheaper than pygame's."""

import subprocess
import sys

from benchmarks.harness import load


def test_third_person_speed(tmp_path):
    command = [sys.executable, "-m", "benchmarks.third_person_speed", "--quick", "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    rows = load("third_person_speed", tmp_path)
    assert {row.task for row in rows} == {"a frame, 32x32", "an update of 192 pairs, 32x32"}
    faster = [row.value for row in rows if row.task.startswith("a frame") and row.metric.startswith("times")]
    assert len(faster) == 6 and min(faster) > 10
    updates = {row.agent: row.value for row in rows if row.metric == "milliseconds"}
    assert len(updates) == 3 and all(0 < value < 1000 for value in updates.values())
