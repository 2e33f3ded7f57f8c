"""Self-play finds the best moves of a game that is solved, and agrees in a negotiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lhy_rl.agents import SelfPlay
from tests.agents.small_games import Nim

OPTIONS = {"n_games": 128, "hidden_sizes": [32], "batch_size": 256, "learning_rate": 5e-3, "entropy_coef": 0.01}


@pytest.mark.parametrize("options", [{}, {"policies": "independent"}, {"opponents": "pool"}], ids=str)
def test_nim_is_solved(options):
    agent = SelfPlay(Nim(7), **OPTIONS, **options).learn(20_000)
    heaps = np.array([7])  # where player 0 begins: it leaves a multiple of four
    obs = np.eye(8, dtype=np.float32)[heaps]
    mask = np.arange(3) < heaps[:, None]
    actions, _ = agent.predict(obs, deterministic=True, action_masks=mask)
    assert actions.tolist() == [2]
    assert agent.evaluate(50)["first_mover_return"] == 1.0
    assert agent.evaluate(400, "random")["mean_return"] > 0.6


def test_two_bots_with_one_interest_agree():
    torch.set_num_threads(1)
    agent = SelfPlay(
        "lhy_rl/negotiation_v0", n_games=256, hidden_sizes=[64], activation="relu", learning_rate=3e-3, batch_size=512
    )
    before = agent.evaluate(300, deterministic=False)
    agent.learn(40_000)
    after = agent.evaluate(300)
    assert before["agreement"] < 0.5
    assert after["agreement"] > 0.8
    assert after["joint"] > before["joint"] + 5
