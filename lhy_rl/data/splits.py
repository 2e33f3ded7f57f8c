"""What the data sets of classification share: inputs and labels, cut into three parts that never change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class LabelledData(NamedTuple):
    """Inputs and their classes; the arrays are read-only, because everybody has the same ones.

    Attributes:
        inputs: (N, ...) float32.
        labels: (N,) int64.
    """

    inputs: np.ndarray
    labels: np.ndarray


class Splits(NamedTuple):
    """A data set in three parts.

    Attributes:
        train: What weights are learned from.
        validation: What hyperparameters are chosen by: the only scores that a search sees.
        test: What is reported at the end.
    """

    train: LabelledData
    validation: LabelledData
    test: LabelledData


def split(inputs: np.ndarray, labels: np.ndarray, train: int, validation: int, seed: int = 0) -> Splits:
    """Shuffle and cut; what is left over is the test part.

    Args:
        inputs: (N, ...).
        labels: (N,).
        train, validation: How many go there.
        seed: Of the shuffling.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    parts = []
    for rows in np.split(order, [train, train + validation]):
        part = LabelledData(inputs[rows].astype(np.float32), labels[rows].astype(np.int64))
        for array in part:
            array.setflags(write=False)
        parts.append(part)
    return Splits(*parts)
