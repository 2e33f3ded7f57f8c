"""The benchmark of the dialogues runs in small and says something."""

from tests.benchmarks.quick import quick


def test_dialogue(tmp_path):
    rows = {(row.task, row.agent, row.variant, row.metric): row.value for row in quick("dialogue", tmp_path)}
    setting = "env3, 15 % errors"
    ours, rule, chance = (rows["SlotFilling", who, setting, "return"] for who in ("ppo", "handcrafted", "random"))
    assert ours > 10 and rule > 13 and chance < -10
    assert rows["SlotFilling", "handcrafted", "env1, no errors", "success"] == 1
    assert 12.9 < rows["TwentyQuestions", "optimum", "", "return"] < 13.6
    assert rows["TwentyQuestions", "dagger", "gru", "return"] > rows["TwentyQuestions", "dagger", "no memory", "return"]
    with_baseline = rows["ChatBandit", "reinforce", "mean as baseline", "score"]
    assert with_baseline > 0.85 > rows["ChatBandit", "reinforce", "no baseline", "score"]
    assert (tmp_path / "dialogue.png").read_bytes().startswith(b"\x89PNG")
