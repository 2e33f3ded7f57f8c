"""Several tables as one array: ranks by hand, and what does not fit together."""

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.search.space import Choice, Space
from lhy_rl.search.stacked import StackedTables, share_below
from lhy_rl.search.table import Table

SPACE = Space([Choice("rate", (0.1, 0.2, 0.3), ordinal=True)])


def saved(folder, name, scores, space=SPACE, **parts):
    path = folder / f"{name}.npz"
    Table(space, np.array(scores, float)[None], np.array([1]), about={"name": name}, **parts).save(path)
    return path


def test_ties_share_the_middle_of_their_ranks():
    assert share_below(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == pytest.approx([2.5 / 3, 0, 2.5 / 3, 1 / 3])


def test_mean_ranks_are_over_tables_whatever_their_scales(tmp_path):
    one, two = saved(tmp_path, "one", [[1, 2, 3]]), saved(tmp_path, "two", [[50, 70, 60], [50, 70, 60]])
    assert StackedTables([one, two]).mean_ranks().tolist() == pytest.approx([0, 0.75, 0.75])


def test_a_configuration_that_always_failed_has_the_lowest_rank(tmp_path):
    assert StackedTables(saved(tmp_path, "one", [[2, np.nan, 1]])).mean_ranks().tolist() == pytest.approx([1, 0, 0.5])


def test_what_was_not_trained_has_no_score(tmp_path):
    one = saved(tmp_path, "one", [[1, 2, 3], [4, 5, 6]], runs=np.array([2, 1, 2]))
    two = saved(tmp_path, "two", [[7, 8, 9]])
    stacked = StackedTables([one, two])
    no = -np.inf
    assert stacked.scores.tolist() == [[[1, 2, 3], [4, no, 6]], [[7, 8, 9], [no, no, no]]]
    assert stacked.runs.tolist() == [[2, 1, 2], [1, 1, 1]] and stacked.lowest.tolist() == [1, 7]


def test_tables_of_two_spaces(tmp_path):
    other = Space([Choice("rate", (1, 2, 3), ordinal=True)])
    with pytest.raises(UserError, match="have different spaces"):
        StackedTables([saved(tmp_path, "one", [[1, 2, 3]]), saved(tmp_path, "two", [[1, 2, 3]], other)])
