"""Searchers that mutate good configurations: regularized evolution and local search."""

from __future__ import annotations

from collections import deque

import numpy as np

from lhy_rl.core.validation import check
from lhy_rl.search.proposed import Proposed
from lhy_rl.search.searcher import Searcher
from lhy_rl.search.space import Space
from lhy_rl.search.trial import Trial


class Evolution(Searcher):
    """Regularized evolution (Real et al. 2019, algorithm 1): the oldest of the population dies, not the worst.

    The best of a few sampled members is mutated in one choice and becomes a member. A child that was proposed before is
    mutated again, until it is new.

    Args:
        population: Number of members; the first ones are drawn uniformly.
        sample: Number of members that are sampled; the best of them is the parent.
    """

    unique = True

    def __init__(self, space: Space, seed: int = 0, population: int = 20, sample: int = 5) -> None:
        super().__init__(space, seed)
        check(population=(population, 2), sample=(sample, 1, population))
        self.sample = sample
        self._members: deque[tuple[float, np.ndarray]] = deque(maxlen=population)
        self._proposed = Proposed(space)
        self._begun = 0

    def ask(self) -> np.ndarray:
        size = self._members.maxlen or 0
        if self._begun < size or len(self._members) < 2:
            self._begun += 1
            return self._proposed.draw(lambda: self.space.sample(1, self.rng)[0], self.rng)
        drawn = self.rng.choice(len(self._members), min(self.sample, len(self._members)), replace=False)
        tokens = max((self._members[i] for i in drawn), key=lambda member: member[0])[1]

        def mutated() -> np.ndarray:
            nonlocal tokens
            tokens = mutate(self.space, tokens, self.rng)
            return tokens

        return self._proposed.draw(mutated, self.rng)

    def tell(self, trial: Trial) -> None:
        if trial.score is not None:
            self._members.append((trial.score, trial.array))


class Local(Searcher):
    """Steepest-ascent local search with restarts (White et al. 2021: strong on tables of architectures).

    All new neighbours of the best configuration since the last start are tried in random order; as soon as one is
    better, its neighbours are tried. If none is better, the search restarts from a random configuration.
    """

    unique = True

    def __init__(self, space: Space, seed: int = 0) -> None:
        super().__init__(space, seed)
        self._proposed = Proposed(space)
        self._best: tuple[float, np.ndarray] | None = None
        self._waiting: list[np.ndarray] = []
        self._since_start: set[int] = set()

    def ask(self) -> np.ndarray:
        while self._waiting:
            tokens = self._waiting.pop()
            if tokens not in self._proposed:
                self._since_start.add(int(self.space.keys(tokens)))
                return self._proposed.add(tokens)
        self._best, self._since_start = None, set()
        tokens = self._proposed.draw(lambda: self.space.sample(1, self.rng)[0], self.rng)
        self._since_start.add(int(self.space.keys(tokens)))
        return tokens

    def tell(self, trial: Trial) -> None:
        if trial.score is None or int(self.space.keys(trial.array)) not in self._since_start:
            return  # a result of an abandoned climb
        if self._best is None or trial.score > self._best[0]:
            self._best = trial.score, trial.array
            self._waiting = list(self.rng.permutation(self.space.neighbours(trial.array)))


def mutate(space: Space, tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give one active choice another value, both drawn uniformly.

    Choices that become active by it are drawn as well.
    """
    counts = space.active(tokens)
    places = np.flatnonzero(counts & (space.sizes > 1))
    changed = tokens.copy()
    if len(places):
        place = rng.choice(places)
        changed[place] = (tokens[place] + rng.integers(1, space.sizes[place])) % space.sizes[place]
        fresh = space.sample(1, rng)[0]
        changed = np.where(space.active(changed) & ~counts, fresh, changed)
    return space.canonical(changed)
