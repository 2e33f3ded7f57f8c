"""Any algorithm of SB3's as the generator: what it is paid, when the discriminator learns, and what its buffer says."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.envs.wrappers.learned_reward import load_reward
from lhy_rl.rollouts.record_episodes import random_policy, record

pytest.importorskip("stable_baselines3")
from stable_baselines3 import DQN, PPO, SAC

from lhy_rl.agents.adversarial.sb3_vec_reward import AdversarialReward, FreshRewards
from lhy_rl.interop.sb3 import to_sb3

SMALL = {"discriminator_batch_size": 8, "discriminator_hidden_size": 16, "discriminator_steps": 2}


def make(name, num_envs=2):
    options = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": "SameStep"}}
    return gymnasium.make_vec(name, num_envs=num_envs, **options)


def rewarded(name, n_steps=16, gamma=0.99, **options):
    env = make(name)
    demonstrations = record(env, random_policy(env.single_action_space, 0), 2)
    return AdversarialReward(to_sb3(make(name)), demonstrations, n_steps=n_steps, gamma=gamma, **SMALL, **options)


def test_ppo_is_paid_by_a_discriminator_that_learns(tmp_path):
    env = rewarded("CartPole-v1")
    before = {name: x.clone() for name, x in env.reward_model.network.state_dict().items()}
    model = PPO("MlpPolicy", env, n_steps=16, batch_size=16, n_epochs=1).learn(64)
    assert env.reward_model.num_steps == 2 * 64 // 16 and 0 <= env.metrics["train/discriminator_accuracy"] <= 1
    assert any(not torch.equal(x, before[name]) for name, x in env.reward_model.network.state_dict().items())
    assert len(np.unique(model.rollout_buffer.rewards)) > 4  # CartPole's own is always 1
    env.save_reward(tmp_path / "reward.zip")
    again, steps = load_reward(tmp_path / "reward.zip"), env.reward_model.expert.transitions
    found = again(steps.obs, steps.actions, steps.next_obs, steps.terminated)
    np.testing.assert_allclose(found.numpy(), env.rewards(steps), rtol=1e-5, atol=1e-5)


def test_the_last_observation_is_rewarded_and_not_the_next_beginning():
    env = rewarded("CartPole-v1", n_steps=10_000)
    env.reset()
    kept = []
    env.played = kept.append
    for _ in range(60):
        _, rewards, done, infos = env.step(np.ones(2, np.int64))
        assert [info["task_reward"] for info in infos] == [1.0, 1.0] and rewards.dtype == np.float32
        for i in np.flatnonzero(done):
            np.testing.assert_array_equal(kept[-1].next_obs[i], infos[i]["terminal_observation"])
            assert kept[-1].terminated[i]
    assert np.concatenate([steps.start for steps in kept]).sum() > 4


@pytest.mark.parametrize(("kind", "name"), [(SAC, "Pendulum-v1"), (DQN, "CartPole-v1")])
def test_a_buffer_says_what_steps_are_worth_now(kind, name):
    env = rewarded(name)
    options = {"replay_buffer_class": FreshRewards, "replay_buffer_kwargs": {"venv": env}}
    model = kind("MlpPolicy", env, learning_starts=10, buffer_size=200, batch_size=8, **options).learn(40)
    buffer = model.replay_buffer
    where = np.arange(5)
    one = buffer._get_samples(where)
    taken = buffer._env_actions(one.actions.numpy())
    assert all(action in env.action_space for action in taken.astype(env.action_space.dtype))
    ends = one.dones.flatten().bool().numpy()
    plain = Transitions(one.observations.numpy(), taken, one.next_observations.numpy(), np.zeros(5), ends, ends)
    np.testing.assert_allclose(one.rewards.flatten().numpy(), env.rewards(plain), rtol=1e-5)
    with torch.no_grad():
        for parameter in env.reward_model.network.parameters():
            parameter.mul_(0.5)
    assert not np.allclose(buffer._get_samples(where).rewards.numpy(), one.rewards.numpy())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "gaan"}, "objective"),
        ({"discriminator": "shaped"}, "AIRL"),
        ({"n_steps": 0}, "n_steps"),
        ({"gamma": 1.0}, "gamma is 1"),
        ({"replay": 0}, "replay"),
    ],
)
def test_bad_options_are_one_line(options, message):
    with pytest.raises(UserError, match=message):
        rewarded("CartPole-v1", **options)


def test_other_spaces_and_no_demonstrations_are_refused():
    with pytest.raises(UserError, match="AdversarialReward needs demonstrations"):
        AdversarialReward(to_sb3(make("CartPole-v1")), None)
    with pytest.raises(UserError):
        AdversarialReward(to_sb3(make("CartPole-v1")), "pendulum-expert")
    with pytest.raises(UserError, match="to_sb3"):
        AdversarialReward(make("CartPole-v1"), "cartpole-expert")
