"""A written configuration is rewarded by what the table holds of it; illegal actions as they are asked for."""

import gymnasium
import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.search.hpo_token import HPOToken
from lhy_rl.search.space import Choice, Space
from lhy_rl.search.table import Table

NAN = float("nan")
SPACE = Space(
    [
        Choice("layers", (1, 2), ordinal=True),
        Choice("width", (8, 16, 32), ordinal=True),
        Choice("second", (8, 16, 32), ordinal=True, condition=("layers", (2,))),
    ]
)


@pytest.fixture
def table(tmp_path):
    tokens = np.concatenate(list(SPACE.blocks()))  # 3 + 9
    scores = np.arange(1.0, 13.0).reshape(1, 1, 12) / 10
    scores[0, 0, 11] = NAN
    Table(SPACE, scores, np.array([1]), keys=SPACE.keys(tokens), about={"name": "tiny"}).save(tmp_path / "tiny.npz")
    return tmp_path / "tiny.npz"


def written(env, tokens):
    """The rewards of one episode, its last info, and whether it ended with the last token."""
    env.reset(seed=0)
    rewards = []
    for token in tokens:
        obs, reward, terminated, _, info = env.step(np.array([token]))
        rewards.append(float(reward[0]))
    return rewards, obs, bool(terminated[0]), info


def test_the_reward_is_the_tables_score(table):
    env = HPOToken(table=table, autoreset_mode="Disabled")
    rewards, _, ended, info = written(env, [1, 1, 2])
    row = int(env.table.rows(np.array([[1, 1, 2]]))[0])
    assert ended and rewards == [0, 0, pytest.approx((row + 1) / 10)]
    assert info["score"][0] == rewards[-1] and info["configuration"][0].tolist() == [1, 1, 2]


def test_a_choice_that_does_not_count_allows_its_first_value_only(table):
    env = HPOToken(table=table, autoreset_mode="Disabled")
    obs, _ = env.reset(seed=0)
    assert obs["action_mask"].tolist() == [[1, 1, 0]]
    env.step(np.array([0]))
    obs, *_ = env.step(np.array([1]))
    assert obs["action_mask"].tolist() == [[1, 0, 0]]
    assert obs["observation"].tolist() == [[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]]  # layers, width, second; which comes


@pytest.mark.parametrize(
    ("reward", "expected"), [("score", 0.2), ("cubed", 0.2**3), ("quantile", 2 / 12)]
)  # failed: 0.1, as the lowest
def test_rewards(table, reward, expected):
    rewards, *_ = written(HPOToken(table=table, reward=reward, autoreset_mode="Disabled"), [0, 1, 0])
    assert rewards[-1] == pytest.approx(expected)


def test_a_failed_training_has_the_lowest_score(table):
    assert written(HPOToken(table=table, autoreset_mode="Disabled"), [1, 2, 2])[0][-1] == pytest.approx(0.1)


def test_illegal_actions_are_asked_again_and_the_third_ends_the_episode(table):
    env = HPOToken(table=table, autoreset_mode="Disabled")
    rewards, obs, ended, _ = written(env, [2, 1, 2])  # layers has no third value; width has
    assert rewards == [0, 0, 0] and not ended
    assert obs["observation"][0, -1] == 1  # the last choice is asked for
    rewards, _, ended, info = written(env, [2, 2, 2])
    assert ended and rewards == [0, 0, 0] and info["score"][0] == 0


def test_illegal_actions_are_taken_modulo(table):
    env = HPOToken(table=table, invalid="remap", autoreset_mode="Disabled")
    *_, ended, info = written(env, [2, 1, 2])  # layers: 2 % 2 = 0; second does not count: 0
    assert ended and info["configuration"][0].tolist() == [0, 1, 0]


def test_a_uniform_policy_gets_the_tables_mean():
    env = HPOToken(num_envs=4096, autoreset_mode="SameStep")
    env.reset(seed=0)
    rng, scores = np.random.default_rng(0), []
    for _ in range(6 * 8):
        _, rewards, ended, *_ = env.step(rng.integers(5, size=4096))
        scores.append(rewards[ended])
    runs = np.concatenate(scores)
    assert runs.mean() == pytest.approx(np.nanmean(env.table.mean), abs=5 * runs.std() / len(runs) ** 0.5)


def test_no_test_score_is_in_what_an_agent_gets(table):
    env = HPOToken(table=table, autoreset_mode="Disabled")
    _, obs, _, info = written(env, [1, 1, 1])
    assert set(obs) == {"observation", "action_mask"}
    assert {key for key in info if not key.startswith("_")} == {"score", "configuration"}


def test_unknown_names():
    with pytest.raises(UserError, match="unknown table"):
        gymnasium.make("lhy_rl/HPOToken-v0", table="nb301")
    with pytest.raises(UserError, match="unknown reward"):
        gymnasium.make("lhy_rl/HPOToken-v0", reward="test")
