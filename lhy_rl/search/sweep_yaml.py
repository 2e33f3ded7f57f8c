"""Spaces as the YAML of a wandb sweep, read and written.

    method: bayes                      # grid, random or bayes
    metric: {name: eval/mean_return, goal: maximize}
    run_cap: 20
    parameters:
      agent.learning_rate: {distribution: log_uniform_values, min: 1.0e-4, max: 1.0e-2}
      agent.n_steps: {values: [32, 64, 128]}
      agent.core: {values: [lstm, null]}
      seed: {value: 3}
    early_terminate: {type: hyperband, min_iter: 1}   # lhy_rl.search.early_stopping

A range becomes :data:`LEVELS` values of an ordinal choice, so that every searcher can work on it; whole numbers all of
theirs, if they are no more. Numbers that rise are an ordinal choice, anything else a categorical one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.search.early_stopping import read_hyperband
from lhy_rl.search.space import Choice, Scalar, Space, levels

LEVELS = 17  # values of a range
METHODS = {"grid": "grid", "random": "random", "bayes": "surrogate"}  # to the searcher
GOALS = ("maximize", "minimize")
RANGES = ("uniform", "log_uniform_values", "log_uniform", "int_uniform", "q_uniform", "q_log_uniform_values")
KEYS = (
    *("method", "metric", "parameters", "run_cap", "early_terminate"),
    *("name", "description", "program", "project", "entity", "command"),
)


@dataclass(frozen=True)
class Sweep:
    """What a sweep's YAML asks for.

    Attributes:
        space: What is chosen.
        searcher: A searcher's name.
        metric: What is watched; "" where the file does not say.
        goal: ``maximize`` or ``minimize``, which is what a file means that names a metric without a goal.
        run_cap: Trials; None where the file does not say.
        early_terminate: As the file has it; None where it does not.
    """

    space: Space
    searcher: str = "random"
    metric: str = ""
    goal: str = "maximize"
    run_cap: int | None = None
    early_terminate: Any = None


def read_sweep(values: Mapping[str, Any]) -> Sweep:
    """A sweep from its plain values.

    Raises:
        UserError: a key, method, distribution or value that is not known here.
    """
    for key in values:
        if key not in KEYS:
            raise suggest(str(key), KEYS, "key of a sweep")
    method = values.get("method", "random")
    if method not in METHODS:
        raise suggest(str(method), METHODS, "method")
    metric = values.get("metric") or {"goal": "maximize"}
    if not isinstance(metric, Mapping) or metric.get("goal", "minimize") not in GOALS:
        raise UserError(f"metric is {brief(metric)}; allowed: {{name: ..., goal: maximize or minimize}}")
    early = values.get("early_terminate")
    if early is not None:
        read_hyperband(early)
    cap = values.get("run_cap")
    if cap is not None and (not isinstance(cap, Integral) or isinstance(cap, bool) or cap < 1):
        raise UserError(f"run_cap is {brief(cap)}; allowed: a whole number from 1 up")
    parameters = values.get("parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        raise UserError(f"parameters is {brief(parameters)}; allowed: names with values, or with min and max")
    choices = list(_choices(parameters, ""))
    goal, name = str(metric.get("goal", "minimize")), str(metric.get("name", ""))
    return Sweep(Space(choices), METHODS[str(method)], name, goal, None if cap is None else int(cap), early)


def write_sweep(sweep: Sweep) -> dict[str, Any]:
    """The plain values of a sweep's YAML.

    Raises:
        UserError: the space has conditions, which a sweep cannot express.
    """
    if sweep.space.conditional:
        raise UserError("a wandb sweep has no conditions; the space has")
    method = next((method for method, searcher in METHODS.items() if searcher == sweep.searcher), "bayes")
    written: dict[str, Any] = {"method": method}
    if sweep.metric:
        written["metric"] = {"name": sweep.metric, "goal": sweep.goal}
    if sweep.run_cap is not None:
        written["run_cap"] = sweep.run_cap
    if sweep.early_terminate is not None:
        written["early_terminate"] = sweep.early_terminate
    written["parameters"] = {choice.name: {"values": list(choice.values)} for choice in sweep.space.choices}
    return written


def _choices(parameters: Mapping[str, Any], prefix: str) -> list[Choice]:
    found = []
    for name, given in parameters.items():
        where = f"{prefix}{name}"
        if not isinstance(given, Mapping):
            raise UserError(f"parameter {where} is {brief(given)}; allowed: {{values: [...]}} or {{min: .., max: ..}}")
        if "parameters" in given:
            found += _choices(given["parameters"], f"{where}.")
        else:
            found.append(_choice(where, given))
    return found


def _choice(name: str, given: Mapping[str, Any]) -> Choice:
    if "value" in given:
        return Choice(name, (_scalar(name, given["value"]),))
    if "values" in given:
        values = given["values"]
        if not isinstance(values, list) or not values:
            raise UserError(f"values of {name} are {brief(values)}; allowed: a list with something in it")
        scalars = tuple(_scalar(name, value) for value in values)
        numbers = [value for value in scalars if isinstance(value, int | float) and not isinstance(value, bool)]
        rising = len(numbers) == len(scalars) and all(a < b for a, b in itertools.pairwise(numbers))
        return Choice(name, scalars, ordinal=rising)
    low, high = given.get("min"), given.get("max")
    if not isinstance(low, Real) or not isinstance(high, Real) or isinstance(low, bool) or isinstance(high, bool):
        raise UserError(f"parameter {name} is {brief(dict(given))}; allowed: value, values, or numbers min and max")
    whole = isinstance(low, Integral) and isinstance(high, Integral)
    kind = given.get("distribution", "int_uniform" if whole else "uniform")
    if kind not in RANGES:
        raise suggest(str(kind), [*RANGES, "categorical", "constant"], f"distribution of {name},")
    low, high = float(low), float(high)
    if kind == "log_uniform":
        low, high = math.exp(low), math.exp(high)  # wandb gives its exponents
    if not low < high:
        raise UserError(f"parameter {name} goes from {low:g} to {high:g}; allowed: min below max")
    if kind in ("uniform", "log_uniform", "log_uniform_values"):
        return Choice(name, levels(low, high, LEVELS, "log" in kind), ordinal=True)
    step = float(given.get("q", 1))
    count = min(LEVELS, int((high - low) / step) + 1)
    rounded = (low + round((value - low) / step) * step for value in levels(low, high, count, "log" in kind))
    values = dict.fromkeys(int(value) if value.is_integer() and whole else value for value in rounded)
    return Choice(name, tuple(values), ordinal=True)


def _scalar(name: str, value: Any) -> Scalar:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(f"a value of {name} is {brief(value)}; allowed: a number, a text, true, false or null")
