"""The digits: parts that do not overlap, hold every class and stay the same."""

import builtins

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.data.digits import load_digits
from lhy_rl.data.splits import split


def test_the_digits_are_three_parts_of_all_classes():
    from sklearn.datasets import load_digits as original

    parts = load_digits()
    assert [part.inputs.shape for part in parts] == [(1000, 8, 8), (400, 8, 8), (397, 8, 8)]
    everything = np.concatenate([part.inputs for part in parts])
    assert everything.dtype == np.float32 and everything.min() == 0 and everything.max() == 1
    assert all(np.bincount(part.labels).min() > 20 and part.labels.max() == 9 for part in parts)
    pictures, labels = original(return_X_y=True)
    assert sorted(map(bytes, (everything * 16).astype(np.uint8).reshape(-1, 64))) == sorted(
        map(bytes, pictures.astype(np.uint8))
    )
    assert (np.bincount(np.concatenate([part.labels for part in parts])) == np.bincount(labels)).all()


def test_the_digits_stay_the_same():
    first = load_digits()
    assert first is load_digits()
    with pytest.raises(ValueError, match="read-only"):
        first.train.labels[0] = 3
    assert first.train.labels[:8].tolist() == FIRST


FIRST = [6, 6, 6, 2, 5, 6, 6, 2]


def test_a_split_keeps_pairs_together():
    parts = split(np.arange(20.0)[:, None], np.arange(20), 10, 6)
    assert [len(part.labels) for part in parts] == [10, 6, 4]
    assert all((part.inputs[:, 0] == part.labels).all() for part in parts)
    assert sorted(np.concatenate([part.labels for part in parts])) == list(range(20))


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    imported = builtins.__import__

    def without(name, *rest):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    load_digits.cache_clear()
    with pytest.raises(UserError, match=r"scikit-learn.*install"):
        load_digits()
