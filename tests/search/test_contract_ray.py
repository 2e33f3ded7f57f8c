"""A search on a Ray cluster of two nodes, one of which is killed in the middle: no trial is lost, none is repeated."""

import time

import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.search.early_stopping import read_hyperband
from lhy_rl.search.executors.on_ray import OnRay
from lhy_rl.search.objective import FunctionObjective
from lhy_rl.search.run import Search
from lhy_rl.search.searchers.simple import Grid, Random
from lhy_rl.search.space import Choice, Space
from tests.search.objectives import FAULTIER, SPACE, climbing, faultier, faulty, objective, of_accuracy, unhurried

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning"
)


@pytest.fixture(scope="module")
def cluster():
    """Two nodes on this machine, with a CPU each; the second can be killed."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_node_that_is_killed_loses_no_trial(cluster):
    lost = cluster.add_node(num_cpus=1)
    tried = []

    def on_trial(trial):
        tried.append(trial.tokens)
        if len(tried) == 4:
            cluster.remove_node(lost, allow_graceful=False)

    with OnRay(objective(unhurried), cluster.address) as executor:
        assert executor.workers == 2
        history = Search(Random(SPACE, seed=0), executor).run(16, on_trial)
    assert len(history.trials) == len({trial.tokens for trial in history.trials}) == 16
    assert [trial.failure for trial in history.trials] == [""] * 16


def test_trials_are_stopped_early_on_ray(cluster):
    with OnRay(objective(climbing), cluster.address) as executor:
        trials = Search(Random(SPACE, seed=0), executor, early_terminate=read_hyperband("hyperband")).run(12).trials
    stopped = [trial for trial in trials if trial.stopped]
    assert 0 < len(stopped) < 12 and {trial.epochs for trial in stopped} <= {1.0, 3.0}


def test_failures_on_ray(cluster):
    begun = time.monotonic()
    on = FunctionObjective(Space([Choice("a", tuple(range(8))), Choice("b", (0,))]), faulty, {})
    with OnRay(on, cluster.address, workers=1, time_limit=8.0, retries=0) as executor:
        trials = Search(Grid(on.space, num_trials=8), executor).run(8).trials
    failures = {trial.tokens[0]: trial.failure for trial in trials}
    assert failures[1] == "its score is nan" and failures[2] == "ValueError: no such network"
    assert "Worker" in failures[3] or "longer than 8 seconds" in failures[3]
    assert failures[4] == "it took longer than 8 seconds"
    assert [failures[a] for a in (0, 5, 6, 7)] == [""] * 4
    assert time.monotonic() - begun < 60


def test_the_other_failures_on_ray(cluster):
    on = of_accuracy(faultier)
    with OnRay(on, cluster.address, workers=1, retries=0) as executor:
        trials = Search(Grid(on.space, num_trials=8), executor).run(8).trials
    failures = {trial.tokens[0]: trial.failure for trial in trials}
    assert "WorkerCrashedError" in failures[1]
    assert all(failures[a].startswith(line) for a, line in FAULTIER.items())
    assert failures[0] == failures[4] == ""


def test_no_cluster_there():
    with pytest.raises(UserError, match=r"no Ray cluster at '127\.0\.0\.1:1'"):
        OnRay(objective(faulty), "127.0.0.1:1")
