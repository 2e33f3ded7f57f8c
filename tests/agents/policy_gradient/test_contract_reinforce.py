"""REINFORCE on every space, however an environment resets; what a finished instance does is not looked at."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lhy_rl.agents import Reinforce
from lhy_rl.agents.common.episode_evaluation import evaluate_episodes
from lhy_rl.core.errors import UserError
from lhy_rl.rollouts.full_episodes import collect_episodes, truncated_final_values
from tests.agents.small_envs import Always, Failing, NoChoice, Parrot

SMALL = {"num_envs": 3, "embedding_size": 16, "hidden_size": 16, "seed": 0}
MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED]


def vector(make, n=3, mode=AutoresetMode.SAME_STEP):
    return SyncVectorEnv([make] * n, autoreset_mode=mode)


class Masked(gymnasium.Env):
    """Episodes of 2 to 9 steps; each observation's mask allows one action of each choice, and pays for it.

    Where an episode has ended nothing is legal, as in games.
    """

    def __init__(self, where: str = "observation", multi: bool = False) -> None:
        self.where, self.sizes = where, [3, 2] if multi else [4]
        self.action_space = MultiDiscrete(self.sizes) if multi else Discrete(4)
        self.observation_space: Any = Box(-1, 1, (2,))
        if where == "observation":
            mask = Box(0, 1, (sum(self.sizes),), np.int8)
            self.observation_space = Dict({"action_mask": mask, "x": self.observation_space})

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(2, 10))
        return self._next()

    def step(self, action: Any) -> Any:
        assert np.array_equal(np.ravel(action), self.right), (action, self.right)
        self.left -= 1
        obs, info = self._next()
        return obs, 1.0, self.left == 0, False, info

    def _next(self) -> Any:
        self.right = [int(self.np_random.integers(n)) for n in self.sizes]
        mask = np.concatenate([np.arange(n) == a for n, a in zip(self.sizes, self.right, strict=True)]).astype(np.int8)
        mask *= self.left > 0
        x = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return ({"action_mask": mask, "x": x}, {}) if self.where == "observation" else (x, {"action_mask": mask})


@pytest.mark.parametrize("observation", ["box", "image", "tokens", "multi", "bits", "dict"])
@pytest.mark.parametrize("action", ["discrete", "multi", "bits", "box"])
@pytest.mark.parametrize("core", [None, "gru"])
def test_every_space(observation, action, core):
    rows = []
    agent = Reinforce(lambda: Parrot(observation, action), **SMALL, core=core, entropy_coef=0.01, baseline="critic")
    agent.learn(3 * 8 * 2, callback=lambda agent, metrics: rows.append(metrics))
    assert all(np.isfinite(value) for row in rows for value in row.values())
    choice, _ = agent.predict(Parrot(observation, action).reset(seed=0)[0], deterministic=True)
    assert choice in agent.env.single_action_space


class Pair(gymnasium.Env):
    """A Tuple observation, one part of it float64."""

    observation_space = gymnasium.spaces.Tuple([Discrete(3), Box(-1, 1, (2,), np.float64)])
    action_space = Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.left = 3
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        self.left -= 1
        return self.observation_space.sample(), 1.0, False, self.left == 0, {}


@pytest.mark.parametrize("baseline", ["mean", "critic", "self_critical"])
def test_tuples_of_anything(baseline):
    agent = Reinforce(Pair, **SMALL, baseline=baseline, gamma=0.9).learn(30)
    assert agent.num_timesteps == 36


@pytest.mark.parametrize("where", ["observation", "infos"])
@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("core", [None, "gru"])
@pytest.mark.parametrize("mode", MODES)
def test_masked_actions_are_never_taken(where, multi, core, mode):
    """The environment itself refuses them; at an end nothing is legal, and nobody asks."""
    rows = []
    agent = Reinforce(vector(lambda: Masked(where, multi), 8, mode), **SMALL, core=core, entropy_coef=0.1)
    agent.learn(60, callback=lambda agent, metrics: rows.append(metrics))
    for row in rows:
        assert row["rollout/ep_rew_mean"] == row["rollout/ep_len_mean"] >= 2
        assert row["train/entropy"] == pytest.approx(0.0, abs=1e-6), "one choice is none"
        assert all(np.isfinite(value) for value in row.values())


@pytest.mark.parametrize("deterministic", [False, True])
def test_predictions_heed_masks(deterministic):
    """Those of the infos are given by hand, as sb3-contrib's MaskablePPO takes them."""
    for multi in (False, True):
        agent = Reinforce(lambda multi=multi: Masked("infos", multi), **SMALL)
        envs = [Masked("infos", multi) for _ in range(6)]
        seen = [env.reset(seed=i) for i, env in enumerate(envs)]
        obs, masks = np.stack([o for o, _ in seen]), np.stack([info["action_mask"] for _, info in seen])
        actions, _ = agent.predict(obs, deterministic=deterministic, action_masks=masks)
        np.testing.assert_array_equal(actions.reshape(6, -1), [env.right for env in envs])
        action, _ = agent.predict(obs[0], deterministic=deterministic, action_masks=masks[0])
        np.testing.assert_array_equal(np.ravel(action), envs[0].right)


@pytest.mark.parametrize("core", [None, "lstm"])
def test_the_same_episodes_in_every_autoreset_mode(core):
    played = []
    for mode in MODES:
        env = vector(lambda: gymnasium.make("CartPole-v1", max_episode_steps=30), 8, mode)
        agent = Reinforce(env, **SMALL, core=core)
        played.append(collect_episodes(env, agent.policy.eval(), 5, torch.Generator().manual_seed(1)))
    first, *others = played
    assert len(set(first.lengths.tolist())) > 2 and len(first.truncated_final_obs) > 0
    for other in others:
        assert torch.equal(first.valid, other.valid)
        for name in ("obs", "actions", "rewards"):
            assert torch.equal(getattr(first, name)[first.valid], getattr(other, name)[first.valid]), name
        assert [i for i, _ in first.truncated_final_obs] == [i for i, _ in other.truncated_final_obs]
        for (_, a), (_, b) in zip(first.truncated_final_obs, other.truncated_final_obs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_gymnasiums_own_batched_environment():
    """CartPole's resets in the next step only, and its instances end at different times."""
    env = gymnasium.make_vec("CartPole-v1", num_envs=8, vectorization_mode="vector_entry_point")
    returns = []
    agent = Reinforce(env, **SMALL, core=None).learn(
        2000, callback=lambda a, m: returns.append(m["rollout/ep_rew_mean"] - m["rollout/ep_len_mean"])
    )
    assert set(returns) == {0.0} and agent.num_timesteps >= 2000


@pytest.mark.parametrize("ending", ["truncated", "terminated"])
@pytest.mark.parametrize("core", [None, "gru"])
def test_the_critic_s_opinion_follows_a_cut_and_not_an_end(ending, core):
    """Reward 1 for ever is worth 1 / (1 - gamma) = 5 from anywhere; before an end that is seen, less."""
    env = vector(lambda: Always(ending), 4)
    agent = Reinforce(env, **SMALL, core=core, baseline="critic", gamma=0.8, learning_rate=0.02, value_coef=10.0)
    agent.learn(4 * 10 * 50)
    episodes = agent.collect(0)
    returns, _ = agent.credit(episodes, torch.zeros_like(episodes.rewards))
    expected = 5.0 if ending == "truncated" else (1 - 0.8**10) / 0.2
    assert float(returns[0].mean()) == pytest.approx(expected, abs=0.1)
    assert float(returns[-1].mean()) == pytest.approx(5.0 if ending == "truncated" else 1.0, abs=0.6)


@pytest.mark.parametrize("critic", ["shared", "separate"])
def test_a_critic_with_a_memory_reads_the_episode_up_to_its_last_observation(critic):
    env = vector(lambda: gymnasium.make("CartPole-v1", max_episode_steps=16), 12)
    agent = Reinforce(env, **SMALL, core="gru", critic=critic)
    episodes = agent.collect(2)
    values = truncated_final_values(agent.policy, episodes)
    assert 0 < len(episodes.truncated_final_obs) < 12
    assert int((values != 0).sum()) == len(episodes.truncated_final_obs)
    for i, final in episodes.truncated_final_obs:
        n = int(episodes.lengths[i])
        whole = torch.cat([episodes.obs[:n, i], torch.as_tensor(final)[None]])[:, None]
        start = torch.zeros(n + 1, 1, dtype=torch.bool)
        start[0] = True
        with torch.no_grad():
            read, _ = agent.policy.value(whole, agent.policy.initial_state(1), start)
        assert float(values[n - 1, i]) == pytest.approx(float(read[n, 0]), abs=1e-5)


class Late(gymnasium.Env):
    """An instance with an early end that gives nothing but NaN in its second episode."""

    observation_space = Box(-1, 1, (1,))
    action_space = Box(-1, 1, (1,))

    def __init__(self, length: int) -> None:
        self.length, self.episode = length, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t, self.episode = 0, 1 if seed is not None else self.episode + 1
        return self._see(), {}

    def step(self, action: Any) -> Any:
        self.t += 1
        return self._see(), float(self._see()[0]), self.t == self.length, False, {}

    def _see(self) -> Any:
        return np.full(1, 0.5 if self.episode == 1 else np.nan, np.float32)


@pytest.mark.parametrize("core", [None, "gru"])
@pytest.mark.parametrize("mode", MODES[:2])
def test_what_a_finished_instance_gives_breaks_nothing(core, mode):
    env = SyncVectorEnv([lambda: Late(2), lambda: Late(9)], autoreset_mode=mode)
    rows = []
    agent = Reinforce(env, **SMALL, core=core, baseline="critic", entropy_coef=0.01, normalize_advantage=True)
    agent.learn(33, callback=lambda agent, metrics: rows.append(metrics))
    assert [row["rollout/ep_len_mean"] for row in rows] == [5.5] * 3
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert all(p.isfinite().all() for p in agent.policy.parameters())


def test_a_policy_without_memory_learns_from_the_steps_alone():
    """The same losses and gradients as from the padded rows."""
    env = vector(lambda: gymnasium.make("CartPole-v1"), 6)
    agent = Reinforce(env, **SMALL, core=None, baseline="critic", entropy_coef=0.1)
    episodes = agent.collect(3)
    assert not episodes.valid.all()
    short = evaluate_episodes(agent.policy, episodes, False, True)
    long = agent.policy.evaluate(episodes.obs, episodes.actions, (), episodes.start, episodes.valid, entropy=True)
    for name in ("log_prob", "value", "entropy"):
        torch.testing.assert_close(getattr(short, name)[episodes.valid], getattr(long, name)[episodes.valid])


def test_the_normaliser_learns_and_is_saved(tmp_path):
    agent = Reinforce("Pendulum-v1", **SMALL, core=None, normalize_observations=True).learn(600)
    assert agent.normalizer.observed.count > 100
    agent.save(tmp_path / "agent")
    again = Reinforce.load(tmp_path / "agent", "Pendulum-v1")
    obs = np.array([[0.3, 0.1, -5.0]], np.float32)
    np.testing.assert_array_equal(agent.predict(obs, deterministic=True)[0], again.predict(obs, deterministic=True)[0])
    assert not np.array_equal(again.observe(obs), obs)


@pytest.mark.parametrize("baseline", ["mean", "none"])
def test_no_critic_where_none_is_needed(baseline):
    Reinforce(Parrot, **SMALL, critic="none", baseline=baseline).learn(30)
    with pytest.raises(UserError, match="baseline 'critic' needs a critic"):
        Reinforce(Parrot, **SMALL, critic="none", baseline="critic")


class Endless(Always):
    """No end at all."""

    def step(self, action: Any) -> Any:
        obs, reward, _, _, info = super().step(action)
        return obs, reward, False, False, info


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Failing("observation"), "the observation of instance 0 at step 10 of its episode is not a number"),
        (lambda: Failing("reward"), "the reward of instance 0 at step 10 of its episode is not a number"),
        (lambda: NoChoice(), "no action is allowed in instance 0 at step 3 of its episode"),
        (lambda: Parrot("text"), "no encoder for observations of Text"),
        (lambda: Parrot("box", "text"), "no actor head for actions of Text"),
        (Endless, "an episode did not end within 50 steps; give the environment max_episode_steps"),
    ],
)
def test_failures_speak(make, message, monkeypatch):
    monkeypatch.setattr("lhy_rl.rollouts.full_episodes.LONGEST", 50)
    with pytest.raises(UserError, match=message) as error:
        Reinforce(make, **{**SMALL, "num_envs": 1}, core=None).learn(100)
    assert "\n" not in str(error.value)


def test_an_environment_that_raises_keeps_its_own_error():
    with pytest.raises(RuntimeError, match="the robot fell over"):
        Reinforce(lambda: Failing("raises"), **SMALL).learn(200)


def test_gradients_that_are_no_numbers_are_named_and_not_followed():
    agent = Reinforce(Parrot, **SMALL, core=None, baseline="critic").learn(24)
    with torch.no_grad():
        agent.policy.critic.bias.fill_(float("nan"))
    before = [p.clone() for p in agent.policy.trunk.parameters()]
    with pytest.raises(UserError, match="loss or gradient is not finite at step 24; lower learning_rate"):
        agent.learn(100, reset_num_timesteps=False)
    assert all(torch.equal(a, b) for a, b in zip(before, agent.policy.trunk.parameters(), strict=True))


def test_masks_of_another_size_are_refused():
    class Wide(Parrot):
        def _next(self) -> Any:
            return super()._next()[0], {"action_mask": np.ones(5, bool)}

    with pytest.raises(UserError, match="the action_mask of instance 0 has 5 entries; must be 4"):
        Reinforce(Wide, **SMALL).learn(10)


def test_one_instance_is_compared_with_its_earlier_episodes_and_learns():
    agent = Reinforce(gymnasium.make("CartPole-v1"), seed=0, core=None).learn(300)
    before = [p.clone() for p in agent.policy.parameters()]
    past = agent.past_return
    gradients = []
    agent.learn(1, callback=lambda agent, metrics: gradients.append(metrics["train/grad_norm"]))
    assert gradients[0] > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, agent.policy.parameters(), strict=True))
    assert agent.past_return != past
    assert agent.state_dict()["past_return"] == agent.past_return


def test_episodes_that_begin_alike():
    agent = Reinforce("lhy_rl/Tour-v0", **{**SMALL, "num_envs": 6}, core=None, episodes_per_start=3)
    episodes = agent.collect(3)
    cities = episodes.obs["source"][0]
    assert torch.equal(cities, cities[[0, 0, 0, 3, 3, 3]])
    assert not torch.equal(cities[0], cities[3])
    assert len({tuple(order) for order in episodes.actions.T.tolist()}) > 2, "only the beginning is alike"
    again = agent.collect(3)
    assert torch.equal(again.obs["source"][0], cities)
    with pytest.raises(UserError, match="episodes_per_start is 4; num_envs, 6, must be a multiple"):
        Reinforce("lhy_rl/Tour-v0", **{**SMALL, "num_envs": 6}, episodes_per_start=4)
    with pytest.raises(UserError, match="need an environment with snapshot"):
        Reinforce("CartPole-v1", **{**SMALL, "num_envs": 6}, core=None, episodes_per_start=3).learn(1)


def test_a_linear_schedule_ends_near_zero():
    rates = []
    options = {**SMALL, "num_envs": 5, "core": None, "learning_rate": 0.2, "learning_rate_schedule": "linear"}
    agent = Reinforce("lhy_rl/Tour-v0", **options)
    agent.learn(200, callback=lambda agent, metrics: rates.append(agent.optimizer.param_groups[0]["lr"]))
    assert rates == pytest.approx([0.2, 0.15, 0.1, 0.05])


def test_the_penalty_on_leaving_the_pretrained_policy_knows_what_is_legal():
    env = gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=4, vocabulary_size=20, max_length=5, train_size=64)
    agent = Reinforce(env, embedding_size=8, hidden_size=8, seed=0, pretrain_epochs=0.01, kl_coef=0.1)
    while agent.preparing:
        agent.update()
    episodes = agent.collect(0)
    head = agent.policy.categorical
    episodes.action_mask = torch.rand(*episodes.valid.shape, 20, generator=torch.Generator().manual_seed(0)) < 0.5
    episodes.action_mask.scatter_(2, episodes.actions[..., None] - head.start, True)
    metrics = agent.train_on_batch(episodes)
    assert abs(metrics["train/kl"]) < 1e-6 and np.isfinite(list(metrics.values())).all()


@pytest.mark.parametrize("options", [{"norm": "batch"}, {"dropout": 0.1}])
def test_what_is_of_the_pretraining_is_refused_without(options):
    with pytest.raises(UserError, match="norm 'batch' and dropout need pretraining; pretrain_epochs"):
        Reinforce("CartPole-v1", **options, **SMALL)
