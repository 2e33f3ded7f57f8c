"""What a user prints first is one line that says what it is."""

from __future__ import annotations

import gymnasium
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import PPO
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.experiment import config
from lhy_rl.experiment.run import Run
from lhy_rl.interop.demonstrations import load_demonstrations
from tests.agents.small_envs import Parrot

SHOWN: Demonstrations = load_demonstrations("cartpole-expert")
ENVS = gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=2, vocabulary_size=12, max_length=5)
CORPUS = gymnasium.make_vec("lhy_rl/CorpusText-v0", num_envs=2, corpus="chatterbot-english", max_length=8)
CONFIG = config.load("ppo/cartpole")


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (PPO("CartPole-v1"), "<PPO on CartPole-v1, num_envs=8: 0 timesteps, 9,155 parameters, cpu>"),
        (PPO(lambda: gymnasium.make("Acrobot-v1"), num_envs=2), "<PPO on Acrobot-v1, num_envs=2: 0 timesteps"),
        (PPO(Parrot, num_envs=1), "<PPO on Parrot, num_envs=1: 0 timesteps"),
        (SHOWN, "<Demonstrations of CartPole-v1 by PPO: 50 episodes, 25,000 steps, return 500 +- 0>"),
        (SHOWN.episodes[0], "<Episode: 500 steps, return 500, truncated>"),
        (SHOWN.transitions, "<Transitions: 25,000 steps, 50 beginnings of episodes>"),
        (ENVS.unwrapped.sequences("test"), "<TokenSequences: 2,000 sentences, 10,000 tokens>"),
        (CORPUS.unwrapped.data, "<SentenceData of chatterbot-english: "),
        (CONFIG, "<Config ppo/cartpole: ppo on CartPole-v1, 100,000 timesteps>"),
        (Run(CONFIG), "<Run ppo on CartPole-v1: 100,000 timesteps, seed 0, on the CPU>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_contract_one_line(thing: object, said: str) -> None:
    assert repr(thing).startswith(said) and "\n" not in repr(thing) and len(repr(thing)) < 200
