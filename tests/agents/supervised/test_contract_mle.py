"""What maximum likelihood on texts promises beside what all agents do."""

from __future__ import annotations

import pytest
import torch

from lhy_rl.agents import MLE
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TOKEN
from lhy_rl.envs.vision.scene_caption import SceneCaption
from lhy_rl.nn.decoding import teacher_forcing

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


def test_hidden_words_are_read_as_the_start_token_and_learned_all_the_same() -> None:
    task = SceneCaption(2, objects=1, captions=256)
    agents = [MLE(task, gradient_steps=4, word_dropout=share, **SMALL) for share in (0.0, 0.5)]
    obs, actions, _ = teacher_forcing(task.sequences("train"), task, agents[1].policy)
    read = agents[1].likelihood._hide_words(obs)[TOKEN]
    changed = read != obs[TOKEN]
    assert (read[changed] == task.start_token).all() and changed[1:].float().mean() == pytest.approx(0.5, abs=0.05)
    assert not changed[0].any() and (actions != task.start_token).all()
    plain, hidden = (agent.learn(1) for agent in agents)
    assert not torch.equal(plain.policy.actor.output.weight, hidden.policy.actor.output.weight)
    again = MLE(task, gradient_steps=4, word_dropout=0.5, **SMALL)
    again.likelihood._hide_words(obs)  # the same draws
    assert torch.equal(again.learn(1).policy.actor.output.weight, hidden.policy.actor.output.weight)
    with pytest.raises(UserError, match=r"word_dropout is 1\.0; allowed"):
        MLE(task, word_dropout=1.0, **SMALL)
