"""Hyperparameters of the suite's own agents: a trial trains a configuration, and the best one is a configuration again.

A trial's score is the mean return of the deterministic policy after training, in episodes that a training never has.
Each trial trains with another seed, so that a lucky seed is not what is found. Behind the search the best configuration
and the one it began from are trained again, with seeds that no trial had, and evaluated in episodes by which nothing
was chosen: what that gives is written beside it.

With ``early_terminate`` a trial is evaluated at the rungs, too, and stopped where others were better there. A trial
costs the environment steps that it trained for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from lhy_rl.benchmark.seed_run import SeedRun
from lhy_rl.core.errors import UserError
from lhy_rl.experiment.config import Config, load
from lhy_rl.experiment.schema import agent_class
from lhy_rl.experiment.schema import options_of as schema_options
from lhy_rl.rollouts.evaluate_policy import SEED, SELECTION_SEED
from lhy_rl.search.early_stopping import Hyperband
from lhy_rl.search.objective import FunctionObjective
from lhy_rl.search.space import Choice, Scalar, Space

EPISODES = 20  # of an evaluation
ITERATIONS = 27  # of a training, where early_terminate does not say its max_iter
FRESH = 1_000_000  # of the seeds with which what was found is trained again, where the trials' seeds end

USUAL: tuple[Choice, ...] = (
    Choice("agent.learning_rate", (1e-4, 3e-4, 1e-3, 3e-3, 1e-2), ordinal=True),
    Choice("agent.gamma", (0.9, 0.95, 0.98, 0.99, 0.995), ordinal=True),
    Choice("agent.gae_lambda", (0.8, 0.9, 0.95, 0.98, 1.0), ordinal=True),
    Choice("agent.n_steps", (8, 32, 128, 512), ordinal=True),
    Choice("agent.n_epochs", (1, 4, 10, 20), ordinal=True),
    Choice("agent.batch_size", (32, 64, 256), ordinal=True),
    Choice("agent.entropy_coef", (0.0, 0.003, 0.01, 0.03), ordinal=True),
    Choice("agent.max_grad_norm", (0.5, 1.0, 5.0), ordinal=True),
)
"""What is tuned where no space is given, as far as the agent has it."""


def usual_space(config: Config) -> Space:
    """The usual hyperparameters of a configuration's agent.

    Raises:
        UserError: it has none of them.
    """
    known = {f"agent.{option.name}" for option in schema_options(agent_class(config.values["agent"]["name"]))}
    found = [choice for choice in USUAL if choice.name in known]
    if not found:
        raise UserError(f"{config.values['agent']['name']} has no default hyperparameters to search; give --space YAML")
    return Space(found)


def trained_score(
    values: dict[str, Scalar],
    seed: int,
    name: str,
    overrides: dict[str, Any],
    rungs: Sequence[float] = (),
    report: Callable[[float, float], bool] | None = None,
    evaluation_seed: int = SELECTION_SEED,
) -> float:
    """Train a configuration with these values and this seed; its mean return at the end.

    Args:
        values: Dotted keys of the configuration and their values.
        seed: Of the training.
        name: The configuration's.
        overrides: What is changed in all trials.
        rungs: Environment steps after which it is evaluated on the way.
        report: Takes the steps and the mean return of each evaluation; where it gives False the training ends.
        evaluation_seed: Of the episodes.
    """
    import torch

    torch.set_num_threads(1)
    config = load(name, {**overrides, **values, "seed": seed})
    run = SeedRun(config, config, config.values["total_timesteps"], EPISODES, evaluation_seed=evaluation_seed)
    return run.run(at=rungs, on_point=lambda point: report is None or report(point.steps, point.value)).final


def in_environment_steps(early_terminate: Hyperband, config: Config) -> Hyperband:
    """The rungs of iterations in environment steps: a training has ``max_iter`` iterations, or :data:`ITERATIONS`.

    Raises:
        UserError: all rungs lie behind its end.
    """
    total = config.values["total_timesteps"]
    found = early_terminate.scaled(total / (early_terminate.max_iter or ITERATIONS))
    rungs = tuple(rung for rung in found.rungs if rung < total)
    if not rungs:
        raise UserError(f"min_iter is {early_terminate.rungs[0]:g}; allowed: below {ITERATIONS}, a complete training")
    return replace(found, rungs=rungs)


def training_objective(
    name: str, overrides: dict[str, Any], space: Space, rungs: Sequence[float] = ()
) -> FunctionObjective:
    """The score of a configuration with other hyperparameters.

    Args:
        name: A configuration's.
        overrides: What is changed in all trials.
        space: Dotted keys of the configuration and their values.
        rungs: Environment steps after which a trial is evaluated on the way.

    Raises:
        UserError: the first values of the space do not fit the configuration.
    """
    first = space.configuration(np.zeros(len(space), np.int64))
    config = load(name, {**overrides, **first})
    SeedRun(config, config, config.values["total_timesteps"], EPISODES).check()
    values = {key: value for key, value in load(name, overrides).values.items() if key not in ("run", "seed")}
    about = {"configuration": values, "episodes": EPISODES, "evaluation_seed": SELECTION_SEED}
    function = partial(trained_score, name=name, overrides=overrides, rungs=tuple(rungs))
    objective = FunctionObjective(space, function, about, epochs=float(config.values["total_timesteps"]))
    objective.cost = "environment steps"
    return objective


def trained_again(
    name: str,
    overrides: dict[str, Any],
    best: dict[str, Scalar],
    seeds: int,
    advance: Callable[[str], None] = lambda now: None,
) -> dict[str, list[float]]:
    """The scores of what was found and of what the search began from, with fresh seeds.

    Args:
        advance: Called after each training, with a few words.
    """
    scores: dict[str, list[float]] = {"found": [], "before": []}
    for who, values in (("found", best), ("before", {})):
        for seed in range(seeds):
            scores[who].append(trained_score(values, FRESH + seed, name, overrides, evaluation_seed=SEED))
            advance(f"{who} {scores[who][-1]:.4g}")
    return scores


def best_config(name: str, overrides: dict[str, Any], best: dict[str, Scalar]) -> str:
    """The found configuration as YAML that ``lhy-rl train`` takes."""
    return load(name, {**overrides, **best}).dump()
