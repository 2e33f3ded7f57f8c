"""A pointer network learns tours by reward alone; a network that knows the cities by their numbers does not."""

import gymnasium
import torch

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import Reinforce
from lhy_rl.envs.pointer.tours import nearest_neighbour, tour_length
from lhy_rl.rollouts.full_episodes import collect_episodes


def greedy(seed, **options):
    """The mean length of greedy tours through eight cities after a few updates, in those of the nearest neighbour."""
    env = gymnasium.make_vec("lhy_rl/Tour-v0", num_envs=96, num_cities=8, reward_at="end")
    agent = Reinforce(
        env, core=None, critic="none", hidden_size=32, embedding_size=32, learning_rate=0.003, episodes_per_start=8,
        seed=seed, **options,
    )  # fmt: skip
    agent.learn(60 * 96 * 8)
    torch.manual_seed(0)
    episodes = collect_episodes(env, agent.policy.eval(), 123, deterministic=True)
    cities = episodes.obs["source"][0].numpy()
    return float(-episodes.rewards.sum(0).mean()) / tour_length(cities, nearest_neighbour(cities)).mean()


def test_a_pointer_learns_tours():
    assert greedy(0, head="pointer", source_encoder="transformer", num_layers=2) < 1.15
    assert greedy(0, source_encoder=None) > 1.3
