"""A finite space of configurations: named choices, some of which count only under a condition.

A configuration is D tokens, one for each choice: the number of its value. Searchers, tables and environments exchange
arrays of tokens, (N, D); people and trainings get a ``dict`` of names and values. A choice that does not count has the
token 0, so that each configuration has only one representation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.core.validation import plain

Scalar = bool | int | float | str | None
"""The types of a value: those that YAML and JSON can hold."""

MOST = 2**62  # configurations, whose keys must fit an int64


@dataclass(frozen=True)
class Choice:
    """One hyperparameter.

    Attributes:
        name: The key in the configuration; dots are allowed, ``agent.learning_rate``.
        values: At least one, all different.
        ordinal: The values are in an order, so that neighbours resemble each other (a learning rate, a width).
        condition: ``(name, values)``: it counts only where this earlier choice has one of these values and counts
            itself. None: it always counts.

    Raises:
        UserError: no values, or the same one twice.
    """

    name: str
    values: tuple[Scalar, ...]
    ordinal: bool = False
    condition: tuple[str, tuple[Scalar, ...]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(map(plain, self.values)))
        if not self.values:
            raise UserError(f"choice {brief(self.name)} has no values; allowed: at least one")
        typed = [(type(value), value) for value in self.values]  # True and 1 are different values
        if len(set(typed)) < len(typed):
            twice = next(value for kind, value in typed if typed.count((kind, value)) > 1)
            raise UserError(f"choice {brief(self.name)} has the value {brief(twice)} twice")

    def token(self, value: object) -> int:
        """The number of a value.

        Raises:
            UserError: the choice has no such value.
        """
        for token, mine in enumerate(self.values):
            same_kind = isinstance(mine, bool) == isinstance(value, bool)
            if mine is value or (same_kind and value is not None and mine == value):
                return token
        raise suggest(str(value), map(str, self.values), f"value of {self.name}")


def levels(low: float, high: float, count: int, logarithmic: bool = False) -> tuple[float, ...]:
    """Evenly spaced values from ``low`` to ``high``, both included, for an ordinal choice; rounded to 6 digits.

    Raises:
        UserError: an empty range, or one that is not positive although it is logarithmic.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high and count >= 2):
        raise UserError(f"{count} values from {brief(low)} to {brief(high)}; allowed: at least 2, with low < high")
    if logarithmic and low <= 0:
        raise UserError(f"a logarithmic range must begin above 0; given: {brief(low)}")
    values = np.geomspace(low, high, count) if logarithmic else np.linspace(low, high, count)
    return tuple(float(f"{value:.6g}") for value in values)


class Space:
    """The configurations among which a search chooses.

    Args:
        choices: In the order in which they are made; a condition names an earlier one.

    Attributes:
        choices: D of them.
        sizes: (D,) how many values each has.
        conditional: Whether there are choices that do not always count.

    Raises:
        UserError: no choices, two of the same name, a condition on a later choice or on a value that does not exist, or
            more than 2^62 configurations.
    """

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.choices = tuple(choices)
        if not self.choices:
            raise UserError("the space has no choices; allowed: at least one")
        self.names = [choice.name for choice in self.choices]
        self.sizes = np.array([len(choice.values) for choice in self.choices])
        if math.prod(len(choice.values) for choice in self.choices) > MOST:
            raise UserError("the space has more than 2^62 configurations; allowed: fewer choices, or fewer values")
        self._index: dict[str, int] = {}
        self._conditions: list[tuple[int, np.ndarray] | None] = []  # the parent, and which of its tokens satisfy it
        for position, choice in enumerate(self.choices):
            if choice.name in self._index:
                raise UserError(f"two choices are named {brief(choice.name)}")
            self._conditions.append(self._condition(choice))
            self._index[choice.name] = position
        self.conditional = any(condition is not None for condition in self._conditions)
        self._above, self._enough = self._ancestors()
        self._radix = np.append(np.cumprod(self.sizes[:0:-1].astype(np.int64))[::-1], 1)

    def _condition(self, choice: Choice) -> tuple[int, np.ndarray] | None:
        if choice.condition is None:
            return None
        name, values = choice.condition
        if name not in self._index:
            raise suggest(name, self._index, f"earlier choice in the condition of {choice.name}:")
        parent = self.choices[self._index[name]]
        enough = np.zeros(len(parent.values), bool)
        enough[[parent.token(value) for value in values]] = True
        return self._index[name], enough

    def _ancestors(self) -> tuple[np.ndarray, np.ndarray]:
        """For each choice (D, K) the choices on which it depends, and (D, K, V) which of their tokens satisfy the
        condition."""
        above: list[list[tuple[int, np.ndarray]]] = []
        for condition in self._conditions:
            above.append([] if condition is None else [condition, *above[condition[0]]])
        parents = np.zeros((len(self), max(map(len, above))), np.int64)
        enough = np.ones((*parents.shape, self.sizes.max()), bool)  # true where there is no condition
        for position, conditions in enumerate(above):
            for level, (parent, tokens) in enumerate(conditions):
                parents[position, level], enough[position, level, : len(tokens)] = parent, tokens
        return parents, enough

    def __len__(self) -> int:
        """The number of choices, D."""
        return len(self.choices)

    def __repr__(self) -> str:
        return f"<Space: {len(self)} choices, {self.num_configurations:,} configurations>"

    # ------------------------------------------------------------------ tokens
    def checked(self, tokens: Any) -> np.ndarray:
        """Check (N, D) tokens, or (D,) for one configuration, and return them as canonical int64.

        Raises:
            UserError: another shape, no whole numbers, or a token without a value.
        """
        try:
            array = np.asarray(tokens)
        except ValueError:  # lists of different lengths
            array = np.empty(0)
        if array.ndim not in (1, 2) or array.shape[-1] != len(self) or array.dtype.kind not in "iu":
            raise UserError(f"a configuration must be {len(self)} whole numbers; given: {brief(tokens)}")
        wrong = np.argwhere((array < 0) | (array >= self.sizes))
        if len(wrong):
            row = tuple(wrong[0])
            choice = self.choices[row[-1]]
            raise UserError(f"the token of {choice.name} is {array[row]}; allowed: 0 to {len(choice.values) - 1}")
        return self.canonical(array.astype(np.int64))

    def active(self, tokens: np.ndarray) -> np.ndarray:
        """(N, D) bool: the choices that count in these configurations."""
        choices, levels = np.ogrid[: len(self), : self._above.shape[1]]
        counts: np.ndarray = self._enough[choices, levels, tokens[..., self._above]].all(-1)
        return counts

    def active_at(self, tokens: np.ndarray, position: np.ndarray) -> np.ndarray:
        """(N,) bool: whether choice number ``position`` (N,) counts in each of the configurations (N, D)."""
        above = self._above[position]
        found = tokens[np.arange(len(position))[:, None], above]
        counts: np.ndarray = self._enough[position[:, None], np.arange(above.shape[1]), found].all(-1)
        return counts

    def canonical(self, tokens: np.ndarray) -> np.ndarray:
        """The same configurations with 0 wherever a choice does not count."""
        if not self.conditional:
            return tokens
        return np.where(self.active(tokens), tokens, 0)

    def keys(self, tokens: np.ndarray) -> np.ndarray:
        """(N, D) canonical tokens to (N,) int64: a number for each configuration."""
        keys: np.ndarray = tokens.astype(np.int64) @ self._radix
        return keys

    def tokens_of(self, keys: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`keys`: (N,) to (N, D)."""
        tokens: np.ndarray = np.asarray(keys)[..., None] // self._radix % self.sizes
        return tokens

    # ------------------------------------------------------------------ configurations
    def configuration(self, tokens: np.ndarray) -> dict[str, Scalar]:
        """One configuration, (D,) tokens, as names and values; choices that do not count are left out."""
        counts = self.active(np.asarray(tokens))
        return {
            choice.name: choice.values[token]
            for choice, token, count in zip(self.choices, tokens, counts, strict=True)
            if count
        }

    def encode(self, configuration: Mapping[str, object]) -> np.ndarray:
        """The (D,) tokens of names and values.

        Raises:
            UserError: an unknown name or value, or one that is missing although it counts.
        """
        for name in configuration:
            if name not in self._index:
                raise suggest(name, self.names, "choice")
        tokens = np.zeros(len(self), np.int64)
        for position, choice in enumerate(self.choices):
            condition = self._conditions[position]
            counts = condition is None or (
                self.choices[condition[0]].name in configuration and condition[1][tokens[condition[0]]]
            )
            if choice.name in configuration:
                tokens[position] = choice.token(configuration[choice.name])
            elif counts:
                raise UserError(f"the configuration lacks {choice.name}; allowed: {brief(list(choice.values))}")
        return self.canonical(tokens)

    @property
    def num_configurations(self) -> int:
        """How many different configurations there are."""
        if not self.conditional:
            return math.prod(int(size) for size in self.sizes)
        return self._count(0, np.zeros(len(self), np.int64))

    def _count(self, position: int, tokens: np.ndarray) -> int:
        """Number of configurations that begin with these tokens; values are enumerated only where conditions depend on
        them."""
        if position == len(self):
            return 1
        if not self.active(tokens)[position]:
            return self._count(position + 1, tokens)
        if not any(condition is not None and condition[0] == position for condition in self._conditions):
            return int(self.sizes[position]) * self._count(position + 1, tokens)
        total = 0
        for token in range(self.sizes[position]):
            tokens[position] = token
            total += self._count(position + 1, tokens)
        tokens[position] = 0
        return total

    # ------------------------------------------------------------------ for searchers
    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n, D) configurations; the choices that count are drawn uniformly, one after the other."""
        return self.canonical(rng.integers(0, self.sizes, (n, len(self))))

    def blocks(self, block: int = 65_536) -> Iterator[np.ndarray]:
        """All configurations in order, in blocks of (N, D)."""
        total = math.prod(int(size) for size in self.sizes)
        for begin in range(0, total, block):
            keys = np.arange(begin, min(begin + block, total))
            tokens = self.tokens_of(keys)
            yield tokens[self.keys(self.canonical(tokens)) == keys]

    def neighbours(self, tokens: np.ndarray) -> np.ndarray:
        """(M, D) configurations that differ from this one, (D,), in one choice that counts.

        An ordinal choice moves by one value, a categorical one to any value. A choice that begins to count gets its
        first value.
        """
        found = []
        for position in np.flatnonzero(self.active(tokens)):
            token = tokens[position]
            others = [token - 1, token + 1] if self.choices[position].ordinal else range(self.sizes[position])
            for other in others:
                if other != token and 0 <= other < self.sizes[position]:
                    changed = tokens.copy()
                    changed[position] = other
                    found.append(self.canonical(changed))
        return np.array(found, np.int64).reshape(-1, len(self))

    def features(self, tokens: np.ndarray) -> np.ndarray:
        """(N, D) configurations as (N, F) float32 numbers, for a model of them.

        An ordinal choice is one number from 0 to 1, a categorical one a one-hot vector; a choice that does not count is
        -1, or all zeros.
        """
        counts, parts = self.active(tokens), []
        for position, choice in enumerate(self.choices):
            column, count = tokens[:, position], counts[:, position]
            if choice.ordinal:
                parts.append(np.where(count, column / max(1, len(choice.values) - 1), -1.0)[:, None])
            else:
                parts.append((column[:, None] == np.arange(len(choice.values))) & count[:, None])
        return np.concatenate(parts, 1, dtype=np.float32)
