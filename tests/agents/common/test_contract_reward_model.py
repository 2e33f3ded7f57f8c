"""A reward model pays PPO, A2C and REINFORCE, is trained and saved with them, and resumes bit for bit."""

import numpy as np
import pytest
import torch

from lhy_rl.agents import A2C, PPO, Reinforce
from lhy_rl.agents.common.reward_model import RewardModel
from lhy_rl.core.errors import UserError

OPTIONS = {
    PPO: {"n_steps": 32, "batch_size": 32, "n_epochs": 2},
    A2C: {"n_steps": 8},
    Reinforce: {"core": None, "learning_rate": 1e-3},
}


class Novelty(RewardModel):
    """Pays the error with which a small network, trained as it goes, foretells the next observation."""

    def attach(self, agent):
        size = agent.env.single_observation_space.shape[0]
        self.network = torch.nn.Linear(size, size)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-2)
        self.rewarded = []

    def errors(self, transitions):
        found = self.network(torch.as_tensor(transitions.obs))
        return (found - torch.as_tensor(transitions.next_obs)).square().mean(1)

    def train(self, rollout):
        loss = self.errors(rollout.transitions()).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"train/novelty_loss": float(loss.detach())}

    def rewards(self, transitions):
        with torch.no_grad():
            self.rewarded.append(transitions)
            return self.errors(transitions)

    def state_dict(self):
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state):
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])


def make(kind, **more):
    return kind("CartPole-v1", num_envs=4, seed=0, reward_model=Novelty(), **OPTIONS[kind], **more)


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("normalized", [False, True])
def test_it_sees_the_transitions_of_the_environment_and_pays(kind, normalized):
    metrics = []
    agent = make(kind, normalize_observations=normalized)
    agent.learn(300, callback=lambda _, m: metrics.append(m), log_interval=None)
    assert {"train/novelty_loss", "rollout/learned_reward_mean"} <= metrics[-1].keys()
    assert metrics[-1]["rollout/ep_rew_mean"] >= 8  # the environment's returns: a pole stands longer than that
    for steps in agent.reward_model.rewarded:
        moved = steps.obs[:, 0] + 0.02 * steps.obs[:, 1]  # CartPole's position one step later (Euler)
        np.testing.assert_allclose(steps.next_obs[:, 0], moved, atol=1e-5)
        assert set(steps.actions.tolist()) <= {0, 1} and (steps.rewards == 1).all()
        assert (np.abs(steps.next_obs[steps.terminated][:, [0, 2]]) > (2.4, 0.2095)).any(1).all()
    assert sum(steps.terminated.sum() for steps in agent.reward_model.rewarded) > 3


@pytest.mark.parametrize("kind", OPTIONS)
def test_resuming_is_bit_for_bit(kind, tmp_path):
    one = make(kind).learn(200)
    one.save(tmp_path / "half")
    again = kind.load(tmp_path / "half", reward_model=Novelty())
    for agent in (one, again):
        agent.learn(200, reset_num_timesteps=False)
    for a, b in zip(one.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(one.reward_model.network.weight, again.reward_model.network.weight)
    with pytest.raises(UserError, match="reward_model"):
        make(kind).load_state_dict(kind("CartPole-v1", num_envs=4, **OPTIONS[kind]).state_dict())


@pytest.mark.parametrize("kind", [PPO, A2C])
def test_rewards_of_the_model_are_normalized(kind):
    agent = kind("CartPole-v1", reward_model=Penalty(), normalize_rewards=True, **OPTIONS[kind]).learn(100)
    assert agent.normalizer.rewarded.count > 50
    assert agent.normalizer.rewarded.mean < 0  # the environment pays 1 a step


class Penalty(RewardModel):
    def rewards(self, transitions):
        return np.full(len(transitions), -1.0)


class ByActionValues(RewardModel):
    needs_raw_obs = False

    def relabel(self, rollout):
        assert rollout.raw_obs is None
        return {}

    def action_values(self, episodes, values):
        assert values.shape == episodes.rewards.shape
        return episodes.valid * 3.0


def test_reinforce_takes_the_model_s_action_values():
    metrics = []
    agent = Reinforce("CartPole-v1", num_envs=4, core=None, baseline="none", reward_model=ByActionValues())
    agent.learn(50, callback=lambda _, m: metrics.append(m))
    assert metrics[0]["train/advantage_std"] == 0.0  # every Q is 3


def test_a_file_without_its_reward_model_predicts(tmp_path):
    make(PPO).learn(100).save(tmp_path / "a")
    agent = PPO.load(tmp_path / "a")
    assert agent.predict(np.zeros(4, np.float32))[0] in (0, 1)


class Gives(RewardModel):
    """Rewards as a function makes them from the number of transitions."""

    def __init__(self, make):
        self.make = make

    def rewards(self, transitions):
        return self.make(len(transitions))


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize(
    "make", [lambda n: [1.0] * n, np.ones, lambda n: np.ones(n, int), lambda n: torch.ones(n, requires_grad=True)]
)
def test_rewards_may_be_a_list_an_array_or_a_tensor(kind, make):
    agent = kind("CartPole-v1", num_envs=2, reward_model=Gives(make), **OPTIONS[kind])
    metrics = []
    agent.learn(1, callback=lambda _, m: metrics.append(m))
    assert metrics[0]["rollout/learned_reward_mean"] == 1


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize(
    "make", [lambda n: None, lambda n: 1.0, lambda n: np.ones(3), lambda n: np.full(n, np.nan), lambda n: "high"]
)
def test_what_are_no_rewards_is_one_line(kind, make):
    agent = kind("CartPole-v1", num_envs=2, reward_model=Gives(make), **OPTIONS[kind])
    with pytest.raises(UserError, match=r"Gives\.rewards must return one finite number for each of"):
        agent.learn(1)


class Measured(Penalty):
    """Logs what numpy and torch make."""

    def train(self, rollout):
        return {"train/numpy": np.float32(0.5), "train/torch": torch.tensor(0.25, requires_grad=True)}


@pytest.mark.parametrize("kind", OPTIONS)
def test_metrics_may_be_numbers_of_numpy_and_torch(kind):
    rows = []
    kind("CartPole-v1", num_envs=2, reward_model=Measured(), **OPTIONS[kind]).learn(
        1, callback=lambda _, m: rows.append(m)
    )
    assert [(type(value), value) for value in (rows[0]["train/numpy"], rows[0]["train/torch"])] == [
        (float, 0.5),
        (float, 0.25),
    ]
