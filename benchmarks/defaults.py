"""Our default hyperparameters beside Stable-Baselines3's, in the same number of steps.

``PPO(task).learn(steps)`` and ``A2C(task).learn(steps)`` of both libraries, each with its own defaults: the
deterministic policy is evaluated at the end, and during the training for the curves, by 20 episodes in a separate
environment, with the same initial states each time; evaluations do not count towards the CPU-seconds. The two take
turns, seed by seed, in one process with one thread, and step the same environments, Gymnasium's, one after the other in
Python. Finished seeds are kept (``defaults.trials.json``), so that a stopped benchmark can be resumed. Our defaults
were chosen on the seeds 101 to 104 of CartPole and Minigrid; the table has 0 to 4.

In Minigrid both observe the direction and the image, not the mission. Stable-Baselines3 treats every image as a picture
and rejects one of 7 x 7, so it receives the image as a flat vector; its MultiInputPolicy reads it together with the
direction.

    python -m benchmarks.defaults [--quick] [--seeds 5 --only CartPole-v1 --agent ppo]
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import torch

from benchmarks.control_sb3 import evaluated
from benchmarks.harness import Row, load, parser, progress, save
from lhy_rl.benchmark.benchmark_row import COST, RETURN, BenchmarkRow, rows_of
from lhy_rl.benchmark.curve_plots import draw
from lhy_rl.benchmark.learning_curve import Curve
from lhy_rl.benchmark.results import ratio
from lhy_rl.benchmark.seed_run import ResultCache, SeedRun, digest
from lhy_rl.benchmark.spec import Definition, Entry
from lhy_rl.rollouts.sync_vector_env import SameStepVectorEnv

PEER = "Stable-Baselines3"
MINIGRID = "MiniGrid-Empty-5x5-v0"
STEPS = {
    "CartPole-v1": 25_000,
    "Acrobot-v1": 100_000,
    "Pendulum-v1": 100_000,
    MINIGRID: 50_000,
    "LunarLander-v3": 300_000,
}
AGENTS = ("ppo", "a2c")
PARTS = 10  # evaluations per training


def flat(obs: dict[str, Any]) -> dict[str, Any]:
    """Convert Minigrid's observations, one or a batch: the image becomes a vector, the mission is left out."""
    image = obs["image"]
    return {"direction": obs["direction"], "image": image.reshape(*image.shape[:-3], -1)}


def flat_minigrid() -> gymnasium.Env[Any, Any]:
    """Make Minigrid with these observations."""
    env = gymnasium.make(f"minigrid:{MINIGRID}")
    space: Any = env.observation_space
    image = gymnasium.spaces.utils.flatten_space(space["image"])
    spaces = gymnasium.spaces.Dict({"direction": space["direction"], "image": image})
    return gymnasium.wrappers.TransformObservation(env, flat, spaces)


def sb3_curve(agent: str, task: str, our_run: SeedRun, steps: int) -> Curve:
    """Train SB3's agent with its defaults, and with the seed and evaluations of one of our runs."""
    import stable_baselines3

    kind = getattr(stable_baselines3, agent.upper())
    seed = our_run.config.values["seed"]
    if task == MINIGRID:
        return evaluated(kind("MultiInputPolicy", flat_minigrid(), seed=seed, device="cpu"), our_run, steps, flat)
    env = gymnasium.make(task)  # given an id, SB3 sets a render mode, which slows LunarLander down
    return evaluated(kind("MlpPolicy", env, seed=seed, device="cpu"), our_run, steps)


def our_curve(our_run: SeedRun) -> Curve:
    """Train our agent with its defaults, in environments like SB3's."""
    values = our_run.config.values
    return our_run.run(SameStepVectorEnv([lambda: gymnasium.make(values["env"]["id"])] * values["agent"]["num_envs"]))


def our_rows(quick: bool, seeds: int, tasks: Sequence[str], agents: Sequence[str] = AGENTS) -> list[BenchmarkRow]:
    """Return our row of each agent on each requested task."""
    entries = []
    for task in tasks:
        env = f"minigrid:{task}" if task == MINIGRID else task
        for agent in agents:
            overrides = {"env.id": env, "total_timesteps": STEPS[task]}
            interval = STEPS[task] // PARTS
            entries.append(Entry(agent, variant="lhy_rl", overrides=overrides, evaluation_interval=interval, task=task))
    return rows_of(Definition("defaults", entries), seeds, quick)


def measure(folder: Path, quick: bool, seeds: int, tasks: Sequence[str], agents: Sequence[str]) -> list[Row]:
    """Train the runs that are not in the cache; return the rows, and plot these tasks and others with cached seeds."""
    warnings.filterwarnings("ignore", "'mission' of the observations is text")
    cache = ResultCache(folder / "defaults.trials.json")
    found = our_rows(quick, seeds, tasks, agents)
    rows = []
    with progress(2 * seeds * len(found), "defaults") as advance:
        for row in found:
            for seed_run in row.seed_runs:
                peer = partial(sb3_curve, row.agent, row.task, seed_run, seed_run.config.values["total_timesteps"])
                for key, way in ((seed_run.key, partial(our_curve, seed_run)), (peer_key(row, seed_run), peer)):
                    if key not in cache.curves:
                        cache.add(key, way())
                    advance(f"{row.agent} on {row.task}: {cache.curves[key].final:.4g}")
            (_, ours), (_, theirs) = sides = kept(row, cache)
            for who, curves in sides:
                compared = replace(row, variant=who, threshold=None)
                rows.append(compared.row(RETURN, [curve.final for curve in curves], curves))
                rows.append(compared.row(COST, [curve.cpu_seconds for curve in curves], curves))
            times = ratio([curve.cpu_seconds for curve in theirs], [curve.cpu_seconds for curve in ours])
            variant = f"{PEER} over {row.variant}"
            rows.append(Row(row.task, row.agent, variant, f"times the {COST}", *times, len(ours)))
    everything = found if quick else our_rows(quick, seeds, list(STEPS))
    drawn = []
    for row in everything:
        sides = kept(row, cache)
        if all(len(curves) == seeds for _, curves in sides):
            drawn += [(replace(row, variant=f"{row.agent}, {who}", threshold=None), curves) for who, curves in sides]
    draw(drawn, folder / "defaults.png")
    return rows


def kept(row: BenchmarkRow, cache: ResultCache) -> list[tuple[str, list[Curve]]]:
    """Return the finished seeds of both libraries."""
    keys = {row.variant: [run.key for run in row.seed_runs], PEER: [peer_key(row, run) for run in row.seed_runs]}
    return [(who, [cache.curves[key] for key in keys[who] if key in cache.curves]) for who in keys]


def peer_key(row: BenchmarkRow, our_run: SeedRun) -> str:
    """Return the cache key of the SB3 run that corresponds to one of ours."""
    import stable_baselines3

    values = our_run.config.values
    what = [row.agent, row.task, values["seed"], values["total_timesteps"], our_run.interval, our_run.episodes]
    return digest([*what, stable_baselines3.__version__, torch.__version__])


def main() -> None:
    """Measure, save, draw."""
    command = parser(__doc__)
    command.add_argument(
        "--only", choices=list(STEPS), action="append", help="a task to run; the stored rows of others are kept"
    )
    command.add_argument(
        "--agent", choices=AGENTS, action="append", help="an agent to run; the stored rows of others are kept"
    )
    options = command.parse_args()
    torch.set_num_threads(1)
    tasks = ["CartPole-v1"] if options.quick else options.only or list(STEPS)
    agents = options.agent or list(AGENTS)
    seeds = min(options.seeds, 1) if options.quick else options.seeds
    rows = measure(options.output, options.quick, seeds, tasks, agents)
    if options.only or options.agent:
        kept_rows = load("defaults", options.output)
        rows += [row for row in kept_rows if row.task not in tasks or row.agent not in agents]
        rows.sort(key=lambda row: (list(STEPS).index(row.task), AGENTS.index(row.agent)))
    save("defaults", rows, options.output)
    for row in rows:
        print(f"{row.agent:4s} {row.task:22s} {row.variant:32s} {row.value:10.2f} {row.metric}")


if __name__ == "__main__":
    main()
