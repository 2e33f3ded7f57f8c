"""Third-person imitation in MuJoCo, on the two available environments of Stadie et al. (2017): learning curves.

InvertedPendulum-v5: the expert has a red pole and the learner a cyan one. Reacher-v5: the expert is watched by a camera
24.4 degrees lower, its target has another colour, and the ground is dark. All agents have the budget of their
configuration (configs/third_person), three seeds, and are judged by their final policy, whose most probable actions
play 100 fresh episodes; along the training ten evaluations of 20 episodes make the curve. Nothing is chosen by its
result. `score` is (R - nothing) / (expert - nothing) with the task's own returns: 0 is a policy that does nothing,
which on the reacher is much better than acting at random, and 1 the scripted expert.

    true reward     PPO on the task's own reward
    first person    videos in the learner's own domain, without failures
    third person    the configuration
    no reversal     reversal 0; its colours are still turned at random
    neither         reversal 0 and recolour 0: the view is not forgotten at all

The options were chosen on seed 100.

    python -m benchmarks.third_person_mujoco [--quick] [--seeds 3] [--only PATTERN] [--tasks NAMES]
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Row, chosen, load, parser, progress, save, summarize
from lhy_rl.agents import PPO, agents
from lhy_rl.agents.common.construction import defaults_of
from lhy_rl.core import archive
from lhy_rl.experiment import config
from lhy_rl.rollouts.evaluate_policy import SEED
from lhy_rl.rollouts.vector_envs import make_vec

NAME = "third_person_mujoco"
TASKS = {"inverted_pendulum": "InvertedPendulum-v5", "mujoco_reacher": "Reacher-v5"}
PLAIN = {"reversal": 0.0, "recolour": 0.0}
ARMS: dict[str, dict[str, Any]] = {
    "true reward": {"name": "ppo"},
    "first person": {"expert_videos": "scripted:own", "failure_videos": None, **PLAIN},
    "third person": {},
    "no reversal": {"reversal": 0.0},
    "neither": PLAIN,
}
CURVES = f"{NAME}_curves"  # file of the plotted points
EPISODES, CURVE_EPISODES, POINTS = 100, 20, 10


def play(values: dict[str, Any], act: Any, episodes: int) -> float:
    """Return the mean return of the episodes; ``act`` maps (environment, states) to actions."""
    options = {name: value for name, value in values["env"].items() if name != "id"} | {"observation": "state"}
    env: Any = make_vec(values["env"]["id"], episodes, **options)
    obs, _ = env.reset(seed=SEED)
    returns = np.zeros(episodes)
    for _ in range(options["horizon"]):
        obs, reward, *_ = env.step(act(env, obs))
        returns += reward
    env.close()
    return float(returns.mean())


def references(values: dict[str, Any]) -> dict[str, float]:
    """Return the returns of a random policy, of a policy that does nothing, and of the scripted expert."""
    rng = np.random.default_rng(SEED)

    def random(env: Any, obs: np.ndarray) -> np.ndarray:
        actions: np.ndarray = rng.uniform(env.action_space.low, env.action_space.high).astype(np.float32)
        return actions

    def nothing(env: Any, obs: np.ndarray) -> np.ndarray:
        return np.zeros(env.action_space.shape, np.float32)

    def expert(env: Any, obs: np.ndarray) -> np.ndarray:
        return np.concatenate([one.unwrapped.expert_action() for one in env.envs])

    players = {"random": random, "does nothing": nothing, "expert": expert}
    return {name: play(values, act, EPISODES) for name, act in players.items()}


def made(values: dict[str, Any], arm: str, seed: int) -> Any:
    """Make the agent of an arm."""
    options = {**values["agent"], **ARMS[arm], "seed": seed, "device": "cpu"}
    kind = agents.get(options.pop("name"))
    env = {name: value for name, value in values["env"].items() if name != "id"}
    if kind is PPO:
        env["observation"], options["encoder"] = "state", "auto"
    known = defaults_of(kind)
    made_env = make_vec(values["env"]["id"], options.get("num_envs", 32), **env)
    return kind(made_env, **{name: value for name, value in options.items() if name in known})


def settings(task: str, quick: bool) -> dict[str, Any]:
    """Return the configuration of a task; with ``quick``, episodes and videos are short and few."""
    values = config.load(f"third_person/{task}").values
    if not quick:
        return values
    small = {"total_timesteps": 1600, "env": {**values["env"], "horizon": 20}}
    return {**values, **small, "agent": {**values["agent"], "videos": 8, "discriminator_warmup": 20}}


def learn(
    values: dict[str, Any], arm: str, seed: int, bounds: tuple[float, float]
) -> tuple[dict[str, float], list[tuple[int, float]]]:
    """Train and evaluate one agent; return metric to value, and the curve of (steps, score)."""
    torch.set_num_threads(1)
    total = values["total_timesteps"]
    low, high = bounds
    begun, spent = time.process_time(), 0.0
    agent = made(values, arm, seed)
    curve: list[tuple[int, float]] = []

    def score(episodes: int) -> float:
        def act(env: Any, states: np.ndarray) -> np.ndarray:
            obs = states if arm == "true reward" else {"state": states, "image": blank[: len(states)]}
            actions: np.ndarray = agent.predict(obs, deterministic=True)[0]
            return actions

        return (play(values, act, episodes) - low) / (high - low)

    image = getattr(agent.env.single_observation_space, "spaces", {}).get("image")
    blank = np.zeros((EPISODES, *image.shape), np.uint8) if image is not None else np.zeros(0)  # no policy reads it

    def note(agent: Any, metrics: dict[str, float]) -> None:
        nonlocal spent
        if agent.num_timesteps >= total * (len(curve) + 1) / POINTS:
            paused = time.process_time()
            curve.append((agent.num_timesteps, score(CURVE_EPISODES)))
            spent += time.process_time() - paused

    agent.learn(total, callback=note)
    seconds = time.process_time() - begun - spent
    found = score(EPISODES)
    agent.close()
    return {"score": found, "return": found * (high - low) + low, "seconds": seconds}, curve


def rows_of(task: str, arm: str, results: Sequence[dict[str, float]], steps: int) -> list[Row]:
    """Return a row for each metric."""
    seconds = float(np.mean([result["seconds"] for result in results]))
    return [
        summarize(TASKS[task], arm, "", metric, [result[metric] for result in results], steps, seconds)
        for metric in ("score", "return")
    ]


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERN", help="arms to run")
    command.add_argument("--tasks", default=",".join(TASKS), metavar="NAMES")
    args = command.parse_args()
    tasks, seeds, arms = chosen(NAME, TASKS, args.tasks, ","), args.seeds, chosen(NAME, ARMS, args.only)
    if args.quick:
        tasks, seeds, arms = ["inverted_pendulum"], 1, ["true reward", "third person"]
    keep = (args.output / f"{NAME}.json").exists() and not args.quick
    again = [TASKS[task] for task in tasks]
    rows = [row for row in load(NAME, args.output) if row.task not in again or row.agent not in arms] if keep else []
    points: dict[str, Any] = json.loads((args.output / f"{CURVES}.json").read_text()) if keep else {}
    with progress(len(tasks) * len(arms) * seeds, NAME) as advance:
        for task in tasks:
            values = settings(task, args.quick)
            known = references(values)
            bounds = known["does nothing"], known["expert"]
            rows = [row for row in rows if row.task != TASKS[task] or row.agent not in known]
            for name, value in known.items():
                scaled = (value - bounds[0]) / (bounds[1] - bounds[0])
                rows += rows_of(task, name, [{"score": scaled, "return": value, "seconds": 0.0}], 0)
            for arm in arms:
                results, curves = [], []
                for seed in range(seeds):
                    found, curve = learn(values, arm, seed, bounds)
                    results.append(found), curves.append(curve)
                    advance(f"{task}, {arm}: {found['score']:.2f}")
                rows += rows_of(task, arm, results, values["total_timesteps"])
                points.setdefault(TASKS[task], {})[arm] = curves
                save(NAME, rows, args.output)
                archive.write_bytes(args.output / f"{CURVES}.json", json.dumps(points, indent=1).encode())
    draw(points, args.output)


def draw(points: dict[str, Any], folder: Path) -> None:
    """Plot the curves, with thin lines for the seeds and a thick one for the mean."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(points), figsize=(1.5 + 4.2 * len(points), 3.4), sharey=True, squeeze=False)
    colours = dict(zip(ARMS, ("#718096", "#2f855a", "#2b6cb0", "#dd6b20", "#805ad5"), strict=True))
    for ax, (task, arms) in zip(axes[0], points.items(), strict=True):
        for arm, curves in arms.items():
            for curve in curves:
                ax.plot(*zip(*curve, strict=True), color=colours[arm], linewidth=0.7, alpha=0.5)
            steps = [step for step, _ in curves[0]]
            mean = np.mean([[score for _, score in curve] for curve in curves], 0)
            ax.plot(steps, mean, color=colours[arm], linewidth=2, label=arm)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.axhline(1, color="black", linewidth=0.8, linestyle="--")
        ax.set(title=task, xlabel="environment steps")
    axes[0][0].set_ylim(-1.2, 1.1)  # a random policy is far below on the reacher
    axes[0][0].set_ylabel("score: 0 does nothing, 1 expert")
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(folder / f"{NAME}.png", dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
