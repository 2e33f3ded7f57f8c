"""A grid over both axes draws digits better than what knows each pixel for itself, after seconds."""

from __future__ import annotations

import math

import numpy as np

from lhy_rl.agents import MLE
from lhy_rl.nn.decoding import beam_search, nll_per_token


def test_learn_pictures_as_sentences() -> None:
    options = {"core": "grid_lstm_2d", "hidden_size": 24, "embedding_size": 8, "batch_size": 50, "gradient_steps": 12}
    agent = MLE("lhy_rl/PixelDigits-v0", critic="none", learning_rate=0.01, seed=0, **options)
    for _ in range(4):
        agent.update()
    task = agent.task
    assert nll_per_token(agent.policy, task.sequences("test"), task) / math.log(2) < 0.54  # independent pixels: 0.554
    best, score = beam_search(agent.policy, task, 3)
    assert best.tokens.shape == (3, 64) and (np.diff(score) <= 0).all()
