"""The benchmark of negotiation runs in small and says something."""

from tests.benchmarks.quick import quick


def test_negotiation(tmp_path):
    rows = {(row.task, row.agent, row.variant, row.metric): row.value for row in quick("negotiation", tmp_path)}
    ours, chance = (rows["against random", who, "held-out contexts", "own points"] for who in ("ppo", "random"))
    assert ours > 3.5 > 2.5 > chance
    assert 14.9 < rows["optimum", "joint", "training contexts", "joint points"] < 15.2
    assert rows["speed", "lhy_rl", "1,024 games", "moves a CPU-second"] > 200_000
    assert (tmp_path / "negotiation.png").read_bytes().startswith(b"\x89PNG")
