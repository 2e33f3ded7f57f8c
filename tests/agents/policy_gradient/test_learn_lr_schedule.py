"""PPO learns which learning rates train a network, and keeps to them on instances that it never trained."""

import numpy as np

from lhy_rl.agents import PPO
from lhy_rl.envs.search.lr_schedule import LRSchedule

SMALL = {"decisions": 4, "batch_size": 60, "hidden_size": 16}


def mean_return(act, episodes=64):
    """The mean return on held-out instances."""
    env = LRSchedule(episodes, split="test", autoreset_mode="NextStep", **SMALL)
    obs, _ = env.reset(seed=5)
    total, going = np.zeros(episodes), np.ones(episodes, bool)
    while going.any():
        obs, rewards, terminated, *_ = env.step(act(obs))
        total += rewards * going
        going &= ~terminated
    return total.mean()


def test_ppo_beats_chance_and_the_middle_rate_on_held_out_instances():
    env = LRSchedule(64, autoreset_mode="SameStep", **SMALL)
    agent = PPO(env, core=None, n_steps=8, batch_size=128, learning_rate=3e-3, gamma=1.0, seed=0)
    agent.learn(4_096)
    rng = np.random.default_rng(0)
    chance = mean_return(lambda obs: rng.integers(7, size=len(obs)))
    middle = mean_return(lambda obs: np.full(len(obs), 3))
    learned = mean_return(lambda obs: agent.predict(obs, deterministic=True)[0])
    assert learned > chance + 0.5
    assert learned > middle + 0.3
