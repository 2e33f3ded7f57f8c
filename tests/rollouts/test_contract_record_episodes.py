"""What is recorded is what happened."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from lhy_rl.core.errors import UserError
from lhy_rl.rollouts.record_episodes import Again, Stop, random_policy, record
from lhy_rl.rollouts.scripted_controllers import EXPERTS, cartpole


class Count(gym.Env):
    """Counts its steps: observation t, reward the action; ends after ``last`` steps, by the limit where it is odd."""

    observation_space = gym.spaces.Dict(
        {"t": gym.spaces.Box(0, 100, (1,), np.float32), "words": gym.spaces.Text(10)}  # the text is left out
    )
    action_space = gym.spaces.Discrete(5)

    def __init__(self, last=3):
        self.last = last

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.observe(), {"action_mask": np.array([0, 1, 1, 0, 0], np.int8)}

    def observe(self):
        return {"t": np.array([self.t], np.float32), "words": "x"}

    def step(self, action):
        self.t += 1
        over = self.t == self.last
        mask = np.array([0, 1, 1, 0, 0], np.int8)
        return (
            self.observe(),
            float(action),
            over and self.last % 2 == 0,
            over and self.last % 2 == 1,
            {"action_mask": mask},
        )


def counts(mode=AutoresetMode.SAME_STEP, lasts=(3, 4)):
    makers = [lambda last=last: Count(last) for last in lasts]
    return gym.vector.SyncVectorEnv(makers, autoreset_mode=mode)


def always(action):
    return lambda obs, state, start, masks: (np.full(len(start), action), None)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_whole_episodes_with_their_last_observation(mode):
    found = record(counts(mode), always(1), 5, about={"env_id": "count"})
    assert sorted(found.lengths.tolist()) == [3, 3, 3, 4, 4]  # each instance plays its share
    assert found.about == {"env_id": "count"} and list(found.observation_space) == ["t"]
    for episode in found.episodes:
        assert episode.observations["t"][:, 0].tolist() == list(range(len(episode) + 1))
        assert episode.actions.tolist() == [1] * len(episode)
        assert (episode.terminated, episode.truncated) == (len(episode) == 4, len(episode) == 3)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_memory_begins_where_episodes_do(mode):
    seen = []

    def act(obs, state, start, masks):
        seen.append(start.copy())
        assert (obs["t"][start, 0] == 0).all() and (obs["t"][~start, 0] > 0).sum() >= (~start).sum() - len(start)
        return np.ones(len(start), int), None

    record(counts(mode), act, 4)
    assert seen[0].all() and sum(start.sum() for start in seen[1:]) >= 2


@pytest.mark.parametrize("labels", ["executed", "expert"])
def test_noise_and_what_is_written_down(labels):
    found = record(counts(lasts=(4,) * 8), always(1), 200, noise=0.5, labels=labels, seed=1)
    actions = found.transitions.actions
    rewards = found.transitions.rewards  # the action that was executed
    assert set(rewards) == {1.0, 2.0}  # noise draws among the legal actions
    assert 0.2 < (rewards == 2).mean() < 0.3
    assert (actions == rewards).all() if labels == "executed" else (actions == 1).all()


def test_the_same_seed_records_the_same():
    env = gym.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
    one, again, other = (
        record(env, random_policy(env.single_action_space, seed), 6, seed=seed).transitions.obs for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_episodes_below_the_return_are_played_again():
    env = gym.make_vec("CartPole-v1", num_envs=4, vectorization_mode="sync")
    found = record(env, random_policy(env.single_action_space, 0), 10, min_return=25)
    assert len(found) == 10 and found.returns.min() >= 25
    with pytest.raises(UserError, match=r"0 of \d+ episodes reached min_return, 400; lower it"):
        record(env, random_policy(env.single_action_space, 0), 10, min_return=400)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop])
def test_an_interruption_keeps_whole_episodes(error):
    calls = []

    def act(obs, state, start, masks):
        calls.append(0)
        if len(calls) > 9:
            raise error
        return np.ones(len(start), int), None

    assert record(counts(lasts=(4,)), act, 50).lengths.tolist() == [4, 4]
    with pytest.raises(error):
        record(counts(lasts=(4,)), act, 50)


def test_again_forgets_the_episode():
    calls = []

    def act(obs, state, start, masks):
        calls.append(0)
        if len(calls) == 3:
            raise Again
        return np.ones(len(start), int), None

    (episode,) = record(counts(lasts=(4,)), act, 1).episodes
    assert episode.observations["t"][:, 0].tolist() == [0, 1, 2, 3, 4] and len(calls) == 7


def test_without_an_end_and_without_resets(monkeypatch):
    monkeypatch.setattr("lhy_rl.rollouts.record_episodes.LONGEST", 20)
    with pytest.raises(UserError, match="give the environment a time limit"):
        record(counts(lasts=(99,)), always(1), 1)
    with pytest.raises(UserError, match="needs an environment with autoreset"):
        record(counts(AutoresetMode.DISABLED), always(1), 1)


@pytest.mark.parametrize(("env_id", "least", "chance"), [("CartPole-v1", 500, 60), ("MountainCar-v0", -106, -199)])
def test_scripted_experts(env_id, least, chance):
    env, expert = gym.make_vec(env_id, num_envs=5, vectorization_mode="sync"), EXPERTS[env_id]()
    found = record(env, lambda obs, state, start, masks: (expert(obs), None), 10)
    drawn = record(env, random_policy(env.single_action_space, 0), 10)
    assert found.returns.mean() >= least and drawn.returns.mean() <= chance


def test_a_weak_expert_by_noise():
    """The brief's weak expert: demonstrations that average about 70 to 100."""
    env, expert = gym.make_vec("CartPole-v1", num_envs=8, vectorization_mode="sync"), cartpole()
    found = record(env, lambda obs, state, start, masks: (expert(obs), None), 40, noise=0.57)
    assert 60 < found.returns.mean() < 130


@pytest.mark.parametrize("given", [0, np.zeros(1, int), np.zeros(2), np.full(2, 5), np.zeros((2, 1), int), None])
def test_what_is_no_action_is_one_line(given):
    with pytest.raises(UserError, match=r"act did not return actions: "):
        record(counts(), lambda *_: (given, None), 2)


@pytest.mark.parametrize("given", [np.ones(2, int), None, (np.ones(2, int),), 1])
def test_actions_without_a_memory_are_one_line(given):
    with pytest.raises(UserError, match="must return a pair of actions and recurrent state"):
        record(counts(), lambda *_: given, 2)


def test_actions_may_be_tensors():
    found = record(counts(), lambda *_: (torch.ones(2, dtype=torch.long), None), 2)
    assert found.episodes[0].actions.tolist() == [1, 1, 1]


def test_a_single_environment_is_one_line():
    with pytest.raises(UserError, match=r"is not a vector environment; gymnasium\.make_vec makes one"):
        record(Count(), always(1), 2)
