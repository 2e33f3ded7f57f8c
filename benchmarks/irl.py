"""What inverse reinforcement learning recovers: visits, behaviour, reward, and how the reward transfers to new walls.

On tabular environments everything is exact (40 steps, three in ten of them slip). Returns are shares of the best
policy's return under the true reward; `distance` is EPIC's (0 for rewards equal up to scale and shaping, 0.71 for
unrelated ones); for `walls` the agent plans anew, or the clone is played, on the same grid with a quarter of the cells
walled up.

    maxent_irl exact      from the visits of a soft expert (temperature 1), computed
    maxent_irl, irl       from 100 paths of an expert that hardly errs (temperature 0.1)
    clone                 the action frequencies in the same paths, uniform in states without any
    random                the same learner, from paths of a random walk
    irl on Gridworld      the lecture's algorithm with a reward in every region, the expert's visits computed

On CartPole-v1 `irl` with squares of the observations is feature-expectation matching; CartPole rewards survival, so the
row has to be compared with the control of random demonstrations. On Pendulum-v1 `maxent_irl` learns a network, with the
settings of `configs/maxent_irl/pendulum.yaml`.

    python -m benchmarks.irl
"""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

import lhy_rl  # noqa: F401  (registers)
from benchmarks import harness
from lhy_rl.agents import IRL, MaxEntIRL
from lhy_rl.experiment import config
from lhy_rl.functional.dynamic_programming import policy_evaluation, sample_paths, soft_value_iteration, value_iteration
from lhy_rl.functional.epic import epic_distance
from lhy_rl.functional.min_norm_point import min_norm_point
from lhy_rl.interop.demonstrations import load_demonstrations
from lhy_rl.rollouts.record_episodes import random_policy, record

PATHS, NEARLY, RANDOM = 100, 0.1, 1e9
WALLS = {"walls": 0.25}
GATES = {
    "occupancy gap": "wanted: 0.001",
    "feature gap": "wanted: 0.1 of the first",
    "least margin": "wanted: at least 0",
    "return": "wanted: 0.99",
    "return behind walls": "wanted: 0.9 where cloning fails",
}
CARTPOLE = {"n_steps": 64, "batch_size": 256, "n_epochs": 10, "learning_rate": 2e-3, "gamma": 0.98, "gae_lambda": 0.9}

Cell = dict[str, float]


def make(name: str, seed: int, quick: bool, **options: Any) -> Any:
    size = {"size": 6} | ({"num_objects": 4} if name == "Objectworld" else {}) if quick else {}
    kind = {"features": "cells"} if name == "Objectworld" else {"rewarded": 1.0}
    return gymnasium.make_vec(f"lhy_rl/{name}-v0", num_envs=1, layout_seed=seed, **size, **kind, **options)


def share(env: Any, policy: np.ndarray) -> float:
    """Return a policy's return under the true reward, as a share of the best policy's."""
    task = env.unwrapped
    best = value_iteration(task.transitions, task.state_rewards, 1.0, task.max_episode_steps)
    own_values = policy_evaluation(task.transitions, task.state_rewards, policy, 1.0, task.max_episode_steps)
    return float((task.starts @ own_values[0]) / (task.starts @ best.values[0]))


def cloned(env: Any, temperature: float, seed: int) -> np.ndarray:
    """Return (S, A) the expert's action frequencies in as many paths as the others learn from."""
    task = env.unwrapped
    plan = soft_value_iteration(task.transitions, task.state_rewards, 1.0, task.max_episode_steps, temperature)
    states, actions, _ = sample_paths(
        task.transitions, plan.policy, task.starts, task.max_episode_steps, PATHS, np.random.default_rng(seed)
    )
    counts = np.zeros(task.transitions.shape[:2])
    np.add.at(counts, (states[:, :-1], actions), 1)
    visits = counts.sum(1, keepdims=True)
    policy: np.ndarray = np.where(visits > 0, counts / np.maximum(visits, 1), 1 / counts.shape[1])
    return policy


def learned(agent: Any, updates: int, env: Any, moved: Any) -> tuple[Cell, list[dict[str, float]], np.ndarray]:
    """Train; return the reward's scores here and with walls, the logged rows, and the reward."""
    rows: list[dict[str, float]] = []
    begun = time.process_time()
    agent.learn(updates, callback=lambda agent, metrics: rows.append(dict(metrics)))
    seconds = time.process_time() - begun
    reward = agent.state_rewards
    cell = {"return": share(env, agent.best_policy()), "cpu": seconds, "steps": float(agent.num_timesteps)}
    cell["distance"] = epic_distance(reward, env.unwrapped.state_rewards)
    if moved is not None:
        agent.set_env(moved)
        cell["return behind walls"] = share(moved, agent.best_policy())
    return cell, rows, reward


def on_objectworld(seed: int, quick: bool) -> tuple[dict[tuple[str, str], Cell], dict[str, Any]]:
    env, moved = make("Objectworld", seed, quick), make("Objectworld", seed, quick, **WALLS)
    cells: dict[tuple[str, str], Cell] = {}
    exact = MaxEntIRL(env, expert_temperature=1.0, seed=seed)
    cell, rows, reward = learned(exact, 400, env, moved)
    cells["maxent_irl", "exact, soft expert"] = cell | {"occupancy gap": rows[-1]["train/occupancy_gap"]}
    few = {"trajectories": PATHS, "seed": seed}
    for name, kind, options, updates in (
        ("maxent_irl", MaxEntIRL, {"l2": 0.01}, 200),
        ("irl", IRL, {"method": "max_margin"}, 60),
    ):
        for variant, temperature in ((f"{PATHS} paths", NEARLY), (f"random, {PATHS} paths", RANDOM)):
            agent = kind(env, expert_temperature=temperature, **options, **few)  # type: ignore[arg-type]
            cells[name, variant] = learned(agent, updates, env, moved)[0]
    clone = cloned(env, NEARLY, seed)
    cells["clone", f"{PATHS} paths"] = {"return": share(env, clone), "return behind walls": share(moved, clone)}
    size = env.unwrapped.size
    pictured = {"true": env.unwrapped.state_rewards.reshape(size, size), "recovered": reward.reshape(size, size)}
    return cells, pictured


def on_gridworld(seed: int, quick: bool) -> tuple[dict[tuple[str, str], Cell], dict[str, Any]]:
    env = make("Gridworld", seed, quick)
    cells, pictured = {}, {}
    for method in ("perceptron", "max_margin"):
        agent = IRL(env, method=method, seed=seed)
        cell, rows, _ = learned(agent, 200, env, None)
        apart = torch.stack([agent.demonstrated_expert.mean - actor.mean for actor in agent.actors]).numpy()
        cell["return"] = share(env, agent.policy_table)
        cell["feature gap"] = rows[-1]["train/feature_gap"]
        cell["least margin"] = float(agent.margins().min())
        if method == "perceptron":
            cell["mistakes"] = float(agent.mistakes)
            delta = np.linalg.norm(min_norm_point(apart)[0])  # margin of the best separator: the least that is allowed
            cell["mistakes allowed"] = float((np.linalg.norm(apart, axis=1).max() / delta) ** 2)
        cells["irl", method] = cell
        pictured[method] = [(row["train/margin"], row["train/feature_gap"]) for row in rows]
    return cells, pictured


def played(env_id: str, expert: str, seed: int, steps: int, kind: Any, **options: Any) -> dict[str, Cell]:
    """Learn from an expert, and from random demonstrations, in an environment that has to be sampled."""
    cells = {}
    env = gymnasium.make_vec(env_id, num_envs=10)
    nobody = record(env, random_policy(env.single_action_space, seed), 10, seed=seed)
    pictured = {"10 demonstrations": load_demonstrations(expert, env_id), "random, 10 demonstrations": nobody}
    for variant, given in pictured.items():
        begun = time.process_time()
        agent = kind(env_id, demonstrations=given, trajectories=10, seed=seed, **options).learn(steps)
        seconds = time.process_time() - begun
        env = gymnasium.make_vec(env_id, num_envs=20)
        cells[variant] = {"mean return": mean_return(agent, env), "cpu": seconds, "steps": agent.num_timesteps}
    return cells


def mean_return(agent: Any, env: Any) -> float:
    """Return the mean return of the most probable actions over the first episode of each instance."""
    obs, _ = env.reset(seed=20_170_101)
    total, going = np.zeros(env.num_envs), np.ones(env.num_envs, bool)
    while going.any():
        actions, _ = agent.predict(obs, deterministic=True)
        obs, rewards, terminated, truncated, _ = env.step(actions)
        total += rewards * going
        going &= ~(terminated | truncated)
    return float(total.mean())


def picture(pictured: dict[str, dict[str, Any]], table: list[harness.Row], path: Path) -> None:
    """Plot the true and the recovered reward, returns here and with walls, and margins and gaps over the updates."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(12, 7))
    for axis, name in zip(axes[0], ("true", "recovered"), strict=False):
        reward = pictured["Objectworld"][name]
        limit = float(np.abs(reward - np.median(reward)).max())
        image = axis.imshow(reward - np.median(reward), cmap="PuOr_r", vmin=-limit, vmax=limit)
        axis.set_title({"true": "Objectworld: true reward", "recovered": "recovered by maxent_irl"}[name])
        axis.set(xticks=[], yticks=[])
        figure.colorbar(image, ax=axis, fraction=0.046)
    bars(axes[0, 2], table)
    for method, colour in (("perceptron", "tab:red"), ("max_margin", "tab:blue")):
        margins, gaps = np.array(pictured["Gridworld"][method]).T
        axes[1, 0].plot(margins, color=colour, label=method)
        axes[1, 1].plot(gaps, color=colour, label=method)
    axes[1, 0].axhline(0, color="0.35", lw=1)
    axes[1, 0].set_yscale("symlog", linthresh=1e-4)
    axes[1, 0].set(xlabel="update", title="Gridworld: least margin of the expert", ylabel="score above stored actors")
    axes[1, 1].set_yscale("log")
    axes[1, 1].axhline(0.1, color="0.35", lw=1, ls=":")
    axes[1, 1].set(xlabel="update", title="features: distance to the expert", ylabel="share of the first")
    for axis in axes[1, :2]:
        axis.grid(alpha=0.3)
        axis.legend()
    mistakes(axes[1, 2], table)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def bars(axis: Any, table: list[harness.Row]) -> None:
    """Plot the returns here and with walls."""
    names = [("clone", f"{PATHS} paths"), ("irl", f"{PATHS} paths"), ("maxent_irl", f"{PATHS} paths")]
    for k, (metric, colour) in enumerate((("return", "0.6"), ("return behind walls", "tab:orange"))):
        rows = [row for key in names for row in table if (row.agent, row.variant, row.metric) == (*key, metric)]
        spans = [[row.value - row.low for row in rows], [row.high - row.value for row in rows]]
        label = {"return": "same grid", "return behind walls": "walls"}[metric]
        axis.bar(np.arange(3) + 0.4 * k, [row.value for row in rows], 0.38, yerr=spans, color=colour, label=label)
    axis.set_xticks(np.arange(3) + 0.2, [name for name, _ in names])
    axis.set_title("Objectworld: share of the best return")
    axis.legend(loc="lower right")


def mistakes(axis: Any, table: list[harness.Row]) -> None:
    """Plot the perceptron's mistakes beside the bound of the theorem."""
    rows = [row for row in table if row.variant == "perceptron" and row.metric.startswith("mistakes")]
    axis.bar([row.metric for row in rows], [row.value for row in rows], color=["tab:red", "0.6"])
    axis.set_yscale("log")
    axis.set_title("Gridworld: the perceptron's mistakes")


def main() -> None:
    common = harness.arguments(__doc__)
    torch.set_num_threads(1)
    parts = {"Objectworld": on_objectworld, "Gridworld": on_gridworld}
    games: dict[str, Any] = {}
    if not common.quick:
        squares = {"features": "squares", "method": "perceptron", "ppo_updates": 4, "ppo": CARTPOLE}
        balance = functools.partial(played, "CartPole-v1", "cartpole-expert", steps=100_000, kind=IRL, **squares)
        tuned = config.load("maxent_irl/pendulum").values
        network = {k: v for k, v in tuned["agent"].items() if k not in ("name", "demonstrations", "trajectories")}
        steps = tuned["total_timesteps"]
        swing = functools.partial(played, "Pendulum-v1", "pendulum-expert", steps=steps, kind=MaxEntIRL, **network)
        games = {"CartPole-v1": ("irl", balance), "Pendulum-v1": ("maxent_irl", swing)}
    found: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    pictured: dict[str, dict[str, Any]] = {}
    seeds = 1 if common.quick else common.seeds
    with harness.progress(seeds * (len(parts) + len(games)), "inverse reinforcement learning") as advance:
        for seed in range(seeds):
            for name, part in parts.items():
                cells, pictures = part(seed, common.quick)
                pictured.setdefault(name, pictures)
                for key, cell in cells.items():
                    found[name, *key].append(cell)
                advance()
        write(found, pictured, common.output)
        for name, (agent, play) in games.items():
            for seed in range(seeds):
                for variant, cell in play(seed=seed).items():
                    found[name, agent, variant].append(cell)
                advance()
                write(found, pictured, common.output)  # finished parts are kept


def write(found: dict[tuple[str, str, str], list[Cell]], pictured: dict[str, dict[str, Any]], folder: Path) -> None:
    """Save the rows and the plot of what has been measured so far."""
    table = []
    for (task, agent, variant), cells in found.items():
        seconds = float(np.mean([cell.get("cpu", 0.0) for cell in cells]))
        steps = round(float(np.mean([cell.get("steps", 0.0) for cell in cells]))) or None
        for metric in cells[0]:
            if metric not in ("cpu", "steps"):
                gate = GATES.get(metric, "") if agent != "clone" and "random" not in variant else ""
                values = [cell[metric] for cell in cells]
                table.append(harness.summarize(task, agent, variant, metric, values, steps, seconds or None, gate))
    harness.save("irl", table, folder)
    picture(pictured, table, folder / "irl.png")


if __name__ == "__main__":
    main()
