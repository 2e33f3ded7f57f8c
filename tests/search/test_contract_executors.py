"""Trials that fail in any way cost themselves only; what was tried is not tried again."""

import hashlib
import json
import re
import time
from dataclasses import replace
from unittest.mock import ANY

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.search.cache import CachedObjective
from lhy_rl.search.early_stopping import Thresholds, read_hyperband
from lhy_rl.search.executors.base import InProcess, failed
from lhy_rl.search.executors.processes import Processes
from lhy_rl.search.journal import Journal
from lhy_rl.search.objective import FunctionObjective
from lhy_rl.search.run import Search
from lhy_rl.search.searchers.simple import Grid, Random
from tests.search.objectives import FAULTIER, SPACE, climbing, faultier, faulty, hill, objective, of_accuracy

HYPERBAND = read_hyperband("hyperband")


def test_processes_survive_what_their_trials_do():
    on = objective(faulty)
    with Processes(on, workers=2, time_limit=2.0) as executor:
        trials = Search(Random(SPACE, seed=0), executor).run(24).trials
    assert len(trials) == 24
    failures = {trial.tokens[0]: trial.failure for trial in trials if trial.score is None}
    assert failures == {
        1: "its score is nan",
        2: "ValueError: no such network",
        3: "its process died",
        4: "it took longer than 2 seconds",
    }
    assert {trial.tokens[0] for trial in trials if trial.score is not None} == {0, 5, 6, 7}


def test_processes_survive_the_rest(capfd):
    on = of_accuracy(faultier)
    with Processes(on, workers=1) as executor:
        trials = Search(Grid(on.space, num_trials=8), executor).run(8).trials
    failures = {trial.tokens[0]: trial.failure for trial in trials}
    assert failures[1] == "its process died"
    assert all(failures[a].startswith(line) and "\n" not in line for a, line in FAULTIER.items())
    assert [trial.score for trial in trials if trial.tokens[0] in (0, 4)] == [0.5, 0.5]


def test_what_no_process_can_be_sent_is_said_at_once():
    with pytest.raises(UserError, match="cannot be sent to another process"):
        Processes(FunctionObjective(SPACE, lambda configuration, seed: 0.0, {}), workers=1)


def test_a_searcher_that_leaves_the_space(tmp_path):
    class Astray(Random):
        def ask(self):
            return super().ask() + 7

    with pytest.raises(
        UserError, match=r"the token of a is 1[0-9]; allowed: 0 to 7|the token of b is [0-9]+; allowed: 0 to 5"
    ):
        Search(Astray(SPACE), InProcess(objective(hill))).run(3)


def test_two_processes_find_what_one_finds():
    on = objective(hill)
    alone = Search(Grid(SPACE, num_trials=48), InProcess(on)).run(48)
    with Processes(on, workers=2) as executor:
        both = Search(Grid(SPACE, num_trials=48), executor).run(48)
    assert {(t.tokens, t.score) for t in both.trials} == {(t.tokens, t.score) for t in alone.trials}


def test_processes_stop_trials_early():
    on = objective(climbing)
    with Processes(on, workers=2) as executor:
        history = Search(Random(SPACE, seed=0), executor, early_terminate=HYPERBAND).run(20)
    stopped = [trial for trial in history.trials if trial.stopped]
    assert 5 <= len(stopped) < 20 and {trial.epochs for trial in stopped} <= {1.0, 3.0}
    assert all(len(trial.curve) == trial.epochs for trial in history.trials)
    assert history.incumbent.score == max(trial.score for trial in history.trials if not trial.stopped)


def test_early_termination_needs_reports():
    with pytest.raises(UserError, match="early_terminate needs intermediate scores"):
        Search(Random(SPACE), InProcess(objective(hill)), early_terminate=HYPERBAND)


@pytest.mark.parametrize("returns", [None, "good", [1.0, 2.0]])
def test_a_function_that_gives_no_number(returns):
    trial = FunctionObjective(SPACE, lambda configuration, seed: returns, {}).evaluate(np.array([0, 0]), 0)
    assert trial.score is None and "must return a number" in trial.failure


def test_metrics_of_which_none_is_the_score():
    trial = FunctionObjective(SPACE, lambda configuration, seed: {"accuracy": 1.0}, {}).evaluate(np.array([0, 0]), 0)
    assert trial.score is None and "the space names none; add to it: metric:" in trial.failure


async def later(values, seed):
    return 1.0


def one_after_the_other(values, seed):
    yield 1.0


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda values: 1.0, "cannot be called as function(values, seed): too many positional"),
        (lambda values, report: 1.0, "cannot be called as function(values, seed, report)"),
        (3, "3 is not a function"),
        (later, "later is a coroutine or generator function"),
        (one_after_the_other, "one_after_the_other is a coroutine or generator function"),
    ],
)
def test_what_every_trial_would_fail_with_is_refused_before_the_first(function, message):
    with pytest.raises(UserError, match=re.escape(message)):
        FunctionObjective(SPACE, function, {})


# ---------------------------------------------------------------------- the journal
def searched(path, n, on=hill, about=None):
    journal = None if path is None else Journal(path)
    return Search(Random(SPACE, seed=0), InProcess(objective(on)), journal=journal, about=about).run(n)


def test_a_line_that_was_cut_off_is_tried_again(tmp_path):
    path = tmp_path / "journal.jsonl"
    whole = searched(path, 10)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(RuntimeWarning, match="line 21 is damaged and skipped"):
        again = searched(path, 12)
    assert [t.tokens for t in again.trials[:10]] == [t.tokens for t in whole.trials]
    assert len(again.trials) == 12


def test_a_line_that_was_changed_is_reported_and_its_trial_is_done_again(tmp_path):
    path = tmp_path / "journal.jsonl"
    whole = searched(path, 10)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[8] = lines[8].replace(b'"score": ', b'"score": 9')  # of the fourth trial
    path.write_bytes(b"".join(lines))
    with pytest.warns(RuntimeWarning, match="line 9 is damaged"):
        again = searched(path, 10)
    assert {(t.tokens, t.score) for t in again.trials} == {(t.tokens, t.score) for t in whole.trials}


def test_a_search_with_stopped_trials_goes_on(tmp_path):
    path = tmp_path / "journal.jsonl"

    def search(journal):
        on = InProcess(objective(climbing))
        return Search(Random(SPACE, seed=0), on, journal=journal, early_terminate=HYPERBAND)

    whole = search(None).run(20)
    search(Journal(path)).run(9)
    assert search(Journal(path)).history.trials == [replace(t, seconds=ANY) for t in whole.trials[:9]]
    assert [(t.tokens, t.curve) for t in search(Journal(path)).run(20).trials] == [
        (t.tokens, t.curve) for t in whole.trials
    ]
    with pytest.raises(UserError, match="belongs to another search"):
        Search(Random(SPACE, seed=0), InProcess(objective(climbing)), journal=Journal(path))


def test_a_journal_of_another_search(tmp_path):
    searched(tmp_path / "journal.jsonl", 3, about={"searcher": "random"})
    with pytest.raises(UserError, match="belongs to another search"):
        searched(tmp_path / "journal.jsonl", 3, about={"searcher": "grid"})


@pytest.mark.parametrize(
    "changes",
    [
        {"number": None}, {"number": -1}, {"number": 1.5}, {"number": 10**9}, {"event": "try"}, {"trial": None},
        {"trial": {"tokens": [0, 0], "score": "x"}}, {"trial": {"tokens": [10**400, 0], "score": 1.0}},
        {"trial": {"tokens": [[]], "score": 1.0}}, {"trial": {"tokens": [0, 0], "score": 1.0, "curve": 3}},
    ],
    ids=str,
)  # fmt: skip
def test_a_line_whose_checksum_is_right_and_whose_content_is_no_searchs_is_refused(tmp_path, changes):
    path = tmp_path / "journal.jsonl"
    searched(path, 2)
    kept = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    Journal(path).append({**json.loads(kept[2].partition(b" ")[2]), **changes})
    path.write_bytes(kept[0] + kept[1] + path.read_bytes())
    with pytest.raises(UserError, match="has a line that does not fit"):
        searched(path, 3)


def test_nested_lists_without_end_are_damaged(tmp_path):
    path = tmp_path / "journal.jsonl"
    text = "[" * 100_000
    path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()[:8]} {text}\n")
    with pytest.warns(RuntimeWarning, match="line 1 is damaged"):
        assert len(searched(path, 2).trials) == 2


def test_binary_garbage(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(bytes(range(256)) * 3)
    with pytest.warns(RuntimeWarning, match="is damaged and skipped"):
        assert list(Journal(path).read()) == []


# ---------------------------------------------------------------------- the cache
def test_what_the_cache_knows_is_not_tried_again(tmp_path):
    tries = []

    def count(configuration, seed):
        tries.append(configuration)
        return hill(configuration, seed)

    def run(about, n=20):
        on = FunctionObjective(SPACE, count, about)
        cache = CachedObjective(on, tmp_path / "cache.jsonl")
        return Search(Random(SPACE, seed=0), InProcess(on), seed=0, cache=cache).run(n)

    first = run({"data": "one"})
    assert len(tries) == 20
    assert [t.score for t in run({"data": "one"}).trials] == [t.score for t in first.trials]
    assert len(tries) == 20
    run({"data": "two"})  # another objective: nothing is known
    assert len(tries) == 40


def test_a_damaged_entry_of_the_cache_is_trained_for_again(tmp_path):
    path = tmp_path / "cache.jsonl"
    cache = CachedObjective(objective(hill), path)
    for token in range(3):
        cache.evaluate(np.array([token, 0]), 0)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:30] + b"\n" + lines[2])
    with pytest.warns(RuntimeWarning, match="line 2 is damaged"):
        again = CachedObjective(objective(hill), path)
    assert [again.known(np.array([token, 0]), 0) is None for token in range(3)] == [False, True, False]


def test_the_cache_does_not_keep_what_another_search_may_let_go_on(tmp_path):
    cache = CachedObjective(objective(climbing), tmp_path / "cache.jsonl")
    tokens = np.array([0, 0])
    assert cache.evaluate(tokens, 0, Thresholds((3.0,), (0.0,))).stopped
    assert cache.known(tokens, 0) is None
    assert cache.evaluate(tokens, 0).status == "complete"
    assert cache.known(tokens, 0).curve == cache.evaluate(tokens, 0, Thresholds((3.0,), (0.0,))).curve


def test_a_journal_is_no_cache(tmp_path):
    searched(tmp_path / "journal.jsonl", 2)
    with pytest.raises(UserError, match=r"journal.jsonl is not a cache of trials"):
        CachedObjective(objective(hill), tmp_path / "journal.jsonl")


def test_what_diverged_is_kept_as_well_and_what_may_succeed_the_next_time_is_not(tmp_path):
    """What raised, took too long or was killed is tried again, as by an older cache, which kept it."""
    path = tmp_path / "cache.jsonl"
    cache, diverged, raised = CachedObjective(objective(faulty), path), np.array([1, 0]), np.array([2, 0])
    assert "no such" in cache.evaluate(raised, 0).failure
    cache.evaluate(diverged, 0)
    killed = failed(np.array([3, 0]), "its process died")
    cache.keep(killed.array, 0, killed)
    Journal(path).append({"key": cache.key(killed.array, 0), "trial": killed.plain()})
    for kept in (cache, CachedObjective(objective(faulty), path)):
        assert kept.known(diverged, 0).failure == "its score is nan"
        assert kept.known(raised, 0) is None and kept.known(killed.array, 0) is None


def test_a_journal_is_read_by_people(tmp_path):
    searched(tmp_path / "journal.jsonl", 1)
    events = [json.loads(line.partition(b" ")[2]) for line in (tmp_path / "journal.jsonl").read_bytes().splitlines()]
    assert [event["event"] for event in events] == ["search", "ask", "tell"]


def test_a_time_limit_above_zero():
    with pytest.raises(UserError, match="time_limit is 0"):
        Processes(objective(hill), workers=1, time_limit=0)
    begin = time.monotonic()
    with pytest.raises(UserError, match="workers is -1"):
        Processes(objective(hill), workers=-1)
    assert time.monotonic() - begin < 1


class Counted(InProcess):
    """One trial at a time, as it says of itself."""

    def submit(self, number, tokens, seed, thresholds=None):
        assert len(self._ended) < self.workers, "more trials at once than there are workers"
        super().submit(number, tokens, seed, thresholds)


def test_a_search_of_many_workers_goes_on_with_fewer(tmp_path):
    journal, searcher = Journal(tmp_path / "journal.jsonl"), Random(SPACE, seed=0)
    journal.append({"event": "search", "about": {}, "seed": None})
    for number in range(4):  # all were being tried when it was interrupted
        journal.append({"event": "ask", "number": number, "tokens": searcher.ask().tolist()})
    found = Search(Random(SPACE, seed=0), Counted(objective(hill)), journal=journal).run(6)
    assert [t.tokens for t in found.trials] == [t.tokens for t in searched(None, 6).trials]
