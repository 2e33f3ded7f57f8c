"""GAIL and AIRL on every space, saved, resumed, called back; their rewards outside of them; what goes wrong speaks."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import SyncVectorEnv

from lhy_rl.agents import AIRL, GAIL
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.envs.wrappers import LearnedReward, LearnedRewardVector
from lhy_rl.envs.wrappers.learned_reward import load_reward
from lhy_rl.functional.adversarial import objectives
from lhy_rl.rollouts.record_episodes import random_policy, record
from lhy_rl.rollouts.vector_envs import make_vector_env
from tests.agents.small_envs import Always, Parrot

SMALL = {"num_envs": 3, "n_steps": 8, "embedding_size": 16, "hidden_size": 16, "seed": 0}
SMALL |= {"discriminator_steps": 2, "discriminator_batch_size": 8, "discriminator_hidden_size": 16}


def recorded(make, episodes=2) -> Demonstrations:
    env = make_vector_env(make, 2)
    return record(env, random_policy(env.single_action_space, 0), episodes)


@pytest.mark.parametrize("observation", ["box", "image", "tokens", "multi", "bits", "dict"])
@pytest.mark.parametrize("action", ["discrete", "multi", "bits", "box"])
def test_every_space(observation, action):
    def make():
        return Parrot(observation, action)

    inputs = {"core": "gru", "discriminator_inputs": "state"} if action == "bits" else {}
    inputs |= {"generator": "a2c", "discriminator_inputs": "state_next_state"} if action == "multi" else {}
    agent = GAIL(make, demonstrations=recorded(make), **SMALL, **inputs).learn(30)
    obs, _ = agent.env.reset(seed=0)
    assert all(a in agent.env.single_action_space for a in agent.predict(obs)[0])
    AIRL(make, demonstrations=recorded(make), state_only=action != "box", **SMALL).learn(30)


@pytest.mark.parametrize("objective", objectives.names())
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_every_objective(objective, spectral_norm):
    options = {"objective": objective, "spectral_norm": spectral_norm, "discriminator_dropout": 0.2}
    rows = []
    agent = GAIL(lambda: Parrot(), demonstrations=recorded(Parrot), **SMALL, **options)
    agent.learn(60, callback=lambda agent, metrics: rows.append(dict(metrics)))
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert {"train/discriminator_accuracy", "train/absorbing_reward", "rollout/learned_reward_mean"} <= set(rows[0])


def text_env(num_envs=4):
    return gymnasium.make_vec(
        "lhy_rl/OracleText-v0", num_envs=num_envs, vocabulary_size=6, max_length=5, hidden_size=4, embedding_size=4,
        train_size=50, validation_size=10, test_size=10, autoreset_mode="SameStep",
    )  # fmt: skip


@pytest.mark.parametrize("kind", [GAIL, AIRL])
def test_resuming_is_bit_for_bit(kind, tmp_path):
    env = text_env(2)
    demonstrations = record(env, random_policy(env.single_action_space, 0), 4)

    def make(seed=0):
        return kind(text_env(), demonstrations=demonstrations, **{**SMALL, "seed": seed}, discriminator_dropout=0.1)

    whole = make().learn(32 * 6)
    begun = make()
    begun.learn(32 * 6, callback=lambda agent, metrics: agent.num_updates < 3)
    archive.write(tmp_path / "state.zip", begun.state_dict())
    resumed = make()
    resumed.load_state_dict(archive.read(tmp_path / "state.zip"))
    resumed.learn(32 * 3, reset_num_timesteps=False)
    for name in ("policy", "discriminator.network"):
        a, b = (eval(f"agent.{name}", {"agent": agent}) for agent in (whole, resumed))
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_the_task_s_reward_is_never_used():
    class Paid(Parrot):
        def step(self, action):
            obs, reward, *rest = super().step(action)
            return obs, 100 * reward, *rest

    agents = []
    for make in (Parrot, Paid):
        env = SyncVectorEnv([make] * 2, autoreset_mode="SameStep")
        agents.append(GAIL(env, demonstrations=recorded(Parrot), **SMALL).learn(60))
    for a, b in zip(*(agent.policy.parameters() for agent in agents), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", [GAIL, AIRL])
def test_saved_agents_and_rewards(kind, tmp_path):
    demonstrations = recorded(lambda: Always("terminated"))
    agent = kind(lambda: Always("terminated"), demonstrations=demonstrations, **SMALL).learn(60)
    agent.save(tmp_path / "agent")
    again = kind.load(tmp_path / "agent", lambda: Always("terminated"))
    obs = np.zeros((4, 1), np.float32)
    np.testing.assert_array_equal(agent.predict(obs, deterministic=True)[0], again.predict(obs, deterministic=True)[0])
    with pytest.raises(UserError, match="imitation needs demonstrations"):
        again.learn(60)
    agent.save_reward(tmp_path / "reward.zip")
    steps = demonstrations.transitions
    loaded = load_reward(tmp_path / "reward.zip")
    found = [net(steps.obs, steps.actions, steps.next_obs, steps.terminated) for net in (agent.reward, loaded)]
    assert torch.equal(*found)
    ends = found[0][torch.as_tensor(steps.terminated)]
    assert torch.allclose(ends - ends[0], torch.zeros_like(ends), atol=1e-5) or kind is GAIL


def test_learned_rewards_are_paid_single_and_batched(tmp_path):
    sb3 = pytest.importorskip("stable_baselines3")

    def make():
        return Parrot("box", "multi")

    agent = GAIL(make, demonstrations=recorded(make), **SMALL).learn(30)
    agent.save_reward(tmp_path / "reward.zip")
    one = LearnedReward(make(), tmp_path / "reward.zip")
    many = [
        LearnedRewardVector(SyncVectorEnv([make] * 2, autoreset_mode=mode), tmp_path / "reward.zip")
        for mode in ("NextStep", "SameStep")
    ]
    one.reset(seed=5)
    for env in many:
        env.reset(seed=5)
    for _ in range(8):
        _, reward, _, _, info = one.step(np.array([2, 1]))
        for env in many:
            _, rewards, _, _, infos = env.step(np.array([[2, 1], [2, 1]]))
            assert rewards[0] == pytest.approx(reward, abs=1e-6) and infos["task_reward"][0] == info["task_reward"]
    assert many[0].step(np.array([[2, 1], [2, 1]]))[1].tolist() == [0, 0]  # that step only begins the next episode
    sb3.PPO("MlpPolicy", one, n_steps=16, batch_size=16).learn(32)
    with pytest.raises(UserError, match="learned in another environment"):
        LearnedReward(Parrot("image", "multi"), tmp_path / "reward.zip")
    agent.save(tmp_path / "agent.zip")
    with pytest.raises(UserError, match="no learned reward"):
        load_reward(tmp_path / "agent.zip")


def test_an_end_is_worth_the_absorbing_state_s_return():
    """Reward, then gamma r_abs / (1 - gamma) at an end by the task; nothing at a time limit."""
    for ending in ("terminated", "truncated"):
        options = {**SMALL, "n_steps": 20, "normalize_rewards": False, "discriminator_steps": 0, "gamma": 0.9}
        demonstrations = recorded(lambda: Always("terminated"))
        agent = GAIL(lambda ending=ending: Always(ending), demonstrations=demonstrations, **options)
        steps = agent.collector.collect(20)
        discriminator, played = agent.discriminator, steps.transitions()
        discriminator.train(steps)
        discriminator.relabel(steps)
        plain = discriminator.transform(discriminator.network.score(discriminator.features(played))).view(20, 3)
        bonus = 0.9 * discriminator.absorbing_reward() / (1 - 0.9) * (ending == "terminated")
        torch.testing.assert_close(steps.rewards[9], plain[9] + bonus)
        torch.testing.assert_close(steps.rewards[:9], plain[:9])


def test_last_observations_are_those_before_the_reset():
    agent = GAIL(lambda: Parrot(length=4), demonstrations=recorded(Parrot), **SMALL, normalize_observations=True)
    steps = agent.collector.collect(8)
    rows = steps.transitions()
    after = [{(t, i): last for t, i, last in steps.final_obs}[t, i] for t in (3, 7) for i in range(3)]
    np.testing.assert_array_equal(rows.next_obs.reshape(8, 3, 4)[[3, 7]].reshape(6, 4), np.stack(after))
    assert set(np.unique(rows.obs)) == {0.0, 1.0}  # as the environment gave them, though the policy sees them scaled


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward": "logd"}, "did you mean 'log_d'"),
        ({"generator": "pppo"}, "did you mean 'ppo'"),
        ({"discriminator": "mpl"}, "did you mean 'mlp'"),
        ({"discriminator_inputs": "sate"}, "did you mean 'state'"),
        ({"gamma": 1.0}, "gamma is 1"),
        ({"replay": 0}, "replay is 0"),
        ({"objective": "began", "discriminator": "mlp"}, "do not fit together"),
        ({"trajectories": 9}, "the number of demonstrations is 9"),
    ],
)
def test_bad_options_are_one_line(options, message):
    with pytest.raises(UserError, match=message) as error:
        GAIL(lambda: Parrot(), demonstrations=recorded(Parrot), **{**SMALL, **options})
    assert "\n" not in str(error.value)


def test_demonstrations_of_another_task_are_refused():
    with pytest.raises(UserError):
        GAIL("CartPole-v1", demonstrations=recorded(Parrot), **SMALL)
    with pytest.raises(UserError, match="core must be null"):
        AIRL(lambda: Parrot(), demonstrations=recorded(Parrot), **SMALL, core="gru")
    with pytest.raises(UserError, match="discriminator_inputs is 'state' and must be state_action_next_state"):
        AIRL(lambda: Parrot(), demonstrations=recorded(Parrot), **SMALL, discriminator_inputs="state")


def test_subsampling_does_not_change_how_often_the_expert_ends():
    from lhy_rl.agents.rewards.transition_discriminator import ExpertTransitions

    whole = recorded(lambda: Always("terminated"), 4)
    assert (
        ExpertTransitions.of(whole, 1, 0).termination_rate
        == ExpertTransitions.of(whole, 7, 0).termination_rate
        == pytest.approx(4 / 40)
    )
    cut = replace(whole, episodes=[replace(episode, terminated=False, truncated=True) for episode in whole.episodes])
    assert ExpertTransitions.of(cut, 1, 0).termination_rate == 0.0


def test_the_former_name_of_an_option_is_accepted_with_a_line():
    with pytest.warns(FutureWarning, match="every is called subsample now"):
        agent = GAIL(lambda: Parrot(), demonstrations=recorded(Parrot), **SMALL, every=3)
    assert agent.hyperparameters["subsample"] == 3
    with pytest.raises(UserError, match="both are given"):
        GAIL(lambda: Parrot(), demonstrations=recorded(Parrot), **SMALL, every=3, subsample=3)
