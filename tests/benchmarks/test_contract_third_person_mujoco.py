"""The benchmark of third-person imitation in MuJoCo runs in small and says something."""

from tests.benchmarks.quick import quick
from tests.graphics import needs_mujoco


def test_third_person_mujoco(tmp_path):
    needs_mujoco()
    rows = {(row.agent, row.metric): row.value for row in quick("third_person_mujoco", tmp_path)}
    agents = ("random", "does nothing", "expert", "true reward", "third person")
    assert rows.keys() == {(agent, metric) for agent in agents for metric in ("score", "return")}
    assert all(0 <= value <= 50 for (_, metric), value in rows.items() if metric == "return")
    assert rows["does nothing", "score"] == 0 and rows["expert", "score"] == 1 and rows["random", "score"] < 0
    assert (tmp_path / "third_person_mujoco.png").stat().st_size > 5000
