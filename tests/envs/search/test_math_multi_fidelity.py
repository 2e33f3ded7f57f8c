"""Epochs are spent on the networks that the actions name; the schedules do what their papers say."""

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.search import multi_fidelity_policies as schedules
from lhy_rl.envs.search.multi_fidelity import MultiFidelity
from lhy_rl.search.space import Choice, Space
from lhy_rl.search.table import Table

SPACE = Space([Choice("a", tuple(range(40)), ordinal=True), Choice("b", (0, 1, 2))])
E, S = 9, 2


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Curves that rise, with noise that lessens; a tenth of the trainings diverge."""
    rng = np.random.default_rng(0)
    final = 0.1 + 0.9 * rng.random((1, 120)) ** 4
    epochs = np.arange(1, E + 1)[:, None, None]
    scores = np.clip(final * (1 - 0.7**epochs) + 0.1 * rng.normal(size=(E, S, 120)) / epochs, 0, 1)
    for training in range(0, S * 120, 10):
        scores[rng.integers(E) :, training % S, training // S] = np.nan
    file = tmp_path_factory.mktemp("tables") / "curves.npz"
    Table(SPACE, scores, epochs[:, 0, 0], about={"name": "curves"}).save(file)
    return file


def play(name, env, seed):
    """The return of one episode, and its last infos."""
    policy = schedules.SchedulePolicy(name, env.num_epochs, env.budget)
    observation, infos = env.reset(seed=seed)
    total, ended = 0.0, False
    while not ended:
        action = policy.act({key: value[0] for key, value in observation.items()})
        observation, rewards, terminated, _, infos = env.step(np.array([action]))
        total, ended = total + float(rewards[0]), bool(terminated[0])
    return total, infos


class Slow:
    """The rules once more, for one instance, with lists."""

    def __init__(self, env):
        self.slots, self.budget = env.slots, env.budget
        self.present, self.paused, self.spent, self.best, self.log = None, [], 0, 0.0, []

    def live(self, network):
        curve, trained = network
        return 0 < trained < E and np.isfinite(curve[trained - 1])

    def mask(self):
        first = self.present is not None and self.live(self.present)
        return [first, True] + [k < len(self.paused) for k in range(self.slots)]

    def step(self, action, new_curve):
        self.spent += 1
        if not self.mask()[action]:
            return 0.0
        if action:
            taken = [new_curve, 0] if action == 1 else self.paused.pop(action - 2)
            if self.present is not None and self.live(self.present):
                self.paused.append(self.present)
            self.paused.sort(key=lambda network: -network[0][network[1] - 1])
            del self.paused[self.slots :]
            self.present = taken
        curve, trained = self.present
        self.present[1] += 1
        before, score = self.best, curve[trained]
        self.best = max(self.best, score) if np.isfinite(score) else self.best
        return self.best - before

    def observation(self):
        numbers = [1 - self.spent / self.budget, self.best]
        for place in range(1 + self.slots):
            networks = [self.present or [None, 0], *self.paused]
            curve, trained = networks[place] if place < len(networks) else (None, 0)
            values = [0.0 if not np.isfinite(score) else score for score in (curve[:trained] if trained else [])]
            numbers += [trained / E, *values, *[0.0] * (E - trained)]
        return numbers


@pytest.mark.parametrize("slots", [1, 3, 16])
def test_any_actions_do_what_the_rules_say(path, slots):
    env = MultiFidelity(num_envs=4, table=path, budget=60, slots=slots, autoreset_mode="Disabled")
    rng = np.random.default_rng(slots)
    observation, _ = env.reset(seed=slots)
    slow = [Slow(env) for _ in range(4)]
    for step in range(60):
        masks = np.array([one.mask() for one in slow])
        assert (observation["action_mask"] == masks).all()
        np.testing.assert_allclose(observation["observation"], [one.observation() for one in slow], atol=1e-6)
        weights = np.where(masks, rng.random(masks.shape), 0.02 * rng.random(masks.shape))  # seldom an impossible one
        weights[:, 1] *= 0.9
        actions = weights.argmax(1)
        observation, rewards, terminated, _, _ = env.step(actions)
        curves = env.snapshot()["state"]["curves"][:, 0]
        expected = [one.step(action, curves[i]) for i, (one, action) in enumerate(zip(slow, actions, strict=True))]
        np.testing.assert_allclose(rewards, expected)
        assert (terminated == (step == 59)).all()


def test_the_return_is_the_incumbents_accuracy_and_its_regret_that_of_its_epoch(path):
    env = MultiFidelity(table=path, budget=30)
    total, infos = play("hyperband", env, 3)
    tokens, epoch = infos["configuration"], infos["epoch"]
    assert total == pytest.approx(infos["score"][0])
    assert total in env.table.curves(np.repeat(tokens, S, 0), np.arange(S))[:, epoch[0] - 1]
    means = np.nanmean(env.table.curves(np.repeat(tokens, S, 0), np.arange(S))[:, epoch[0] - 1])
    assert env.table.regret(tokens, epoch - 1)[0] == pytest.approx(env.table.optimum - means)


def test_the_quantile_reward_is_the_share_of_whole_trainings_that_are_as_good(path):
    env = MultiFidelity(table=path, budget=30, reward="log_quantile")
    total, infos = play("asha", env, 3)
    final = env.table.first_scores
    share = (final >= infos["score"][0]).sum() / np.isfinite(final).sum()
    assert total == pytest.approx(-np.log10(share)) and total > 0.5


def test_new_configurations_are_uniform_draws(path):
    env = MultiFidelity(num_envs=400, table=path, budget=10)
    env.reset(seed=0)
    drawn = []
    for _ in range(9):
        env.step(np.ones(400, int))
        drawn.append(env.snapshot()["state"]["tokens"][:, 0])
    counts = np.bincount(SPACE.keys(np.concatenate(drawn)), minlength=120)
    assert ((counts - 30) ** 2 / 30).sum() < 180  # chi squared with 119 degrees of freedom: p = 0.0003


def lengths_after(schedule, curves):
    """Feed a schedule networks whose k-th has the k-th curve; how long each was trained, in order of their birth."""
    paused, ordered, present, trained, born = [], [], None, {}, 0
    action = next(schedule)
    while True:
        if action == 1:
            paused += [present] if present is not None else []
            present, born = born, born + 1
        elif action:
            chosen = ordered[action - 2]
            paused = [*(network for network in paused if network != chosen), present]
            present = chosen
        trained[present] = trained.get(present, 0) + 1
        if born == len(curves):
            yield dict(trained)
        ordered = sorted(
            (network for network in paused if trained[network] < E), key=lambda k: -curves[k][trained[k] - 1]
        )
        visible = [tuple(curves[k][: trained[k]]) for k in (present, *ordered)]
        action = schedule.send(schedules.Networks(tuple(visible), trained[present] < E))


def trained_by(schedule, scores, epochs):
    """How long networks with these constant accuracies were trained, after so many epochs."""
    for trained in lengths_after(schedule, [[score + e / 1000 for e in range(E)] for score in scores]):
        if sum(trained.values()) == epochs:
            return list(trained.values())
    raise AssertionError


def test_successive_halving_trains_the_best_third_on():
    scores = np.random.default_rng(0).permutation(9) / 10 + 0.05
    rungs = schedules.rungs_of(E)
    assert rungs == [1, 3, 9] and schedules.cost(9, rungs) == 9 + 3 * 2 + 6
    trained = trained_by(schedules.bracket(9, rungs), scores, 21)
    rank = (-scores).argsort().argsort()
    assert trained == np.where(rank == 0, 9, np.where(rank < 3, 3, 1)).tolist()
    assert max(n for n in range(1, 90) if schedules.cost(n, rungs) <= 90) == 40


def test_hyperband_goes_from_many_short_trainings_to_few_long_ones():
    scores = np.linspace(0.1, 0.9, 17)  # later ones are better
    trained = trained_by(schedules.hyperband(E, 90), scores, 21 + 21 + 27)
    assert trained == [1] * 6 + [3, 3, 9] + [3] * 4 + [9] + [9] * 3


def test_asha_promotes_as_soon_as_a_third_allows_it():
    schedule = schedules.asha(E, 90)
    trained = trained_by(schedule, [0.5, 0.3, 0.4, 0.2], 3 + 2 + 1)
    assert trained == [3, 1, 1, 1]  # of three the best one goes on; then a fourth is begun


def test_the_median_rule_stops_after_five_trainings():
    scores = [0.2, 0.3, 0.4, 0.5, 0.6, 0.1, 0.9]
    assert trained_by(schedules.median_stopping(E, 90), scores, 45 + 1 + 9) == [9, 9, 9, 9, 9, 1, 9]


def test_whole_trainings_and_first_epochs(path):
    env = MultiFidelity(table=path, budget=20)
    play("one_epoch", env, 0)
    assert env.snapshot()["state"]["trained"].max() == 1
    assert trained_by(schedules.full_training(E, 20), [0.5, 0.4], 18) == [9, 9]


def test_stopping_early_is_better_than_whole_trainings(path):
    env = MultiFidelity(table=path, budget=45)
    returns = {
        name: np.mean([play(name, env, seed)[0] for seed in range(12)])
        for name in ("full_training", "successive_halving", "hyperband", "asha")
    }
    assert all(returns[name] > returns["full_training"] + 0.05 for name in list(returns)[1:]), returns


def test_bad_input(path, tmp_path):
    with pytest.raises(UserError, match=r"has 1 recorded epochs and scores from .* at least 3 epochs"):
        MultiFidelity(table="nb201-cifar10")
    with pytest.raises(UserError, match="budget"):
        MultiFidelity(table=path, budget=0)
    with pytest.raises(UserError, match="did you mean 'hyperband'"):
        schedules.SchedulePolicy("hyperbnad", E, 90)
