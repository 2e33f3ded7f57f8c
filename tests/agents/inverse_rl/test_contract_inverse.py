"""irl and maxent_irl have every agent's manners, on tables and where they must play."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.agents import IRL, PPO, MaxEntIRL
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.envs.wrappers import LearnedReward, LearnedRewardVector
from lhy_rl.experiment import build, config

ACTOR = {"n_steps": 16, "batch_size": 32, "n_epochs": 1}
GRID = "lhy_rl/Gridworld-v0"
CASES = {
    "irl perceptron": (IRL, GRID, {"method": "perceptron"}, 6),
    "irl max_margin": (IRL, GRID, {}, 6),
    "irl network": (IRL, GRID, {"reward_layers": 1, "reward_steps": 5, "learning_rate": 0.01}, 6),
    "irl perceptron network": (IRL, GRID, {"method": "perceptron", "reward_layers": 1, "reward_steps": 5}, 6),
    "irl played": (IRL, "CartPole-v1", {"features": "squares", "ppo": ACTOR}, 4 * 64),
    "maxent_irl lbfgs": (MaxEntIRL, "lhy_rl/Objectworld-v0", {"expert_temperature": 1.0}, 12),
    "maxent_irl adam": (MaxEntIRL, "lhy_rl/Objectworld-v0", {"optimizer": "adam", "reward_layers": 1}, 6),
    "maxent_irl played": (MaxEntIRL, "Pendulum-v1", {"reward_layers": 1, "ppo": ACTOR}, 4 * 64),
}


def demonstrations(env_id: str) -> Demonstrations:
    """Of nobody in particular."""
    env = gymnasium.make(env_id)
    env.action_space.seed(0)
    episodes = []
    for seed in range(3):
        obs, actions, rewards, over = [env.reset(seed=seed)[0]], [], [], False
        while not over:
            actions.append(env.action_space.sample())
            after, reward, terminated, truncated, _ = env.step(actions[-1])
            obs.append(after)
            rewards.append(reward)
            over = terminated or truncated
        episodes.append(Episode(np.stack(obs), np.stack(actions), np.array(rewards, float), terminated, truncated))
    return Demonstrations(episodes, env.observation_space, env.action_space, {})


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def make(case, seed=0):
    kind, env, options, _ = case
    given = {} if env.startswith("lhy_rl") else {"demonstrations": demonstrations(env)}
    return kind(env, num_envs=4, seed=seed, **given, **options)


def tensors(tree, path=""):
    if isinstance(tree, (torch.Tensor, np.ndarray)):
        return {path: torch.as_tensor(tree)}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, (list, tuple)) else ()
    return {k: v for key, value in items for k, v in tensors(value, f"{path}/{key}").items()}


def assert_same(a, b):
    first, second = tensors(a.state_dict()), tensors(b.state_dict())
    assert first.keys() == second.keys()
    for place in first:
        assert torch.equal(first[place], second[place]), place


def test_same_seed_same_everything(case):
    rows = []
    first = make(case).learn(case[3], callback=lambda agent, metrics: rows.append(metrics))
    assert_same(first, make(case).learn(case[3]))
    assert all(np.isfinite(value) for row in rows for value in row.values())


def test_resuming_is_bit_for_bit(case, tmp_path):
    whole = make(case).learn(case[3])
    begun = make(case)
    begun.learn(case[3], callback=lambda agent, metrics: agent.num_updates < 2)
    archive.write(tmp_path / "state.zip", begun.state_dict())
    resumed = make(case, seed=5)
    resumed.load_state_dict(archive.read(tmp_path / "state.zip"))
    if not resumed.tables:
        resumed.env.reset(seed=0)  # others' environments begin anew
    resumed.learn(case[3] - resumed.num_timesteps, reset_num_timesteps=False)
    assert resumed.num_timesteps == whole.num_timesteps
    if whole.tables is not None:
        assert_same(whole, resumed)


def test_save_load_predict(case, tmp_path):
    agent = make(case).learn(case[3])
    agent.save(tmp_path / "agent")
    again = type(agent).load(tmp_path / "agent", case[1])
    space = agent.env.single_observation_space
    space.seed(0)
    obs = np.stack([space.sample() for _ in range(8)])
    state = other = None
    for _ in range(3):
        actions, state = agent.predict(obs, state, deterministic=True)
        same, other = again.predict(obs, other, deterministic=True)
        np.testing.assert_array_equal(actions, same)
    done = np.stack([agent.env.single_action_space.sample() for _ in range(8)])
    rewards = agent.rewards(obs, done, obs)
    assert rewards.shape == (8,) and np.isfinite(rewards).all()
    np.testing.assert_array_equal(rewards, again.rewards(obs, done, obs))
    again.learn(case[3], reset_num_timesteps=False)


def test_the_learned_reward_pays_others(case, tmp_path):
    agent = make(case).learn(case[3])
    agent.save(tmp_path / "agent")
    many = LearnedRewardVector(gymnasium.make_vec(case[1], num_envs=2), type(agent).load(tmp_path / "agent", case[1]))
    one = LearnedReward(gymnasium.make(case[1]), agent)
    before, _ = many.reset(seed=3)
    first, _ = one.reset(seed=3)
    many.action_space.seed(0)
    for _ in range(3):
        actions = many.action_space.sample()
        after, paid, _, _, _ = many.step(actions)
        np.testing.assert_allclose(paid, agent.rewards(before, actions, after), rtol=1e-6)
        then, reward, _, _, info = one.step(actions[0])
        expected = agent.rewards(*(np.asarray(x)[None] for x in (first, actions[0], then)))[0]
        assert reward == pytest.approx(expected, rel=1e-6) and "task_reward" in info
        before, first = after, then
    with pytest.raises(UserError, match="learned in another environment"):
        LearnedReward(gymnasium.make("Acrobot-v1"), agent)


@pytest.mark.parametrize(("name", "task"), [("irl/cartpole", "CartPole-v1"), ("maxent_irl/pendulum", "Pendulum-v1")])
def test_the_actor_of_a_configuration_is_that_of_ppo(name, task):
    made = config.load(name)
    actor, ppo = build.make_agent(made, build.make_environment(made)).policy, PPO(task).policy
    assert {key: x.shape for key, x in actor.state_dict().items()} == {k: x.shape for k, x in ppo.state_dict().items()}


def test_an_environment_of_its_own_has_tables_too():
    assert MaxEntIRL(gymnasium.make(GRID)).tables is not None
    assert MaxEntIRL(lambda: gymnasium.make(GRID), num_envs=2).tables is not None


def test_demonstrations_of_a_grid_are_counted():
    episode = Episode(np.array([0, 1, 9]), np.array([2, 3]), np.zeros(2), False, True)
    env = gymnasium.make_vec(GRID, num_envs=1)
    given = Demonstrations([episode], env.single_observation_space, env.single_action_space, {})
    agent = IRL(env, demonstrations=given)
    assert agent.expert.weights[[1, 9]].tolist() == [1.0, 1.0] and agent.expert.weights.sum() == 2
    assert agent.planned.starts[0] == 1.0


def test_without_a_time_limit_the_policy_is_without_time():
    env = gymnasium.make_vec(GRID, num_envs=1, max_episode_steps=None)
    for kind in (IRL, MaxEntIRL):
        agent = kind(env, gamma=0.9).learn(4)
        assert not agent.policy.recurrent and agent.predict(3)[1] == ()
    with pytest.raises(UserError, match="gamma is 1"):
        IRL(env)
    with pytest.raises(UserError, match="max_episode_steps"):
        IRL(env, gamma=0.9, trajectories=3)


@pytest.mark.parametrize(
    ("kind", "env", "options", "message"),
    [
        (IRL, GRID, {"method": "percepton"}, "did you mean 'perceptron'"),
        (IRL, GRID, {"tolerance": 0}, "tolerance is 0"),
        (MaxEntIRL, GRID, {"optimizer": "lbgfs"}, "did you mean 'lbfgs'"),
        (MaxEntIRL, GRID, {"l2": -1}, "l2 is -1"),
        (MaxEntIRL, GRID, {"temprature": 1}, "unknown option"),
        (MaxEntIRL, GRID, {"trajectories": -1}, "trajectories is -1"),
        (IRL, "CartPole-v1", {"features": "cubes"}, "cubes"),
        (IRL, "CartPole-v1", {"ppo": {"normalize_observations": True}}, "normalize_observations"),
        (IRL, "CartPole-v1", {"ppo": {"n_stepz": 3}}, "did you mean 'n_steps'"),
        (IRL, "FrozenLake-v1", {}, "no reward can be learned from observations"),
    ],
)
def test_bad_options_are_one_line(kind, env, options, message):
    with pytest.raises(UserError, match=message) as error:
        kind(env, **options)
    assert "\n" not in str(error.value)


def test_who_has_no_expert_is_told():
    with pytest.raises(UserError, match="give demonstrations"):
        IRL("CartPole-v1", ppo=ACTOR, num_envs=2).learn(64)


def test_a_new_environment_must_have_the_features():
    agent = MaxEntIRL("lhy_rl/Objectworld-v0")
    with pytest.raises(UserError, match="must have tables, with features of the same shape"):
        agent.set_env(gymnasium.make_vec("lhy_rl/Objectworld-v0", num_envs=1, features="cells"))
