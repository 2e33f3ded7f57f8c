"""Rungs and thresholds by hand; a stopped trial is neither complete nor failed."""

import math

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.search.early_stopping import Hyperband, Reports, Thresholds, read_hyperband
from lhy_rl.search.objective import FunctionObjective, TableObjective
from lhy_rl.search.space import Choice, Space
from lhy_rl.search.table import Table
from lhy_rl.search.trial import Trial

SPACE = Space([Choice("a", (1, 2, 3), ordinal=True)])


# ---------------------------------------------------------------------- rungs: the examples of wandb's documentation
@pytest.mark.parametrize(
    ("given", "rungs"),
    [
        ({"type": "hyperband", "min_iter": 3}, [3, 9, 27, 81]),
        ({"type": "hyperband", "max_iter": 27, "s": 2}, [3, 9]),
        ({"type": "hyperband", "max_iter": 27, "s": 9}, [1, 3, 9]),
        ({"type": "hyperband", "max_iter": 5, "s": 2, "eta": 2}, [1, 2]),
        ({"type": "hyperband", "min_iter": 2, "max_iter": 10, "eta": 1.5}, [2, 3, 4, 6]),
        ("hyperband", [1, 3, 9, 27]),
    ],
)
def test_rungs(given, rungs):
    found = read_hyperband(given)
    assert list(found.rungs[:4]) == rungs and (len(rungs) == 4 or len(found.rungs) == len(rungs))
    assert found.scaled(10).rungs[0] == 10 * rungs[0]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("hyperbnad", "did you mean 'hyperband'"),
        ({"type": "median"}, "unknown type of early_terminate"),
        ({"type": "hyperband"}, "needs min_iter, or max_iter and s"),
        ({"type": "hyperband", "max_iter": 27}, "needs min_iter, or max_iter and s"),
        ({"type": "hyperband", "min_iter": 0}, "min_iter=0"),
        ({"type": "hyperband", "max_iter": 27, "s": 0}, "s=0"),
        ({"type": "hyperband", "min_iter": 3, "eta": 1}, "eta is 1; allowed: above 1"),
        ({"type": "hyperband", "min_iter": 3, "eta": 1e300}, r"eta is 1e\+300; allowed: above 1, up to"),
        ({"type": "hyperband", "min_iter": 10**400}, "min_iter=1000"),
        ({"type": "hyperband", "min_iter": 3, "s": 2}, "allowed: min_iter, or max_iter and s"),
        ({"type": "hyperband", "min_iter": 3, "eta": "three"}, "eta must be a number above 1; given: 'three'"),
        ({"type": "hyperband", "min_iter": 3, "strict": "yes"}, "strict="),
        ({"type": "hyperband", "min_iter": 3, "max_iter": 3}, "no rung before the end"),
        ({"type": "hyperband", "min_itre": 3}, "did you mean 'min_iter'"),
        (3, "early_terminate is 3"),
    ],
)
def test_bad_options_get_one_line(given, line):
    with pytest.raises(UserError, match=line):
        read_hyperband(given)


# ---------------------------------------------------------------------- thresholds
def ended(*scores):
    """Trials that reported these scores at step 1 and stopped there."""
    return [Trial((0,), score, stopped=True, curve=((1.0, score),)) for score in scores]


@pytest.mark.parametrize(
    ("scores", "least"),
    [  # of n + 1 trials int((n + 1) / 3) may be better than the next
        ((), -math.inf),
        ((5.0,), 5.0),
        ((5.0, 4.0), 4.0),
        ((1.0, 5.0, 4.0, 2.0), 4.0),
        ((1.0, 5.0, 4.0, 2.0, 3.0), 3.0),
    ],
)
def test_one_of_eta_goes_on(scores, least):
    assert Hyperband((1.0, 3.0)).thresholds(ended(*scores)).least == (least, -math.inf)


def test_thresholds_are_those_of_enumeration():
    """A trial goes on if and only if at most int(n / eta) of the n trials, itself included, are better."""
    drawn = np.random.default_rng(0)
    for eta in (2.0, 3.0, 4.5):
        for count in range(12):
            others = drawn.permutation(count).astype(float)
            for mine in np.arange(-0.5, count):
                goes_on = (others > mine).sum() <= int((count + 1) / eta)
                report = Reports(Hyperband((1.0,), eta).thresholds(ended(*others)))
                assert report(1, mine) is bool(goes_on)


def test_a_trial_counts_at_the_rungs_that_it_came_to():
    trials = [Trial((0,), 0.9, curve=((1.0, 0.3), (4.0, 0.9))), Trial((0,), None, failure="x", curve=((1.0, 0.5),))]
    assert Hyperband((1.0, 3.0, 9.0)).thresholds(trials).least == (0.3, 0.9, -math.inf)


# ---------------------------------------------------------------------- reports
def test_only_strict_forgets_what_was_better_before():
    for strict, goes_on in ((False, True), (True, False)):
        report = Reports(Thresholds((2.0,), (0.5,), strict))
        assert report(1, 0.9)
        assert report(2, 0.4) is goes_on


def test_it_is_compared_at_rungs_only_and_stays_stopped():
    report = Reports(Thresholds((2.0, 8.0), (0.5, 0.9)))
    assert report(1, 0.0) and report(3, 0.6) and report(4, 0.7)
    assert not report(9, 0.8) and report.stopped
    assert not report(10, 1.0)


@pytest.mark.parametrize(("step", "score"), [(1, 0.5), (0, 0.5), (math.nan, 0.5), ("two", 0.5), (2, "good"), (2, None)])
def test_bad_reports_get_one_line(step, score):
    report = Reports()
    report(1, 0.1)
    with pytest.raises(UserError, match=r"increasing steps|must be a number"):
        report(step, score)


def test_steps_may_begin_at_0():
    report = Reports(Thresholds((1.0,), (0.5,)))
    assert [report(step, 0.1) for step in range(2)] == [True, False]
    with pytest.raises(UserError, match="step -1 is reported; allowed"):
        Reports()(-1, 0.5)


# ---------------------------------------------------------------------- objectives
def rising(configuration, seed, report):
    for step in range(1, 10):
        if not report(step, configuration["a"] * step / 10):
            return None
    return configuration["a"] * 0.9


def test_a_stopped_trial_has_its_cost_and_its_curve():
    on = FunctionObjective(SPACE, rising, {}, epochs=99)
    whole = on.evaluate(np.array([1]), 0)
    assert (whole.status, whole.score, whole.epochs, len(whole.curve)) == ("complete", 1.8, 9.0, 9)
    stopped = on.evaluate(np.array([1]), 0, Thresholds((3.0,), (0.7,)))
    assert (stopped.status, stopped.score, stopped.epochs) == ("stopped", 0.6, 3.0)
    assert stopped.curve == whole.curve[:3]


def test_what_diverges_on_the_way_has_failed():
    def diverging(configuration, seed, report):
        report(1, 0.5)
        report(2, math.nan)
        return 0.9

    trial = FunctionObjective(SPACE, diverging, {}).evaluate(np.array([0]), 0)
    assert (trial.status, trial.failure, trial.epochs) == ("failed", "its score is nan at step 2", 1.0)


def test_a_table_of_several_epochs_reports_them():
    scores = np.array([[[0.1, 0.2, 0.3]], [[0.4, 0.5, 0.6]], [[0.7, 0.8, math.nan]]])
    on = TableObjective(Table(SPACE, scores, np.array([1, 3, 9]), seconds=np.array([9.0, 9.0, 9.0])))
    assert on.reports
    whole, stopped = (on.evaluate(np.array([1]), 0, limit) for limit in (None, Thresholds((3.0,), (0.55,))))
    assert (whole.score, whole.epochs, whole.seconds, whole.status) == (0.8, 9.0, 9.0, "complete")
    assert (stopped.score, stopped.epochs, stopped.seconds, stopped.status) == (0.5, 3.0, 3.0, "stopped")
    failed = on.evaluate(np.array([2]), 0)
    assert failed.status == "failed" and "diverged" in failed.failure
