"""A short training's trace, so that a change that claims to change nothing can show it.

Numbers, not a hash: processors round differently in the last places. A change that means to change the trace
replaces the numbers with those that the failure prints.
"""

import numpy as np

from lhy_rl.agents import SeqGAN
from tests.agents.tiny import make_env

GOLDEN = [1.2927, 1.4504, 1.4196, 0.547, 1.3575, 1.391, 0.5332, 1.2717, 1.379, 0.5379, 1.3096]


def test_trace():
    env = make_env(16, train_size=320, validation_size=64)
    rows = []
    SeqGAN(
        env,
        hidden_size=6,
        embedding_size=5,
        pretrain_epochs=2,
        discriminator="cnn_small",
        discriminator_pretrain_steps=4,
        discriminator_steps=2,
        rollouts=3,
    ).learn(16 * 4 * 3, callback=lambda agent, metrics: rows.append(metrics))
    keys = ("train/nll", "train/discriminator_loss", "rollout/ep_rew_mean", "train/entropy")
    trace = [round(row[key], 4) for row in rows for key in keys if key in row]
    np.testing.assert_allclose(trace, GOLDEN, atol=2e-3, err_msg=f"now: {trace}")
