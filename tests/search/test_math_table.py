"""A table gives what stands in it, and never its test scores to a search."""

import json

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.search.objective import TableObjective
from lhy_rl.search.space import Choice, Space
from lhy_rl.search.table import Table, load_table, table_names

SPACE = Space([Choice("x", (1, 2, 3), ordinal=True), Choice("y", ("a", "b"))])
NAN = float("nan")
SCORES = np.array(
    [  # two recorded epochs, two seeds, six configurations
        [[0.1, 0.2, 0.3, 0.4, 0.5, NAN], [0.1, 0.2, 0.3, 0.4, 0.5, NAN]],
        [[0.2, 0.4, 0.6, 0.8, 0.5, NAN], [0.4, 0.4, 0.6, NAN, 9.0, NAN]],
    ]
)
TABLE = Table(
    SPACE,
    SCORES,
    np.array([1, 5]),
    seconds=np.arange(6.0),
    runs=np.array([2, 2, 2, 2, 1, 2]),
    test=np.full((2, 6), 0.5),
    about={"name": "tiny"},
    extra={"learning_rate": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])},
)


def test_means_leave_out_failures_and_seeds_that_were_not_run():
    np.testing.assert_allclose(TABLE.mean, [0.3, 0.4, 0.6, 0.8, 0.5, NAN])
    assert TABLE.optimum == 0.8


def test_scores_are_of_the_seed_that_was_asked_for():
    tokens = SPACE.tokens_of(np.array([0, 0, 4, 4, 3]))
    np.testing.assert_allclose(TABLE.scores(tokens, np.array([0, 1, 0, 1, 1])), [0.2, 0.4, 0.5, 0.5, NAN])
    np.testing.assert_allclose(TABLE.scores(tokens, np.array([0, 3, 0, 1, 1]), epoch=0), [0.1, 0.1, 0.5, 0.5, 0.4])


def test_regret_is_the_distance_to_the_best_mean():
    tokens = SPACE.tokens_of(np.array([3, 2, 0, 5]))
    np.testing.assert_allclose(TABLE.regret(tokens), [0.0, 0.2, 0.5, 0.5])  # all seeds failed: as the worst


def test_further_numbers_are_kept_beside_the_scores(tmp_path):
    TABLE.save(tmp_path / "tiny.npz")
    tokens = SPACE.tokens_of(np.array([4, 0]))
    for table in (TABLE, load_table(tmp_path / "tiny.npz")):
        assert table.extra("learning_rate", tokens).tolist() == [0.5, 0.1]
        with pytest.raises(UserError, match="extra array of the table tiny: 'momentum'"):
            table.extra("momentum", tokens)


def test_an_evaluation_is_one_seeds_score():
    objective = TableObjective(TABLE)
    trial = objective.evaluate(np.array([0, 0]), seed=1)
    assert (trial.score, trial.epochs, trial.seconds) == (0.4, 5.0, 0.0)
    assert objective.evaluate(np.array([2, 1]), seed=0).failure == "it diverged when the table was made"


def test_a_table_of_part_of_a_space():
    keys = np.array([1, 4])
    table = Table(SPACE, np.array([[[0.5, 0.7]]]), np.array([1]), keys=keys)
    np.testing.assert_allclose(table.scores(SPACE.tokens_of(keys), np.zeros(2, int)), [0.5, 0.7])
    with pytest.raises(UserError, match=r"lacks .*'x': 1, 'y': 'a'"):
        table.rows(SPACE.tokens_of(np.array([0])))


def test_saved_and_loaded(tmp_path):
    TABLE.save(tmp_path / "tiny.npz")
    again = load_table(tmp_path / "tiny.npz")
    np.testing.assert_array_equal(again.mean, TABLE.mean)
    np.testing.assert_array_equal(again._runs, TABLE._runs)
    assert again.about == TABLE.about and [c.values for c in again.space.choices] == [(1, 2, 3), ("a", "b")]


@pytest.mark.parametrize(
    "members",
    [
        {"space": np.array("[]")},
        {"space": np.array(json.dumps([{"name": "x"}])), "scores": np.zeros((1, 1, 1)), "epochs": np.ones(1)},
        {"space": np.array("not json"), "scores": np.zeros((1, 1, 1)), "epochs": np.ones(1)},
    ],
)
def test_a_file_that_is_no_table(tmp_path, members):
    np.savez(tmp_path / "wrong.npz", **members)
    with pytest.raises(UserError, match=r"wrong.npz' is not a table"):
        load_table(tmp_path / "wrong.npz")


@pytest.mark.parametrize(
    "changes",
    [
        {"space": np.array("[" * 100_000)}, {"about": np.array("3")}, {"scores": np.zeros((0, 2, 6))},
        {"seconds": np.zeros(5)}, {"seconds": np.array(["a"] * 6)}, {"test": np.zeros((2, 5))},
        {"runs": np.zeros(6, int)}, {"epochs": np.array([2, 1])}, {"extra.rate": np.zeros((6, 2))},
        {"keys": np.arange(6)[::-1]}, {"keys": np.zeros(6, [("a", "f4")])},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_numbers_that_do_not_fit_each_other_are_no_table(tmp_path, changes):
    """Without a check most are read, and raise something else later or give wrong numbers."""
    TABLE.save(tmp_path / "tiny.npz")
    with np.load(tmp_path / "tiny.npz") as file:
        np.savez(tmp_path / "wrong.npz", **{**file, **changes})
    with pytest.raises(UserError, match=r"wrong.npz' is not a table"):
        load_table(tmp_path / "wrong.npz")


def test_a_file_that_is_cut_off(tmp_path):
    TABLE.save(tmp_path / "tiny.npz")
    data = (tmp_path / "tiny.npz").read_bytes()
    (tmp_path / "tiny.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=r"tiny.npz' is not a table"):
        load_table(tmp_path / "tiny.npz")


def test_a_file_with_a_changed_byte_is_no_table_or_read(tmp_path):
    TABLE.save(tmp_path / "tiny.npz")
    data, refused = (tmp_path / "tiny.npz").read_bytes(), 0
    for place in range(0, len(data), 5):
        (tmp_path / "tiny.npz").write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            load_table(tmp_path / "tiny.npz")
        except UserError:
            refused += 1
    assert refused > len(data) / 5 / 2  # some bytes of a zip, such as its dates, mean nothing here


# Optima of NAS-Bench-201's validation accuracies, mean of the seeds: Dong and Yang 2020, table 4
@pytest.mark.parametrize(
    ("name", "count", "optimum"),
    [("nb201-cifar10", 15_625, 91.61), ("nb201-cifar100", 15_625, 73.49), ("nb201-imagenet", 15_625, 46.73)],
)
def test_shipped_tables(name, count, optimum):
    table = load_table(name)
    assert len(table.mean) == count
    assert table.optimum == pytest.approx(optimum, abs=0.01)


def test_every_shipped_table_is_whole():
    assert len(table_names()) >= 15
    for name in table_names():
        table = load_table(name)
        assert table.about["name"] == name
        assert np.isfinite(table.mean).mean() > 0.9, name  # of the activation functions 6 % diverge


def test_unknown_table():
    with pytest.raises(UserError, match="did you mean 'nb201-cifar10'"):
        load_table("nb201-cifar1")
