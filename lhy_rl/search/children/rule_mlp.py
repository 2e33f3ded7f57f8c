"""Classifiers trained with update rules: many small ones at once, each with its own rule and learning rate.

A rule is scored as Bello et al. (2017, section 4.2) do: a short training with each of many learning rates, then longer
ones with the best. Here: an epoch with each of `RATES`, one seed; `EPOCHS` epochs with the best of them and four around
it, all seeds; the score is that of the learning rate with the best mean validation accuracy. A rule that has learned
nothing in the short trainings is abandoned: it scores as guessing does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lhy_rl.data.digits import load_digits
from lhy_rl.data.splits import LabelledData, Splits
from lhy_rl.functional.update_rules import BINARY, KEEP_LEFT, OPERANDS, UNARY, Gradients, Rule, moments_of
from lhy_rl.search.children.batched_mlp import BatchedMLP
from lhy_rl.search.objective import FunctionObjective, Objective
from lhy_rl.search.space import Scalar
from lhy_rl.search.update_rules import SPACE, rule_of, shortest_of

SEEDS = 5
HIDDEN = (32, 32)
BATCH_SIZE = 32
EPOCHS = 3
HOPELESS = 1.5  # times the accuracy of guessing
RATES = tuple(float(f"{rate:.3g}") for rate in np.geomspace(1e-5, 10, 13))
"""Learning rates of the short trainings, two a decade: over the range of Bello et al."""
AROUND = tuple(float(f"{factor:.3g}") for factor in np.geomspace(10**-0.5, 10**0.5, 5))
"""Factors of the best of them that give the learning rates of the long trainings, four per decade."""


class RuleBatch:
    """The update directions of B children, each with its own rule, from their gradients.

    Operands are computed once for all children, functions once for each run of neighbours with the same function: it is
        fast where equal rules are adjacent.

    Args:
        rules: B of them.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._gradients = Gradients({name for rule in rules for name in moments_of(rule)})
        self._first = [(rows, rules[rows.start]) for rows in _runs([(r.operand, r.unary) for r in rules])]
        seconds = [(r.binary, r.operand_2, r.unary_2) for r in rules]
        self._second = [(rows, rules[rows.start]) for rows in _runs(seconds)]

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """(B, P) gradients to (B, P) directions."""
        self._gradients.track(gradient)
        operands: dict[str, np.ndarray] = {}
        found = np.empty_like(gradient)
        with np.errstate(all="ignore"):
            for rows, rule in self._first:
                found[rows] = UNARY[rule.unary](self._operand(operands, rule.operand)[rows])
            for rows, rule in self._second:
                if rule.binary != KEEP_LEFT:
                    second = UNARY[rule.unary_2](self._operand(operands, rule.operand_2)[rows])
                    found[rows] = BINARY[rule.binary](found[rows], second)
        return found

    def _operand(self, known: dict[str, np.ndarray], name: str) -> np.ndarray:
        if name not in known:
            known[name] = OPERANDS[name][1](self._gradients)
        return known[name]


def _runs(names: Sequence[object]) -> Iterator[slice]:
    """Slices of equal neighbours."""
    first = 0
    for last in range(1, len(names) + 1):
        if last == len(names) or names[last] != names[first]:
            yield slice(first, last)
            first = last


class Learned(NamedTuple):
    """The results of B trainings.

    Attributes:
        validation: (E, B) accuracies after each epoch; that of guessing where the parameters are not finite.
        test: (B,) accuracies at the end.
        loss: (E, B) mean training losses of each epoch, in nats; NaN or infinite where they diverged.
    """

    validation: np.ndarray
    test: np.ndarray
    loss: np.ndarray


def learn(
    data: Splits,
    rules: Sequence[Rule],
    learning_rates: np.ndarray,
    seeds: np.ndarray,
    epochs: int = EPOCHS,
    hidden: Sequence[int] = HIDDEN,
) -> Learned:
    """Train B children by w <- w - lr d.

    Args:
        data: What is classified; inputs of any shape are flattened.
        rules: B of them.
        learning_rates: (B,).
        seeds: (B,) seeds of the initial weights and of the order of the training data; a child's result does not depend
            on the other children.
        epochs: E.
        hidden: Widths of the hidden layers.
    """
    train, validation, test = (LabelledData(part.inputs.reshape(len(part.labels), -1), part.labels) for part in data)
    classes = int(train.labels.max()) + 1
    mlp = BatchedMLP((train.inputs.shape[1], *hidden, classes))
    parameters = mlp.initial(seeds)  # (B, P)
    rates = np.asarray(learning_rates, np.float32)[:, None]
    batch, (kinds, kind) = RuleBatch(rules), np.unique(seeds, return_inverse=True)
    generators = [np.random.default_rng([int(seed), 1]) for seed in kinds]

    def accuracy(part: LabelledData) -> np.ndarray:
        finite = np.isfinite(parameters).all(1)
        return np.where(finite, mlp.accuracy(parameters, part.inputs, part.labels), 1 / classes)

    scores, losses = [], []
    for _ in range(epochs):
        order = np.stack([generator.permutation(len(train.labels)) for generator in generators])
        steps = []
        for first in range(0, len(train.labels) - BATCH_SIZE + 1, BATCH_SIZE):
            rows = order[kind, first : first + BATCH_SIZE]  # (B, n)
            loss, gradient = mlp.gradient(parameters, train.inputs[rows], train.labels[rows])
            with np.errstate(all="ignore"):
                parameters -= rates * batch.direction(gradient)
            steps.append(loss)
        scores.append(accuracy(validation))
        losses.append(np.mean(steps, 0))
    return Learned(np.array(scores), accuracy(test), np.array(losses))


class Tuned(NamedTuple):
    """R rules with their best learning rates.

    Attributes:
        learning_rates: (R,).
        validation: (S, R) accuracies at the end, by seed.
        test: (S, R).
    """

    learning_rates: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def tuned(
    data: Splits,
    rules: Sequence[Rule],
    seeds: Sequence[int],
    epochs: int = EPOCHS,
    hidden: Sequence[int] = HIDDEN,
    rates: Sequence[float] = RATES,
) -> Tuned:
    """Score rules as described at the top of the module; the short trainings use the first seed."""

    def trained(rows: np.ndarray, tried: np.ndarray, seeds: Sequence[int], epochs: int) -> tuple[np.ndarray, ...]:
        """(R,) rules and (R, L) learning rates to (S, R, L) validation and test accuracies."""
        shape = (*tried.shape, len(seeds))
        repeated = [rules[row] for row in rows for _ in range(shape[1] * shape[2])]
        all_rates, all_seeds = (np.broadcast_to(part, shape).ravel() for part in (tried[..., None], seeds))
        learned = learn(data, repeated, all_rates, all_seeds, epochs, hidden)
        return tuple(np.moveaxis(scores.reshape(shape), 2, 0) for scores in (learned.validation[-1], learned.test))

    rows = np.arange(len(rules))
    short = trained(rows, np.broadcast_to(rates, (len(rules), len(rates))), seeds[:1], 1)[0][0]  # (R, L)
    best, guessing = np.array(rates)[short.argmax(1)], 1 / (int(data.train.labels.max()) + 1)
    found = Tuned(best, *np.full((2, len(seeds), len(rules)), guessing))
    rows = rows[short.max(1) >= HOPELESS * guessing]
    if rows.size:
        near = best[rows, None] * np.array(AROUND)
        validation, test = trained(rows, near, seeds, epochs)
        pairs = np.arange(len(rows)), validation.mean(0).argmax(1)
        found.learning_rates[rows] = near[pairs]
        found.validation[:, rows], found.test[:, rows] = validation[:, *pairs], test[:, *pairs]
    return found


@functools.cache
def _tuned_on_digits(rule: Rule) -> Tuned:
    return tuned(load_digits(), [rule], range(SEEDS))


def validation_accuracy(configuration: Mapping[str, Scalar], seed: int) -> float:
    """The score of a rule on the digits, as in the table `rules-digits`.

    Args:
        configuration: One of `SPACE`; equivalent rules are trained as the shortest of them.
        seed: Modulo `SEEDS`.
    """
    return float(_tuned_on_digits(shortest_of(rule_of(configuration))).validation[seed % SEEDS, 0])


def rules_digits() -> Objective:
    """The objective that trains with a rule for each trial; its scores are those of the table `rules-digits`."""
    about = {"live": "rules-digits", "score": "validation accuracy", "epochs": EPOCHS}
    return FunctionObjective(SPACE, validation_accuracy, about, float(EPOCHS))
