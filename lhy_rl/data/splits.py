"""Data sets of classification: inputs and labels, in three fixed parts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class LabelledData(NamedTuple):
    """Inputs and their classes; the arrays are read-only, because all users share them.

    Attributes:
        inputs: (N, ...) float32.
        labels: (N,) int64.
    """

    inputs: np.ndarray
    labels: np.ndarray


class Splits(NamedTuple):
    """A data set in three parts.

    Attributes:
        train: For training.
        validation: For the choice of hyperparameters: the only scores that a search sees.
        test: For the final report.
    """

    train: LabelledData
    validation: LabelledData
    test: LabelledData


def split(inputs: np.ndarray, labels: np.ndarray, train: int, validation: int, seed: int = 0) -> Splits:
    """Shuffle and split; the rest is the test part.

    Args:
        inputs: (N, ...).
        labels: (N,).
        train, validation: Sizes of these parts.
        seed: Seed of the shuffling.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    parts = []
    for rows in np.split(order, [train, train + validation]):
        part = LabelledData(inputs[rows].astype(np.float32), labels[rows].astype(np.int64))
        for array in part:
            array.setflags(write=False)
        parts.append(part)
    return Splits(*parts)
