"""A search as an episode: gains add up, a repeated trial gains nothing, an observation says only what was seen."""

import math

import gymnasium
import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.search.hpo_trial import HPOTrial
from lhy_rl.search.space import Choice, Space
from lhy_rl.search.table import Table

NAN = float("nan")
SPACE = Space([Choice("rate", (0.1, 0.2), ordinal=True), Choice("width", (8, 16, 32), ordinal=True)])


def saved(folder, name, scores, space=SPACE):
    path = folder / f"{name}.npz"
    Table(space, np.array(scores).reshape(1, 1, -1), np.array([1]), about={"name": name}).save(path)
    return path


@pytest.fixture
def table(tmp_path):
    return saved(tmp_path, "one", [0.1, 0.2, 0.3, 0.4, 0.5, NAN])  # the last configuration's training failed


def searched(env, configurations):
    """The rewards, the observations and the last info of one episode."""
    env.reset(seed=0)
    rewards, seen = [], []
    for tokens in configurations:
        obs, reward, terminated, _, info = env.step(np.array([tokens]))
        rewards.append(float(reward[0]))
        seen.append(obs[0])
    assert terminated[0]
    return rewards, seen, info


@pytest.mark.parametrize(
    ("reward", "values"),
    [
        ("score", [0.0, 0.1, 0.2, 0.3, 0.4]),
        ("quantile", [0.0, 0.2, 0.4, 0.6, 0.8]),  # the failed training is none of the five
        ("log_quantile", [math.log10(5 / left) for left in (5, 4, 3, 2, 1)]),
    ],
)
def test_rewards_are_gains_of_the_incumbent(table, reward, values):
    env = HPOTrial(tables=table, num_trials=6, reward=reward, autoreset_mode="Disabled")
    rewards, _, info = searched(env, [(0, 1), (0, 0), (1, 0), (1, 2), (1, 0), (1, 1)])
    expected = [values[1], 0, values[3] - values[1], 0, 0, values[4] - values[3]]
    assert rewards == pytest.approx(expected, abs=1e-6) and sum(rewards) == pytest.approx(values[4], abs=1e-6)
    assert info["configuration"][0].tolist() == [1, 1] and info["score"][0] == pytest.approx(0.5)


def test_an_observation_by_hand(table):
    """After 0.2, 0.4 and a failed training, with a history of two."""
    env = HPOTrial(tables=table, num_trials=4, history=2, autoreset_mode="Disabled")
    first, _ = env.reset(seed=0)
    assert first[0].tolist() == [0.0] * 21 + [1.0]
    for tokens in ((0, 1), (1, 0), (1, 2)):
        obs, *_ = env.step(np.array([tokens]))
    failed = [0, 1, 0, 0, 1, 0, 1 / 3, 1]  # rate, width, score, share that is no better: itself, failed
    best = [0, 1, 1, 0, 0, 1, 1, 0]
    assert obs[0].tolist() == pytest.approx([*failed, *best, 0, 1, 1, 0, 0, 0.25])


def test_scores_are_put_between_those_of_the_episode(table):
    env = HPOTrial(tables=table, num_trials=3, history=3, autoreset_mode="Disabled")
    _, seen, _ = searched(env, [(0, 0), (1, 1), (0, 1)])
    newest_first = seen[-1][:24].reshape(3, 8)
    assert newest_first[:, 5].tolist() == pytest.approx([0.25, 1.0, 0.0])
    assert newest_first[:, 6].tolist() == pytest.approx([2 / 3, 1.0, 1 / 3])


def test_nothing_is_seen_of_the_tables_scale(tmp_path):
    """Two tables whose scores differ by a factor and a shift look the same, and so do their log-quantile gains."""
    scores = np.array([0.1, 0.5, 0.2, 0.3, 0.6, 0.4])
    one, two = saved(tmp_path, "one", scores), saved(tmp_path, "two", 100 * scores - 70)
    script = [(1, 0), (0, 1), (0, 2), (1, 1)]
    (r1, seen1, _), (r2, seen2, _) = (
        searched(HPOTrial(tables=path, num_trials=4, autoreset_mode="Disabled"), script) for path in (one, two)
    )
    assert r1 == pytest.approx(r2) and np.allclose(seen1, seen2, atol=1e-5)


def test_all_trainings_may_fail(table):
    env = HPOTrial(tables=table, num_trials=2, autoreset_mode="Disabled")
    rewards, seen, info = searched(env, [(1, 2), (1, 2)])
    assert rewards == [0, 0] and info["score"][0] == pytest.approx(0.1)  # the table's lowest
    assert seen[-1][-6:].tolist() == [0.0] * 6  # no incumbent, no trial left


def test_a_repeated_configuration_scores_what_it_did():
    env = HPOTrial(num_envs=200, tables="hpobench-segment", num_trials=8, autoreset_mode="Disabled")
    env.reset(seed=0)
    tokens = env.action_space.sample()
    gains = np.array([env.step(tokens)[1] for _ in range(8)])
    assert gains[0].mean() > 0 and (gains[1:] == 0).all()


def test_a_configuration_has_one_of_its_seeds_in_each_episode():
    env = HPOTrial(num_envs=4000, tables="hpobench-segment", num_trials=1, reward="score", autoreset_mode="SameStep")
    env.reset(seed=0)
    tokens = np.array([3, 4, 1, 5, 6])
    *_, infos = env.step(np.tile(tokens, (4000, 1)))
    scores, counts = np.unique(infos["final_info"]["score"].round(6), return_counts=True)
    table = env.tables.tables[0]
    known = np.unique(table.last_scores[:, table.rows(tokens[None])[0]].round(6))
    assert scores.tolist() == pytest.approx(known.tolist()) and counts.min() > 600


def test_tables_are_drawn_evenly_and_stay_for_an_episode():
    env = HPOTrial(num_envs=3000, num_trials=3, autoreset_mode="Disabled")
    _, info = env.reset(seed=1)
    assert np.bincount(info["table"], minlength=5).min() > 500
    *_, after = env.step(env.action_space.sample())
    assert (after["table"] == info["table"]).all()


def test_choices_that_do_not_count_are_ignored(tmp_path):
    space = Space([Choice("deep", (False, True)), Choice("width", (8, 16), condition=("deep", (True,)))])
    tokens = np.concatenate(list(space.blocks()))
    path = tmp_path / "conditional.npz"
    scores = np.array([0.1, 0.2, 0.3]).reshape(1, 1, 3)
    Table(space, scores, np.array([1]), keys=space.keys(tokens), about={"name": "conditional"}).save(path)
    env = HPOTrial(tables=path, num_trials=2, history=1, reward="score", autoreset_mode="Disabled")
    _, seen, info = searched(env, [(0, 1), (1, 1)])
    assert seen[0][:4].tolist() == [1, 0, 0, 0] and info["configuration"][0].tolist() == [1, 1]


def test_a_uniform_policy_finds_the_best_fiftieth():
    """-ln of the share above a uniform draw is exponential: the mean of the largest of 50 is a harmonic number."""
    env = HPOTrial(num_envs=600, tables="fcnet-slice_localization", autoreset_mode="SameStep")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    returns = sum(env.step(rng.integers(env.space.sizes, size=(600, 9)))[1] for _ in range(50))
    harmonic = sum(1 / k for k in range(1, 51)) / math.log(10)
    assert np.mean(returns) == pytest.approx(harmonic, abs=0.1)


def test_no_test_score_is_in_what_an_agent_gets(table):
    env = HPOTrial(tables=table, num_trials=1, autoreset_mode="Disabled")
    _, _, info = searched(env, [(0, 0)])
    assert {key for key in info if not key.startswith("_")} == {"table", "score", "configuration"}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"tables": []}, "no tables are given"),
        ({"tables": "nb301"}, "unknown table"),
        ({"tables": ["hpobench-car", "nb201-cifar10"]}, "have different spaces"),
        ({"num_trials": 0}, "num_trials=0"),
        ({"history": 0}, "history=0"),
        ({"reward": "test"}, "unknown reward"),
    ],
)
def test_wrong_arguments(given, line):
    with pytest.raises(UserError, match=line):
        gymnasium.make("lhy_rl/HPOTrial-v0", **given)
