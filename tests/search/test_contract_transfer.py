"""Searchers that learn from tables of other data sets: what they bring along, and that none has seen the answer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lhy_rl.agents.search.controller import Controller
from lhy_rl.agents.search.transfer import TransferController
from lhy_rl.core.errors import UserError
from lhy_rl.envs.search.hpo_trial import HPOTrial
from lhy_rl.experiment.load import load
from lhy_rl.experiment.search_run import SearchRun, make_searcher
from lhy_rl.search.objective import TableObjective
from lhy_rl.search.searcher import Exhausted
from lhy_rl.search.space import Choice, Space
from lhy_rl.search.stacked import GROUPS, StackedTables
from lhy_rl.search.table import Table, load_table, table_names
from lhy_rl.search.trial import Trial
from tests.tiny_runs import hpo_trial_run

SPACE = Space([Choice("a", tuple(range(6)), ordinal=True), Choice("b", ("x", "y", "z"))])


@pytest.fixture
def tables(tmp_path):
    """Two tables; both have a = 4, b = y on top, then a = 5, b = y."""
    tokens = np.concatenate(list(SPACE.blocks()))
    scores = -np.abs(tokens[:, 0] - 4.2) - 2 * (tokens[:, 1] != 1)
    paths = []
    for name, scale in (("one", 1.0), ("two", 100.0)):
        paths.append(str(tmp_path / f"{name}.npz"))
        Table(SPACE, scale * scores[None, None], np.array([1]), about={"name": name}).save(paths[-1])
    return paths


def test_a_portfolio_is_in_order_of_the_mean_rank(tables):
    searcher = make_searcher("portfolio", SPACE, 0, 10, {"tables": tables})
    assert [searcher.ask().tolist() for _ in range(3)] == [[4, 1], [5, 1], [3, 1]]
    assert searcher.learned_from == ("one", "two")


def test_tpe_begins_with_the_portfolio(tables):
    searcher = make_searcher("tpe_transfer", SPACE, 0, 10, {"tables": tables, "enqueued": 2})
    asked = []
    for _ in range(2):
        asked.append(searcher.ask())
        searcher.tell(Trial(tuple(asked[-1].tolist()), 0.0))
    assert np.array(asked).tolist() == [[4, 1], [5, 1]]


def test_a_new_controller_draws_what_was_good_elsewhere(tables):
    """Most of the first draws are among the three best; without pretraining one in six is."""
    options = {"tables": tables, "pretraining_elite": 3, "pretraining_steps": 60, "pretraining_batch": 32}
    best = StackedTables(tables).best(3)

    def share(searcher):
        keys = SPACE.keys(searcher.draw(300))
        return np.isin(keys, SPACE.keys(best)).mean()

    new = TransferController(SPACE, **{**options, "pretraining_steps": 0})
    assert share(TransferController(SPACE, **options)) > 0.8 and share(new) < 0.3


def test_without_pretraining_it_is_the_controller(tables):
    transferred, plain = TransferController(SPACE, 3, tables, pretraining_steps=0), Controller(SPACE, 3)
    for name, weights in plain.policy.state_dict().items():
        assert torch.equal(weights, transferred.policy.state_dict()[name])


def test_the_shipped_tables_of_a_space_are_found():
    searcher = make_searcher("portfolio", load_table("nb201-cifar10").space, 0, 10, {})
    assert searcher.learned_from == GROUPS["nb201-train"]


def test_no_table_is_both_learned_from_and_tested_on():
    names = [name for group in GROUPS.values() for name in group]
    assert len(set(names)) == len(names) and set(names) <= set(table_names())


def test_a_space_of_ones_own_needs_tables():
    with pytest.raises(UserError, match=r"no shipped tables have the choices .*--tables"):
        make_searcher("portfolio", SPACE, 0, 10, {})


def test_tables_of_another_space(tables):
    with pytest.raises(UserError, match="another space"):
        make_searcher("controller_transfer", load_table("nb201-cifar10").space, 0, 10, {"tables": tables})


@pytest.mark.parametrize("name", ["portfolio", "tpe_transfer", "controller_transfer"])
def test_no_searcher_searches_what_it_has_seen(name, tmp_path, tables):
    on = TableObjective(load_table(tables[0]))
    quick = {"pretraining_steps": 1} if name == "controller_transfer" else {}
    with pytest.raises(UserError, match=r"has learned from one, the table that is to be searched;.*--tables '\[two\]'"):
        SearchRun(tmp_path / "run", name, on, 5, options={"tables": tables, **quick})
    SearchRun(tmp_path / "run", name, on, 5, options={"tables": tables[1:], **quick})  # nothing is wrong with the other


@pytest.mark.parametrize(
    "wrong", [{"pretraining_elite": 0}, {"pretraining_steps": -1}, {"pretraining_batch": 0}, {"pretraining_rate": 0.0}]
)
def test_wrong_options(tables, wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        TransferController(SPACE, 0, tables, **wrong)


def test_a_policy_searches_as_in_its_environment(tables):
    """It sees and remembers the same, and so it draws the same."""
    run = hpo_trial_run(Path(tables[0]))
    searcher = make_searcher("policy", SPACE, 3, 6, {"run": run, "unique": False})
    env = HPOTrial(tables=tables[1], num_trials=6, autoreset_mode="Disabled")  # a table with one seed
    agent = load(run, device="cpu")
    agent.predict_generator = torch.Generator().manual_seed(3)
    obs, _ = env.reset(seed=0)
    memory, start = None, np.ones(1, bool)
    for _ in range(6):
        assert np.array_equal(searcher.observed(), obs)
        actions, memory = agent.predict(obs, memory, start, deterministic=False)
        tokens, start = searcher.ask(), np.zeros(1, bool)
        assert tokens.tolist() == actions[0].tolist()
        obs, *_ = env.step(actions)
        score = env.tables.scores[0, 0, env.tables.rows(actions)[0]]
        searcher.tell(Trial(tuple(tokens.tolist()), float(score)))
    with pytest.raises(Exhausted):
        searcher.ask()


def test_a_policy_needs_a_run_of_the_same_space(tables):
    with pytest.raises(UserError, match="needs a trained agent: lhy-rl train"):
        make_searcher("policy", SPACE, 0, 10, {})
    run = hpo_trial_run(Path(tables[0]))
    with pytest.raises(UserError, match="was trained to search"):
        make_searcher("policy", Space([Choice("a", (1, 2))]), 0, 10, {"run": run})
