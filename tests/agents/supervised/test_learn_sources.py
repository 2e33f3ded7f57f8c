"""What attention and copying are for: sources that one vector does not hold, and words that were never written."""

import numpy as np
import pytest

from benchmarks.echo import Echo
from lhy_rl.agents import MLE, PPO
from lhy_rl.core.errors import UserError
from lhy_rl.nn.decoding import sample
from lhy_rl.rollouts.evaluate_policy import play

SMALL = {"core": "gru", "hidden_size": 48, "embedding_size": 24, "critic": "none", "seed": 0}


def answers(task, steps, **options):
    """Greedy answers to test sources after so many gradient steps, and what is right, (N, T) tokens."""
    agent = MLE(task, learning_rate=0.007, gradient_steps=steps, **SMALL, **options).learn(1)
    test = task.sequences("test")
    return sample(agent.policy.eval(), task, len(test), temperature=0.0, answered=test).tokens, test.tokens


def test_attention_reverses_what_is_too_long_for_one_vector():
    task, right = Echo(4, words=6, longest=12, shortest=11), {}
    for attention in ("dot", "none"):
        written, target = answers(task, 120, attention=attention)
        right[attention] = (written == target)[target != task.pad_token].mean()
    assert right["dot"] > 0.7
    assert right["none"] < 0.6


def test_attention_that_knows_where_it_looked_reverses_what_is_longer_than_it_learned():
    task, right = Echo(4, words=6, longest=10, learned=6), {}
    assert (task.sequences("train").lengths <= 7).all() and (task.sequences("test").lengths == 11).all()
    for attention in ("location", "additive"):
        written, target = answers(task, 100, attention=attention, source_bidirectional=True)
        right[attention] = (written == target)[target != task.pad_token].mean()
    assert right["location"] > 0.7
    assert right["additive"] < 0.5


def test_copying_writes_words_that_were_never_written_in_training():
    task, right = Echo(4, words=20, longest=4, shortest=4, backwards=False, new_words=8), {}
    for copy in (True, False):
        written, target = answers(task, 150, copy=copy)
        new = (target > 12) & (target <= 20)
        assert (new.sum(1) == 1).all() and not np.isin(np.arange(13, 21), task.sequences("train").tokens).any()
        right[copy] = (written == target)[new].mean()
    assert right[True] > 0.5
    assert right[False] < 0.05


def test_a_reward_teaches_to_copy_backwards():
    options = {"words": 4, "longest": 3, "shortest": 2}
    agent = PPO(
        Echo(32, **options), n_steps=32, batch_size=256, n_epochs=4, core="gru", hidden_size=32, learning_rate=3e-3,
        entropy_coef=0.01, gae_lambda=0.9, copy=True, seed=0,
    )  # fmt: skip

    def act(obs, state, start, mask):
        return agent.predict(obs, state, start, deterministic=True)

    def mean_return():
        return play(act, Echo(50, autoreset_mode="SameStep", **options), 100, 1)[0].mean()

    before = mean_return()
    agent.learn(8_000)
    assert before < 0.5
    assert mean_return() > 0.85


@pytest.mark.parametrize("penalty", ["coverage", "doubly_stochastic"])
def test_a_penalty_lowers_what_it_penalises(penalty):
    """And is logged beside the likelihood, which does not hold it."""
    task, found = Echo(4, words=4, longest=8, shortest=6, backwards=False), {}
    for coef in (0.0, 2.0):
        rows = []
        options = {**SMALL, "attention_penalty": penalty, "attention_penalty_coef": coef}
        agent = MLE(task, learning_rate=0.007, gradient_steps=40, **options)
        agent.learn(1, callback=lambda agent, metrics, rows=rows: rows.append(metrics))
        agent.learn(1, callback=lambda agent, metrics, rows=rows: rows.append(metrics), reset_num_timesteps=False)
        found[coef] = rows[-1]["train/attention_penalty"]
        assert 0 < rows[-1]["train/nll"] < 1.7
    assert found[2.0] < 0.8 * found[0.0]


def test_a_penalty_needs_an_attention():
    with pytest.raises(UserError, match="attention_penalty needs a source and an attention"):
        MLE(Echo(4), **SMALL, attention="none", attention_penalty="coverage")
    with pytest.raises(UserError, match="did you mean 'coverage'"):
        MLE(Echo(4), **SMALL, attention_penalty="coverge")
