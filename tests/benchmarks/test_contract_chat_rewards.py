"""The scripts on rewards of replies and on self-play in dialogues run in small, and the results say what is claimed."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness import load
from tests.benchmarks.test_contract_benchmarks import checked


def test_chat_rewards(tmp_path: Path) -> None:
    rows = checked("chat_rewards", tmp_path)
    assert {row.variant for row in rows} == {"reward at the end", "reward for every token"}


def test_a_reward_for_every_token_learned_faster_at_full_size() -> None:
    values = {(row.agent, row.metric, row.variant): row for row in load("chat_rewards")}
    pairs = {(agent, metric) for agent, metric, _ in values if metric.startswith("return")}
    assert len(pairs) == 6
    for agent, metric in pairs:
        every, end = (values[agent, metric, f"reward {place}"] for place in ("for every token", "at the end"))
        assert every.low > end.high and every.seeds >= 3, (agent, metric)


def test_chat_selfplay(tmp_path: Path) -> None:
    rows = checked("chat_selfplay", tmp_path, "chat_selfplay.txt")
    assert {row.variant for row in rows} == {"maximum likelihood", "pmi, KL"}
    (kl,) = (row.value for row in rows if row.variant == "maximum likelihood" and row.metric == "kl")
    assert kl == 0 and "opening: " in (tmp_path / "chat_selfplay.txt").read_text(encoding="utf-8")
