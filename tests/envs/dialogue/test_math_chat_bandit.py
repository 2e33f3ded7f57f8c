"""ChatBandit: its table, and how much a baseline takes from the gradient's variance, by enumeration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ScriptedExpert
from lhy_rl.envs.dialogue.chat_bandit import ChatBandit, ChatBanditEnv


def gradient_variance(table: np.ndarray, baseline: float) -> float:
    """Of one sample's policy gradient at the uniform policy over all prompts, summed over a table of logits.

    g(x, y) = (R(x, y) - b) (e_y - 1/Y) in the row of x, and E g is the same for every b.
    """
    prompts, replies = table.shape
    score = np.eye(replies) - 1 / replies  # grad log pi(y|x)
    samples = (table - baseline)[:, :, None] * score  # (X, Y, Y): each in its prompt's row
    mean = samples.mean(1) / prompts
    return float((samples**2).sum(2).mean() - (mean**2).sum())


def test_a_baseline_takes_most_of_the_variance() -> None:
    ratios = [
        gradient_variance(table, 0.0) / gradient_variance(table, float(table.mean()))
        for table in (ChatBandit(1, table_seed=seed).reward_table for seed in range(5))
    ]
    assert min(ratios) > 20 and np.mean(ratios) == pytest.approx(28, abs=2)


def test_rewards_and_scores() -> None:
    env = ChatBandit(500, autoreset_mode="Disabled")
    prompts, _ = env.reset(seed=0)
    table = env.reward_table
    assert table.shape == (20, 20) and table.min() >= 5 and table.max() <= 10
    action = np.arange(500) % 20
    _, rewards, ended, _, infos = env.step(action)
    np.testing.assert_array_equal(rewards, table[prompts, action])
    assert ended.all()
    np.testing.assert_allclose(infos["score"], (rewards - table.mean()) / (table.max(1).mean() - table.mean()))


def test_the_expert_gives_the_best_replies() -> None:
    env = ChatBandit(20_000, autoreset_mode="Disabled")
    env.reset(seed=0)
    assert isinstance(env, ScriptedExpert)
    _, rewards, *_, infos = env.step(env.expert_action())
    assert rewards.mean() == pytest.approx(env.best_reward, abs=0.01)
    assert infos["score"].mean() == pytest.approx(1, abs=0.01)
    env.reset(seed=0)
    random = env.step(np.random.default_rng(7).integers(20, size=20_000))[4]["score"]
    assert random.mean() == pytest.approx(0, abs=0.02)


def test_the_table_is_the_seeds() -> None:
    np.testing.assert_array_equal(ChatBandit(1).reward_table, ChatBandit(3).reward_table)
    assert (ChatBandit(1, table_seed=1).reward_table != ChatBandit(1).reward_table).all()


def test_words() -> None:
    env = ChatBanditEnv(render_mode="ansi", text=True)
    env.reset(seed=0)
    assert env.render() == "- Where were you?\n- "
    assert env.step(5)[4]["text"] == "- Where were you?\n- I would love to. (5.4)"


@pytest.mark.parametrize("options", [{"num_prompts": 0}, {"num_replies": 21}, {"table_seed": -1}])
def test_bad_arguments_are_one_line(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(options))):
        ChatBandit(1, **options)
