"""What is given to an agent as its reward model: a reward that was learned before, its file, a class of one's own."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.agents import A2C, GAIL, IRL, PPO, Reinforce, SeqGAN
from lhy_rl.agents.common.reward_model import RewardModel
from lhy_rl.core.errors import UserError
from lhy_rl.nn.rewards.learned_reward import load_reward

SMALL = {"num_envs": 2, "embedding_size": 8, "hidden_size": 8}


class Ones(RewardModel):
    """Rewards every step alike."""

    def rewards(self, steps):
        return np.ones(len(steps))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("rewards") / "reward.zip"
    gail = GAIL(
        "CartPole-v1", demonstrations="cartpole-expert", trajectories=1, n_steps=16, discriminator_steps=2, **SMALL
    )
    gail.learn(64).save_reward(path)
    return path


@pytest.mark.parametrize("kind", [PPO, A2C, Reinforce])
def test_a_learned_reward_is_given_as_its_file_or_as_itself(kind, path, tmp_path):
    found = []
    for given in (path, str(path), load_reward(path)):
        rows = []
        agent = kind("CartPole-v1", reward_model=given, **SMALL)
        agent.learn(64, callback=lambda agent, metrics, rows=rows: rows.append(metrics))
        found.append([row["rollout/learned_reward_mean"] for row in rows])
    assert found[0] == found[1] == found[2] != [1.0] * len(found[0])
    kind("CartPole-v1", reward_model=str(path), **SMALL).save(tmp_path / "agent")
    assert kind.load(tmp_path / "agent").reward_model is not None  # The file names the reward's file.


def test_the_reward_of_an_inverse_agent_and_a_class_of_ones_own_are_given():
    rows = []
    teacher = IRL("lhy_rl/Gridworld-v0", num_envs=1).learn(2)
    for given in (teacher, Ones, f"{__name__}:Ones", Ones()):
        agent = PPO("lhy_rl/Gridworld-v0", reward_model=given, n_steps=16, **SMALL)
        agent.learn(32, callback=lambda agent, metrics: rows.append(metrics["rollout/learned_reward_mean"]))
    assert rows[1:] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ones", "module:Class"),
        (3, "allowed: a RewardModel"),
        ("no.zip", "cannot read"),
        ("tests.agents.rewards:Zeros", "Zeros"),
        ("lhy_rl.agents.policy_gradient.ppo:PPO", "RewardModel"),
    ],
)
def test_anything_else_is_refused_in_one_line(given, message):
    with pytest.raises(UserError, match=message) as error:
        PPO("CartPole-v1", reward_model=given, **SMALL)
    assert "\n" not in str(error.value)


def test_a_reward_of_other_spaces_is_refused(path):
    with pytest.raises(UserError, match="learned in another environment"):
        PPO("Acrobot-v1", reward_model=path, **SMALL)
    with pytest.raises(UserError, match="has a reward model already"):
        GAIL("CartPole-v1", demonstrations="cartpole-expert", reward_model=Ones(), **SMALL)


@pytest.mark.parametrize("kind", [PPO, Reinforce])
def test_without_its_reward_model_an_agent_predicts_and_does_not_learn_from_other_rewards(kind, tmp_path):
    kind("CartPole-v1", reward_model=Ones(), **SMALL).save(tmp_path / "agent")
    alone = kind.load(tmp_path / "agent")
    alone.predict(np.zeros(4, np.float32))
    with pytest.raises(UserError, match="reward_model="):
        alone.learn(64)


@pytest.mark.parametrize("credit", ["prefix", "critic"])
def test_a_critic_of_prefixes_has_its_gradient_penalty(credit: str) -> None:
    env = gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=4, vocabulary_size=9, max_length=5, train_size=32)
    agent = SeqGAN(
        env, seed=0, credit=credit, objective="wgan_gp", discriminator="recurrent", baseline="critic", hidden_size=8,
        embedding_size=8, discriminator_embedding_size=8,
    )  # fmt: skip
    model, real = agent.discriminator, agent.task.sequences("train")
    model.network.train()
    penalty = model._scores(real[:6], real[6:12])[2]
    assert isinstance(penalty, torch.Tensor) and penalty > 0 and penalty.requires_grad
    model.network.eval()
    assert model._scores(real[:6], real[6:12])[2] == 0.0
