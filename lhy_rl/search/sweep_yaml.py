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

A range becomes an ordinal choice of :data:`LEVELS` values, so that every searcher can work on it; if it has no more
whole numbers, or multiples of ``q``, than that, all of them. A list of rising numbers is an ordinal choice, anything
else a categorical one.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

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
OF_PARAMETER = ("value", "values", "min", "max", "q", "distribution", "parameters")
ALONE = {"value": "constant", "values": "categorical"}  # keys that only this distribution may accompany
ROUNDING = 1e-9  # 0.3 is 3 times 0.1
LARGEST_EXPONENT = 700.0  # e to it is still a float


@dataclass(frozen=True)
class Sweep:
    """The content of a sweep's YAML.

    Attributes:
        space: The space to search.
        searcher: A searcher's name.
        metric: Name of the metric; "" where the file names none.
        goal: ``maximize`` or ``minimize``; the latter is the default of a file that names a metric.
        run_cap: Number of trials; None where the file does not give it.
        early_terminate: The value in the file; None where there is none.
    """

    space: Space
    searcher: str = "random"
    metric: str = ""
    goal: str = "maximize"
    run_cap: int | None = None
    early_terminate: Any = None


def read_sweep(values: Mapping[str, Any]) -> Sweep:
    """Read a sweep from its plain values.

    Raises:
        UserError: an unknown key, method, distribution or value.
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
        raise UserError("a wandb sweep cannot have conditions, and this space has some")
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
        for key in given:
            if key not in OF_PARAMETER:
                raise suggest(str(key), OF_PARAMETER, f"key of parameter {where},")
        if "parameters" in given:
            if not isinstance(given["parameters"], Mapping):
                raise UserError(f"parameters of {where} is {brief(given['parameters'])}; allowed: names with values")
            found += _choices(given["parameters"], f"{where}.")
        else:
            found.append(_choice(where, given))
    return found


def _choice(name: str, given: Mapping[str, Any]) -> Choice:
    for key, kind in ALONE.items():
        if key in given and (given.keys() - {key, "distribution"} or given.get("distribution", kind) != kind):
            raise UserError(f"parameter {name} is {brief(dict(given))}; allowed: {key} alone, or distribution: {kind}")
    if "value" in given:
        return Choice(name, (_scalar(name, given["value"]),))
    if "values" in given:
        values = given["values"]
        if not isinstance(values, list) or not values:
            raise UserError(f"values of {name} are {brief(values)}; allowed: a list that is not empty")
        scalars = tuple(_scalar(name, value) for value in values)
        numbers = [value for value in scalars if isinstance(value, int | float) and not isinstance(value, bool)]
        rising = len(numbers) == len(scalars) and all(a < b for a, b in itertools.pairwise(numbers))
        return Choice(name, scalars, ordinal=rising)
    if not {"min", "max"} <= given.keys():
        raise UserError(f"parameter {name} is {brief(dict(given))}; allowed: value, values, or numbers min and max")
    whole = all(isinstance(given.get(key, 1), Integral) for key in ("min", "max", "q"))
    kind = given.get("distribution", "int_uniform" if whole else "uniform")
    if kind not in RANGES:
        raise suggest(str(kind), RANGES, f"distribution of {name},")
    low, high, step = (_number(name, key, given.get(key, 1)) for key in ("min", "max", "q"))
    if kind == "log_uniform":  # wandb gives its exponents
        low, high = (math.exp(min(exponent, LARGEST_EXPONENT)) for exponent in (low, high))
    if not low < high:
        raise UserError(f"parameter {name} goes from {low:g} to {high:g}; allowed: min below max")
    if kind in ("uniform", "log_uniform", "log_uniform_values"):
        return Choice(name, levels(low, high, LEVELS, "log" in kind), ordinal=True)
    if step <= 0:
        raise UserError(f"q of {name} is {step:g}; allowed: above 0")
    first, last = math.ceil(low / step - ROUNDING), math.floor(high / step + ROUNDING)
    if first >= last or ("log" in kind and first < 1):
        raise UserError(
            f"parameter {name} is {brief(dict(given))}; allowed: a range with two multiples of q={step:g} in it, "
            "above 0 where it is logarithmic"
        )
    spaced = np.geomspace if "log" in kind else np.linspace
    multiples = dict.fromkeys(np.rint(spaced(first, last, min(LEVELS, last - first + 1))).tolist())
    values = (int(k) * int(step) if whole else float(f"{k * step:.6g}") for k in multiples)
    return Choice(name, tuple(dict.fromkeys(values)), ordinal=True)


def _number(name: str, key: str, given: Any) -> float:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if number and abs(given) <= sys.float_info.max:
        return float(given)
    raise UserError(f"{key} of {name} is {brief(given)}; allowed: a finite number")


def _scalar(name: str, value: Any) -> Scalar:
    if (value is None or isinstance(value, bool | int | float | str)) and value == value:  # NaN equals nothing
        return value
    raise UserError(f"a value of {name} is {brief(value)}; allowed: a number, a string, true, false or null")
