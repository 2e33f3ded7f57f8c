"""What every searcher keeps: canonical proposals, one seed one search, resuming as if it had never stopped."""

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.experiment.searchers import searchers
from lhy_rl.search.executors.base import InProcess
from lhy_rl.search.journal import Journal
from lhy_rl.search.run import Search
from lhy_rl.search.searcher import Exhausted
from lhy_rl.search.space import Choice, Space
from lhy_rl.search.table import Table
from lhy_rl.search.trial import Trial
from tests.search.objectives import SPACE, hill, objective
from tests.tiny_runs import hpo_trial_run

CONDITIONAL = Space(
    [
        Choice("kind", ("linear", "deep")),
        Choice("rate", (0.1, 0.2, 0.3), ordinal=True),
        Choice("width", (8, 16, 32), ordinal=True, condition=("kind", ("deep",))),
    ]
)  # 3 + 9 configurations

LEARNED = ("portfolio", "controller_transfer", "tpe_transfer", "policy")
"""Those that learn from tables of other data sets before."""

QUICK = {"pretraining_steps": 15, "pretraining_batch": 16, "pretraining_elite": 20}

UNTAUGHT = ("grid", "random", "controller_paper", "sb3_a2c", "sb3_dqn", "policy")
"""Those that learn nothing; those that learn too little in so few trials (benchmarks/search.py); and the policy, which
is new here."""

ALL = pytest.mark.parametrize("name", searchers.names())


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Makes a searcher by name; one that learns from tables gets one, of which most scores are other than here."""
    folder = tmp_path_factory.mktemp("learned")

    def made(name, space, centre=None, **options):
        if name in LEARNED:
            path = folder / f"{space.num_configurations}-{centre}.npz"
            if not path.exists():
                tokens = np.concatenate(list(space.blocks()))
                scores = -np.abs(tokens - (0.4 * space.sizes if centre is None else centre)).sum(1)
                keys = space.keys(tokens) if space.conditional else None
                Table(space, scores[None, None], np.array([1]), keys=keys, about={"name": "other"}).save(path)
            if name == "policy":
                options = {"run": hpo_trial_run(path), "num_trials": 200, **options}
            else:
                options = {"tables": str(path), **(QUICK if name == "controller_transfer" else {}), **options}
        return searchers.get(name)(space, **options)

    return made


def tried(searcher, n, value=lambda tokens: float(tokens.sum())):
    """The first n proposals, each told its value at once."""
    found = []
    for _ in range(n):
        tokens = searcher.ask()
        searcher.tell(Trial(tuple(tokens.tolist()), value(tokens)))
        found.append(tokens.tolist())
    return found


@ALL
def test_proposals_are_canonical(name, make):
    searcher = make(name, CONDITIONAL, seed=0)
    for tokens in tried(searcher, 10):
        assert CONDITIONAL.checked(tokens).tolist() == tokens


@ALL
def test_same_seed_same_search(name, make):
    one, two = tried(make(name, SPACE, seed=3), 30), tried(make(name, SPACE, seed=3), 30)
    assert one == two
    if name not in ("grid", "portfolio"):
        assert tried(make(name, SPACE, seed=4), 30) != one


@ALL
def test_no_proposal_comes_twice_until_all_have_come(name, make):
    searcher = make(name, CONDITIONAL, seed=0)
    if not searcher.unique:
        pytest.skip("it may repeat itself")
    proposals = tried(searcher, 12)
    assert len({tuple(tokens) for tokens in proposals}) == 12
    with pytest.raises(Exhausted):
        searcher.ask()


@ALL
def test_failed_trials_are_taken(name, make):
    searcher = make(name, SPACE, seed=0)
    tried(searcher, 40, lambda tokens: None if tokens[0] % 2 else float(tokens[1]))
    assert SPACE.checked(searcher.ask()).shape == (2,)


@ALL
def test_all_trials_may_fail(name, make):
    searcher = make(name, SPACE, seed=0)
    assert len(tried(searcher, 40, lambda tokens: None)) == 40


@ALL
def test_several_may_be_asked_before_any_is_told(name, make):
    searcher = make(name, SPACE, seed=0)
    asked = [searcher.ask() for _ in range(24)]
    for tokens in reversed(asked):
        searcher.tell(Trial(tuple(tokens.tolist()), float(tokens.sum())))
    assert SPACE.checked(searcher.ask()).shape == (2,)


@ALL
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(name, make, tmp_path):
    on = objective(hill)
    whole = Search(make(name, SPACE, seed=1), InProcess(on)).run(35)
    journal = Journal(tmp_path / "journal.jsonl")
    Search(make(name, SPACE, seed=1), InProcess(on), journal=journal).run(
        35, lambda trial: trial.tokens != whole.trials[19].tokens
    )
    part = Search(make(name, SPACE, seed=1), InProcess(on), journal=journal)
    assert 0 < len(part.history.trials) <= 20
    rest = part.run(35)
    assert [trial.tokens for trial in rest.trials] == [trial.tokens for trial in whole.trials]
    assert [trial.score for trial in rest.trials] == [trial.score for trial in whole.trials]


@pytest.mark.parametrize("name", [name for name in searchers.names() if name not in UNTAUGHT])
def test_what_learns_comes_nearer_than_random(name, make):
    """The best of 120 of 4,096 configurations, over 3 seeds: at most two thirds as far away as random's best."""
    space = Space([Choice(c, tuple(range(16)), ordinal=True) for c in "abc"])
    best = np.array([11, 3, 8])

    def distance(name, **options):
        def one(seed):
            searcher = make(name, space, centre=np.array([9, 5, 8]), seed=seed, **options)
            history = tried(searcher, 120, lambda tokens: -float(np.abs(tokens - best).sum()))
            return min(np.abs(np.array(tokens) - best).sum() for tokens in history)

        return np.mean([one(seed) for seed in range(3)])

    options = {"refit": 20} if name == "surrogate" else {}
    assert distance(name, **options) <= 0.67 * distance("random")


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": 0.5}])
def test_wrong_seeds(wrong):
    with pytest.raises(UserError, match="seed="):
        searchers.get("random")(SPACE, **wrong)


@pytest.mark.parametrize(("answer", "trials"), [(False, 1), (np.float64(1) < 0, 1), (None, 4), (0, 4)])
def test_a_function_that_returns_false_ends_the_search(answer, trials):
    search = Search(searchers.get("random")(SPACE), InProcess(objective(hill)))
    assert len(search.run(4, lambda trial: answer).trials) == trials
