"""Handwritten digits: 1,797 pictures of 8 x 8 pixels, included in scikit-learn (Alpaydin and Kaynak 1998)."""

from __future__ import annotations

from functools import cache

from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.data.splits import Splits, split

TRAIN, VALIDATION = 1000, 400  # and 397 for the test


@cache
def load_digits() -> Splits:
    """The pictures, (N, 8, 8) from 0 to 1, and the digits, in fixed parts of 1,000, 400 and 397.

    Raises:
        UserError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise UserError(f"the digits need scikit-learn: {install_extra('search')}") from error
    pictures, labels = datasets.load_digits(return_X_y=True)
    return split(pictures.reshape(-1, 8, 8) / 16.0, labels, TRAIN, VALIDATION)
