"""A policy rewarded for fluency becomes fluent, repeats itself, and is caught; KL to where it began holds it."""

import warnings

import gymnasium
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.agents import Reinforce
from lhy_rl.agents.common.collapse_alarm import CollapseAlarm, CollapseWarning
from lhy_rl.agents.rewards.fluency import FluencyReward

TEXT = {"corpus": "chatterbot-english", "vocabulary_size": 60, "max_length": 6, "reward": "none", "unique": False}


@pytest.mark.parametrize("kl_coef", [0.0, 3.0])
def test_fluency_alone_collapses_and_the_alarm_goes_off(kl_coef):
    envs = gymnasium.make_vec("lhy_rl/CorpusText-v0", num_envs=64, autoreset_mode="SameStep", **TEXT)
    agent = Reinforce(
        envs, reward_model=FluencyReward(), pretrain_epochs=4, kl_coef=kl_coef, learning_rate=0.02, hidden_size=16,
        embedding_size=16, seed=0,
    )  # fmt: skip
    found, alarm = [], CollapseAlarm(agent.task, sentences=100, interval=10)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        agent.learn(6_000, callback=[lambda _, metrics: found.append(metrics), alarm])
    perplexity = [row["rollout/perplexity"] for row in found if "rollout/perplexity" in row]
    lines = [str(w.message) for w in caught if issubclass(w.category, CollapseWarning)]
    if kl_coef:
        assert not lines and not alarm.collapsed and perplexity[-1] > 0.5 * perplexity[0]
    else:
        assert len(lines) == 1 and alarm.collapsed and perplexity[-1] < 0.3 * perplexity[0]
