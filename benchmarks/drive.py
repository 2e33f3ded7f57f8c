"""Cloning and DAgger from pixels on DriveCorridor: regret against the horizon, at equal labels and gradient steps.

The regret is the number of steps off the road; the expert's is 0. Cloning learns whole drives of the expert (only their
first steps, where a drive is longer than the budget of labels). DAgger begins with a tenth of the labels and plays
about one drive in each of its four cars: where that has more steps than there are labels, it queries only some of the
steps. Both have the small CNN, and are evaluated on the same drives. In addition, a GRU clones the scripted expert of
RepeatPrevious.

    python -m benchmarks.drive [--quick]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import matplotlib
import numpy as np
import torch

import lhy_rl  # noqa: F401  (registers the environments)
from benchmarks.harness import Row, arguments, progress, save, summarize
from lhy_rl.agents import BC, DAgger
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.reporting.plots import DPI, STYLE
from lhy_rl.reporting.road_plot import ActionSource, drive, roads
from lhy_rl.rollouts.evaluate_policy import play

DRIVE, RECALL = "lhy_rl/DriveCorridor-v0", "lhy_rl/RepeatPrevious-v0"
HORIZONS = (25, 50, 100, 200, 400)
BUDGETS = (400, 40)  # numbers of labels: enough for DAgger, and too few
ROUNDS, CARS, GRADIENT_STEPS, BATCH, DRIVES = 10, 4, 400, 32, 100
SHARED: dict[str, Any] = {"encoder": "cnn_small", "learning_rate": 1e-3, "batch_size": BATCH}
METRICS = ("regret", "never off", "on road at end")
WANTED_SLOPES = {"bc": "wanted: at least 1.5", "dagger": "wanted: at most 1.2"}


def make(env_id: str, num_envs: int, **options: Any) -> Any:
    """Make a vector environment with same-step autoreset."""
    return gymnasium.make_vec(env_id, num_envs=num_envs, autoreset_mode="SameStep", **options)


def recorded(env_id: str, episodes: int, seed: int, **options: Any) -> Demonstrations:
    """Record episodes of the environment's scripted expert, all of equal length."""
    envs = make(env_id, episodes, **options)
    obs, _ = envs.reset(seed=seed)
    observations, acted, earned, over = [obs], [], [], np.zeros(episodes, bool)
    while not over.all():
        acted.append(envs.unwrapped.expert_action())
        obs, rewards, terminated, _, infos = envs.step(acted[-1])
        over = terminated
        observations.append(np.stack(list(infos["final_obs"])) if over.all() else obs)
        earned.append(rewards)
    parts = zip(np.stack(observations, 1), np.stack(acted, 1), np.stack(earned, 1), strict=True)
    made = [Episode(o, a, r, terminated=True, truncated=False) for o, a, r in parts]
    return Demonstrations(made, envs.single_observation_space, envs.single_action_space, {"env_id": env_id})


def drives(agent: Any, horizon: int, count: int) -> tuple[float, float, float]:
    """Return the regret, and the shares of drives that never left the road and that ended on it."""
    envs = make(DRIVE, count, horizon=horizon)
    obs, _ = envs.reset(seed=10_000)
    total = np.zeros(count)
    for _ in range(horizon):
        actions, _ = agent.predict(obs, deterministic=True)
        obs, rewards, *_ = envs.step(actions)
        total += rewards
    return float(abs(total.mean())), float((total == 0).mean()), float((rewards == 0).mean())


def clone(labels: int, horizon: int, steps: int, seed: int) -> Any:
    """Train by behaviour cloning from so many labels."""
    length = min(horizon, labels)
    demonstrations = recorded(DRIVE, labels // length, 1000 + seed, horizon=length)
    options = {"demonstrations": demonstrations, "held_out": 0, "gradient_steps": steps // ROUNDS}
    return BC(make(DRIVE, 1, horizon=horizon), seed=seed, **options, **SHARED).learn(steps * min(BATCH, labels))


def aggregate(labels: int, horizon: int, steps: int, seed: int) -> Any:
    """Train by DAgger with so many labels; those of the first round are the first steps of demonstrations."""
    answers = labels // ROUNDS // CARS  # labels per round and car
    apart = max(1, horizon // ((ROUNDS - 1) * answers))
    options = {"demonstrations": recorded(DRIVE, CARS, 1000 + seed, horizon=answers), "n_steps": answers * apart}
    options |= {"label_interval": apart, "max_labels": labels - CARS * answers}
    options |= {"gradient_steps": steps // ROUNDS, "first_gradient_steps": steps // ROUNDS}
    agent = DAgger(make(DRIVE, CARS, horizon=horizon), expert="scripted", seed=seed, **options, **SHARED)
    return agent.learn(10 * labels * apart)


AGENTS: dict[str, Callable[[int, int, int, int], Any]] = {"bc": clone, "dagger": aggregate}


def recall(steps: int, seed: int, core: str | None) -> float:
    """Return the mean return, at most 1, of a policy that cloned RepeatPrevious's expert."""
    demonstrations = recorded(RECALL, 40, 1000 + seed)
    agent = BC(make(RECALL, 1), demonstrations=demonstrations, core=core, batch_size=256, learning_rate=0.01, seed=seed)
    agent.learn(steps * 256)
    envs = make(RECALL, 50)

    def predict(obs: Any, state: Any, start: np.ndarray, action_mask: Any) -> tuple[np.ndarray, Any]:
        return agent.predict(obs, state, start, deterministic=True)

    return float(play(predict, envs, 50, 10_000)[0].mean())


def measure(quick: bool, seeds: int) -> list[Row]:
    """Measure and return all rows."""
    horizons = (10, 40) if quick else HORIZONS
    budgets = (40,) if quick else BUDGETS
    steps, count = (100, 20) if quick else (GRADIENT_STEPS, DRIVES)
    rows: list[Row] = []
    with progress(len(AGENTS) * len(horizons) * len(budgets) * seeds + 2 * seeds, "drive") as advance:
        for labels in budgets:
            for name, train in AGENTS.items():
                regrets = []
                for horizon in horizons:
                    begun, found = time.process_time(), []
                    for seed in range(seeds):
                        found.append(drives(train(labels, horizon, steps, seed), horizon, count))
                        advance(f"{name} {labels} labels, horizon {horizon}")
                    seconds = (time.process_time() - begun) / seeds
                    task, variant = f"DriveCorridor, horizon {horizon}", f"{labels} labels, cnn_small"
                    for metric, values in zip(METRICS, np.array(found).T.tolist(), strict=True):
                        rows.append(summarize(task, name, variant, metric, values, steps, seconds))
                    regrets.append([values[0] for values in found])
                rows.append(regret_slope(name, labels, horizons, np.array(regrets), count))
        for core in ("gru", None):
            begun, returns = time.process_time(), []
            for seed in range(seeds):
                returns.append(recall(20 if quick else 400, seed, core))
                advance(f"RepeatPrevious, {core}")
            seconds = (time.process_time() - begun) / seeds
            rows.append(
                summarize("RepeatPrevious, easy", "bc", f"core {core}", "return", returns, 400, seconds, "expert: 1")
            )
    return rows


def regret_slope(name: str, labels: int, horizons: tuple[int, ...], regrets: np.ndarray, count: int) -> Row:
    """Return the slope of log regret against log horizon, with the regrets (horizons, seeds) resampled by seed.

    A regret of 0 counts as half a step in all ``count`` drives of all seeds, since less cannot be measured.
    """
    rng, n = np.random.default_rng(0), regrets.shape[1]
    least = 0.5 / (count * n)
    means = [regrets.mean(1), *(regrets[:, rng.integers(n, size=n)].mean(1) for _ in range(1000))]
    value, *others = (float(np.polyfit(np.log(horizons), np.log(np.maximum(m, least)), 1)[0]) for m in means)
    low, high = np.quantile(others, [0.025, 0.975])
    task, variant = "DriveCorridor, all horizons", f"{labels} labels, cnn_small"
    bounds = min(float(low), value), max(float(high), value)
    return Row(task, name, variant, "slope of regret", value, *bounds, n, None, None, WANTED_SLOPES[name])


def draw(rows: list[Row], path: Path) -> None:
    """Plot the regret against the horizon on log axes, and the share of drives that never leave the road."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    colours = {"bc": "#d55e00", "dagger": "#0072b2"}
    variants = list(dict.fromkeys(row.variant for row in rows if row.metric == "regret"))
    for axis, metric in zip(axes, ("regret", "never off"), strict=True):
        for name, colour in colours.items():
            for variant, style in zip(variants, ("-", "--"), strict=False):
                chosen = [r for r in rows if (r.agent, r.variant, r.metric) == (name, variant, metric)]
                x = [int(row.task.rpartition(" ")[2]) for row in chosen]
                y = [row.value for row in chosen]
                label = f"{name}, {variant.partition(',')[0]}"
                axis.plot(x, y, style, color=colour, marker="o", markersize=4, label=label)
        axis.set_xscale("log")
        axis.set_xticks(HORIZONS, [str(horizon) for horizon in HORIZONS])
        axis.minorticks_off()
        axis.set_xlabel("horizon (steps)")
        titles = {"regret": "steps beside the road", "never off": "share of drives that never leave the road"}
        axis.set_title(titles[metric], fontsize=9)
    axes[0].set_yscale("symlog", linthresh=1e-2)  # shows 0, too
    axes[0].set_ylim(bottom=-1e-3)
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_paths(path: Path, labels: int, horizon: int, steps: int) -> None:
    """Plot the same road from above, driven by a clone, by DAgger with as many labels, and by the expert."""
    single: Any = gymnasium.make(DRIVE, horizon=horizon)
    drivers = {name: train(labels, horizon, steps, 0) for name, train in AGENTS.items()}
    drivers["expert"] = ActionSource(lambda: single.unwrapped.expert_action()[0])
    with matplotlib.rc_context(STYLE):
        figure = roads({name: drive(driver, single, seed=10_000) for name, driver in drivers.items()})
        figure.savefig(path, dpi=DPI)


def main() -> None:
    """Measure, save, draw."""
    options = arguments(__doc__)
    torch.set_num_threads(1)
    rows = measure(options.quick, 1 if options.quick else options.seeds)
    save("drive", rows, options.output)
    draw(rows, options.output / "drive.png")
    small = (40, 10, 20)
    draw_paths(options.output / "drive_paths.png", *(small if options.quick else (BUDGETS[0], 200, GRADIENT_STEPS)))
    for row in rows:
        print(f"{row.task:28s} {row.agent:7s} {row.variant:22s} {row.value:9.3f} {row.metric}")


if __name__ == "__main__":
    main()
