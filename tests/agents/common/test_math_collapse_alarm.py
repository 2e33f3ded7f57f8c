"""The alarm for policies that repeat themselves: what it measures by hand, when it warns, and what it leaves alone."""

import warnings

import gymnasium
import numpy as np
import pytest
import torch

import lhy_rl  # noqa: F401
from lhy_rl.agents import MLE
from lhy_rl.agents.common.collapse_alarm import CollapseAlarm, CollapseWarning
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TokenSequences


class Task:
    """As much of a text task as the alarm needs: 0 ends a sentence."""

    end_token = 0

    def __init__(self, rows):
        self.rows = rows

    def sequences(self, split):
        return packed(self.rows)


def packed(rows):
    lengths = np.array([len(row) for row in rows])
    tokens = np.full((len(rows), max(lengths)), 99)
    for into, row in zip(tokens, rows, strict=True):
        into[: len(row)] = row
    return TokenSequences(tokens, lengths)


DATA = [[1, 2, 3, 0], [4, 5, 6, 0], [7, 8, 9, 0], [1, 5, 9, 0]]


def test_measures_by_hand_and_at_equal_counts():
    """Written: 10 tokens without ends; of the data's 12 the first 10 count: bigrams 12 23 45 56 78 89, and nothing of
    the last sentence's one token."""
    alarm = CollapseAlarm(Task(DATA), share=0.1)
    row = alarm.check(packed([[1, 2, 3, 0], [1, 2, 3, 0], [1, 2, 0], [3, 3, 0], [9, 9, 9, 9, 0]]))
    assert row["distinct2"] == pytest.approx(3 / 10)  # 12, 23, 33; the fifth sentence is one too many
    assert row["data_distinct2"] == pytest.approx(6 / 10)
    assert row["different"] == pytest.approx(3 / 4) and row["data_different"] == 1


def test_it_warns_once_in_one_line_until_the_variety_is_back():
    alarm = CollapseAlarm(Task(DATA), share=0.5)
    same, varied = packed([[1, 2, 0]] * 4), packed(DATA[::-1])
    with pytest.warns(
        CollapseWarning, match=r"distinct-2 0.125 \(the data's: 0.625\) and different sentences 0.25"
    ) as found:
        alarm.check(same)
    assert "\n" not in str(found[0].message) and alarm.collapsed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alarm.check(same)
        alarm.check(varied)
        assert not alarm.collapsed
    with pytest.warns(CollapseWarning):
        alarm.check(same)


def test_silence_is_a_collapse():
    alarm = CollapseAlarm(Task(DATA), share=0.5)
    with pytest.warns(CollapseWarning, match="different sentences 0.25"):
        alarm.check(packed([[0]] * 4))
    assert alarm.collapsed


def test_as_a_callback_it_changes_nothing():
    """The same weights with and without it; it looks every so many updates."""
    found = []
    for interval in (None, 2):
        envs = gymnasium.make_vec(
            "lhy_rl/OracleText-v0", num_envs=2, vocabulary_size=8, max_length=5, train_size=40, validation_size=20
        )
        agent = MLE(envs, hidden_size=8, embedding_size=8, dropout=0.2, gradient_steps=2, seed=0)
        alarm = CollapseAlarm(agent.task, sentences=20, interval=interval or 1, share=0.0)
        agent.learn(3000, callback=alarm if interval else None)
        found.append(torch.cat([p.detach().flatten() for p in agent.policy.parameters()]))
    assert torch.equal(*found) and alarm.calls > 2 and agent.policy.training


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CollapseAlarm(Task(DATA), share=1.5), "share is 1.5"),
        (lambda: CollapseAlarm(Task(DATA), sentences=1), "sentences is 1"),
        (lambda: CollapseAlarm(Task(DATA), interval=0), "interval is 0"),
        (lambda: CollapseAlarm(Task(DATA[:1])), "at least 2 sentences of data; given: 1"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(UserError, match=message):
        make()
