"""The benchmark of third-person imitation in MuJoCo runs in small and says something."""

import subprocess
import sys

from benchmarks.harness import load
from benchmarks.tables import ROOT
from tests.graphics import needs_mujoco


def test_third_person_mujoco(tmp_path):
    needs_mujoco()
    command = [sys.executable, "-m", "benchmarks.third_person_mujoco", "--quick", "--output", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # a display of its own, which no other test ends
    rows = {(row.agent, row.metric): row.value for row in load("third_person_mujoco", tmp_path)}
    agents = ("random", "does nothing", "expert", "true reward", "third person")
    assert rows.keys() == {(agent, metric) for agent in agents for metric in ("score", "return")}
    assert all(0 <= value <= 50 for (_, metric), value in rows.items() if metric == "return")
    assert rows["does nothing", "score"] == 0 and rows["expert", "score"] == 1 and rows["random", "score"] < 0
    assert (tmp_path / "third_person_mujoco.png").stat().st_size > 5000
