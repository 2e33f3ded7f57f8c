"""What maximum likelihood on texts promises beside what all agents do."""

from __future__ import annotations

import pytest

from lhy_rl.agents import MLE
from lhy_rl.core.errors import UserError
from lhy_rl.envs.vision.scene_caption import SceneCaption

SMALL = {"core": "gru", "hidden_size": 8, "critic": "none", "seed": 0, "device": "cpu", "learning_rate": 0.2}


def rate(agent: MLE) -> float:
    return float(agent.likelihood.optimizer.param_groups[0]["lr"])


def test_a_linear_schedule_ends_near_zero() -> None:
    task, rates = SceneCaption(2, objects=1, captions=256), []  # four batches of 64 captions with 6 words
    agent = MLE(task, gradient_steps=1, learning_rate_schedule="linear", **SMALL)
    agent.learn(4 * 64 * 6, callback=lambda agent, metrics: rates.append(rate(agent)))
    assert rates == pytest.approx([0.2, 0.15, 0.1, 0.05])
    agent.learn(2 * 64 * 6, reset_num_timesteps=False, callback=lambda agent, metrics: rates.append(rate(agent)))
    assert rates[4:] == pytest.approx([0.2 / 3, 0.1 / 3])
    constant = MLE(task, gradient_steps=1, **SMALL).learn(4 * 64 * 6)
    assert rate(constant) == 0.2


def test_an_unknown_schedule_is_one_line() -> None:
    with pytest.raises(UserError, match="did you mean 'linear'"):
        MLE(SceneCaption(2, captions=10), learning_rate_schedule="linaer", **SMALL)
