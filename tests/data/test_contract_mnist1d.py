"""Our MNIST-1D is that of Greydanus (2020): by its statistics, and by what is learned from one about the other."""

import time

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.data.mnist1d import blur, mnist1d, subsampling
from lhy_rl.data.splits import LabelledData, Splits


@pytest.fixture(scope="module")
def ours():
    return mnist1d()


@pytest.fixture(scope="module")
def theirs():
    package = pytest.importorskip("mnist1d.data")
    made = package.make_dataset()
    parts = np.split(made["x"], [3000]), np.split(made["y"], [3000])
    train, validation = (LabelledData(x.astype(np.float32), y) for x, y in zip(*parts, strict=True))
    return Splits(train, validation, LabelledData(made["x_test"].astype(np.float32), made["y_test"]))


def whole(splits):
    return np.concatenate([part.inputs for part in splits]), np.concatenate([part.labels for part in splits])


def test_five_thousand_series_take_less_than_a_second():
    begun = time.process_time()
    splits = mnist1d()
    assert time.process_time() - begun < 1
    assert [part.inputs.shape for part in splits] == [(3000, 40), (1000, 40), (1000, 40)]
    x, y = whole(splits)
    assert x.dtype == np.float32 and abs(x.mean()) < 1e-4 and x.std() == pytest.approx(1, abs=1e-4)
    assert np.bincount(y).tolist() == [500] * 10


def test_the_seed_is_all_that_the_series_depend_on(ours):
    again, other = mnist1d(), mnist1d(seed=7)
    assert all((a.inputs == b.inputs).all() and (a.labels == b.labels).all() for a, b in zip(ours, again, strict=True))
    assert not np.array_equal(ours.train.inputs, other.train.inputs)


def test_bad_numbers_are_one_line():
    with pytest.raises(UserError, match="validation is 0; allowed: at least 1"):
        mnist1d(validation=0)


def test_smoothing_keeps_the_mean_and_subsampling_keeps_lines():
    line = np.arange(72.0)
    assert blur(72, 2.0).sum(0) == pytest.approx(np.ones(72))
    assert (line @ blur(72, 2.0))[20:50] == pytest.approx(line[20:50])
    assert line @ subsampling(72, 40) == pytest.approx(np.linspace(0, 71, 40))


def test_their_statistics(ours, theirs):
    x, y = whole(ours)
    other, labels = whole(theirs)
    levels = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
    assert np.quantile(x, levels) == pytest.approx(np.quantile(other, levels), abs=0.03)
    for lag in (1, 2, 5, 10, 20):
        mine, its = (float((z[:, lag:] * z[:, :-lag]).mean()) for z in (x, other))
        assert mine == pytest.approx(its, abs=0.02)
    for shape in range(10):  # 500 series of each: the standard error of a mean is about 0.045
        mine, its = x[y == shape], other[labels == shape]
        assert np.abs(mine.mean(0) - its.mean(0)).max() < 0.25
        assert mine.std() == pytest.approx(its.std(), abs=0.06)


def linear_accuracy(train, test):
    """Of least squares."""
    inputs = np.c_[train.inputs, np.ones(len(train.inputs))]
    weights = np.linalg.lstsq(inputs, np.eye(10)[train.labels], rcond=None)[0]
    return float(((np.c_[test.inputs, np.ones(len(test.inputs))] @ weights).argmax(1) == test.labels).mean())


def test_a_linear_model_reads_a_third_of_either(ours, theirs):
    for train in (ours.train, theirs.train):
        for test in (ours.test, theirs.test):
            assert 0.22 < linear_accuracy(train, test) < 0.38  # the paper: 0.32; guessing: 0.1


def test_what_a_network_learns_from_ours_it_reads_in_theirs(ours, theirs):
    import torch

    from lhy_rl.search.children.activation_cnn import train

    other_test = Splits(ours.train, ours.test, theirs.test)
    (outcome,) = train(lambda x: x * torch.tanh(x), other_test, [0], (6,))
    (mine,) = outcome.validation
    assert mine > 0.7 and abs(mine - outcome.test) < 0.06
