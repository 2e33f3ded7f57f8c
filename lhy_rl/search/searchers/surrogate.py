"""A model that predicts the score from hyperparameters, and proposes where it expects to improve: the lecture's
"model"."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.core.validation import check
from lhy_rl.search.proposed import Proposed
from lhy_rl.search.searcher import Searcher
from lhy_rl.search.space import Space
from lhy_rl.search.trial import Trial

MODELS = ("forest", "ridge")


class Surrogate(Searcher):
    """Sequential model-based optimisation (Hutter et al. 2011): a regression of the scores and expected improvement.

    The candidates are drawn configurations and the neighbours of the best ones; the one with the largest expected
    improvement over the best score (Jones et al. 1998, eq. 15) is proposed. A failed trial counts as the worst score.

    Args:
        model: ``forest``, a random forest, whose trees' spread is the uncertainty; or ``ridge``, Bayesian ridge
            regression on one-hot choices.
        initial: Random trials before the first model.
        candidates: Random candidates for which the model predicts the score.
        refit: Trials between two fits.
    """

    unique = True

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        model: str = "forest",
        initial: int = 10,
        candidates: int = 500,
        refit: int = 10,
    ) -> None:
        super().__init__(space, seed)
        check(initial=(initial, 2), candidates=(candidates, 1), refit=(refit, 1))
        self.model = validation.choice("model", model, MODELS)
        self.initial, self.candidates, self.refit = initial, candidates, refit
        self._proposed = Proposed(space)
        self._tokens: list[np.ndarray] = []
        self._scores: list[float] = []  # NaN where a trial failed
        self._fitted: Any = None
        self._fitted_at = 0
        _regressor(self.model, 0)  # so that a missing package is reported now

    def ask(self) -> np.ndarray:
        known = np.array(self._scores)
        if len(self._proposed) < self.initial or np.isfinite(known).sum() < 2:
            return self._proposed.draw(lambda: self.space.sample(1, self.rng)[0], self.rng)
        scores = np.where(np.isfinite(known), known, np.nanmin(known))
        if self._fitted is None or len(scores) - self._fitted_at >= self.refit:
            self._fitted = _regressor(self.model, int(self.rng.integers(2**31)))
            self._fitted.fit(self.space.features(np.stack(self._tokens)), scores)
            self._fitted_at = len(scores)
        best = np.argsort(-scores)[:5]
        candidates = [self.space.sample(self.candidates, self.rng)]
        candidates += [self.space.neighbours(self._tokens[row]) for row in best]
        pool = np.unique(np.concatenate(candidates), axis=0)
        pool = pool[self._proposed.new(pool)]
        if not len(pool):
            return self._proposed.draw(lambda: self.space.sample(1, self.rng)[0], self.rng)
        mean, std = _predict(self._fitted, self.space.features(pool))
        gain = expected_improvement(mean, std, float(scores.max()))
        return self._proposed.add(pool[self.rng.choice(np.flatnonzero(gain == gain.max()))])

    def tell(self, trial: Trial) -> None:
        self._tokens.append(trial.array)
        self._scores.append(math.nan if trial.score is None else trial.score)


def expected_improvement(mean: np.ndarray, std: np.ndarray, best: float) -> np.ndarray:
    """E[max(0, Y - best)] for Y ~ N(mean, std^2)   (Jones et al. 1998, eq. 15).

    Args:
        mean: (N,) expected scores.
        std: (N,) their uncertainty; 0 where there is none.
        best: The best score so far.
    """
    gain = mean - best
    z = gain / np.maximum(std, 1e-12)
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z])
    return np.where(std > 0, gain * below + std * density, np.maximum(gain, 0.0))


def _regressor(name: str, seed: int) -> Any:
    try:
        if name == "forest":
            from sklearn.ensemble import ExtraTreesRegressor

            # min_samples_split: a leaf of noisy scores holds more than one of them
            return ExtraTreesRegressor(30, min_samples_split=3, bootstrap=True, random_state=seed)
        from sklearn.linear_model import BayesianRidge

        return BayesianRidge()
    except ImportError as error:
        raise UserError(f"searcher 'surrogate' needs scikit-learn: {install_extra('search')}") from error


def _predict(model: Any, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) mean and (N,) standard deviation."""
    if hasattr(model, "estimators_"):
        each = np.stack([tree.tree_.predict(features)[:, 0] for tree in model.estimators_])  # (trees, N)
        return each.mean(0), each.std(0)
    with np.errstate(invalid="ignore"):  # sqrt of a variance that rounding has made negative
        mean, std = model.predict(features, return_std=True)
    return mean, np.nan_to_num(std)
