"""Optuna's samplers as searchers, and search spaces as Optuna's distributions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.core.validation import check
from lhy_rl.search.searcher import Searcher
from lhy_rl.search.space import Space
from lhy_rl.search.stacked import Names, learned_tables
from lhy_rl.search.trial import Trial


def distributions(space: Space) -> dict[str, Any]:
    """Optuna's distribution of each choice's tokens, by name.

    An ordinal choice is an integer from 0 up, so that a sampler knows its order; all others are categorical.
    """
    optuna = _optuna()
    return {
        choice.name: optuna.distributions.IntDistribution(0, len(choice.values) - 1)
        if choice.ordinal
        else optuna.distributions.CategoricalDistribution(tuple(range(len(choice.values))))
        for choice in space.choices
    }


class OptunaSearcher(Searcher):
    """A sampler of Optuna behind our interface; it may propose a configuration twice.

    Args:
        space: The search space. Inactive choices are not passed to a sampler that supports conditions.
        sampler: One of ``optuna.samplers``.
    """

    takes_conditions = True
    """Whether the sampler supports different choices in different trials."""

    def __init__(self, space: Space, sampler: Any, seed: int = 0) -> None:
        super().__init__(space, seed)
        optuna = _optuna()
        self._study = optuna.create_study(sampler=sampler, direction="maximize")
        self._asked: dict[tuple[int, ...], list[Any]] = {}
        self._states = optuna.trial.TrialState

    def ask(self) -> np.ndarray:
        trial = self._study.ask()
        tokens = np.zeros(len(self.space), np.int64)
        for position, choice in enumerate(self.space.choices):
            if not self.takes_conditions or self.space.active(tokens)[position]:
                most = len(choice.values) - 1
                if choice.ordinal:
                    tokens[position] = trial.suggest_int(choice.name, 0, most)
                else:
                    tokens[position] = trial.suggest_categorical(choice.name, range(most + 1))
        tokens = self.space.canonical(tokens)
        self._asked.setdefault(tuple(tokens.tolist()), []).append(trial)
        return tokens

    def tell(self, trial: Trial) -> None:
        waiting = self._asked.get(trial.tokens)
        if not waiting:
            return
        asked = waiting.pop(0)
        if trial.score is None:
            self._study.tell(asked, state=self._states.FAIL)
        elif trial.stopped:  # TPE orders pruned trials by their last step
            asked.report(trial.score, int(trial.epochs))
            self._study.tell(asked, state=self._states.PRUNED)
        else:
            self._study.tell(asked, trial.score)


class TPE(OptunaSearcher):
    """Tree-structured Parzen estimator (Bergstra et al. 2011), with Optuna's defaults."""

    def __init__(self, space: Space, seed: int = 0, **options: Any) -> None:
        super().__init__(space, _optuna().samplers.TPESampler(seed=seed, **options), seed)


class WarmTPE(TPE):
    """TPE that begins with configurations that were good on other tables, and learns from their scores here.

    Args:
        tables: The other tables, as for a portfolio (``lhy_rl.search.searchers.portfolio``).
        enqueued: Number of these configurations that are tried first, with Optuna's ``enqueue_trial``.
    """

    def __init__(
        self, space: Space, seed: int = 0, tables: Names | None = None, enqueued: int = 10, **options: Any
    ) -> None:
        check(enqueued=(enqueued, 1))
        super().__init__(space, seed, **options)
        learned = learned_tables(space, tables)
        self.learned_from = learned.names
        for tokens in learned.best(enqueued):
            counts = space.active(tokens)
            self._study.enqueue_trial(
                {name: int(token) for name, token, count in zip(space.names, tokens, counts, strict=True) if count}
            )


class CMA(OptunaSearcher):
    """CMA-ES with margin (Hamano et al. 2022) over the ordinal choices; Optuna draws the others at random."""

    takes_conditions = False

    def __init__(self, space: Space, seed: int = 0, **options: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of its options are experimental
            sampler = _optuna().samplers.CmaEsSampler(
                seed=seed, warn_independent_sampling=False, with_margin=True, **options
            )
        super().__init__(space, sampler, seed)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UserError(f"this searcher needs Optuna: {install_extra('search')}") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
