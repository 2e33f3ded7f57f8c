"""Cloning and DAgger from few demonstrations, beside random policies, experts and what the library `imitation` reaches.

The value is the return of the deterministic policy in 50 episodes whose initial states no demonstration has. The
settings are those of configs/bc and configs/dagger; in rows with `as many labels`, cloning has as many of the expert's
actions as DAgger queried, and with `and gradient steps`, also as many gradient steps. CartPole's expert samples its
actions (benchmarks/experts.py says why). `shuffled` demonstrations are the control: the same actions in random order.

    python -m benchmarks.cloning
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

import lhy_rl  # noqa: F401  (registers)
from benchmarks import harness
from lhy_rl.experiment import build, config
from lhy_rl.experiment.demonstrations import resolve_demonstrations
from lhy_rl.interop.demonstrations import load_demonstrations
from lhy_rl.rollouts.demonstrators import trained_policy
from lhy_rl.rollouts.record_episodes import Act, random_policy, record
from lhy_rl.rollouts.scripted_controllers import EXPERTS
from lhy_rl.rollouts.vector_envs import make_vec

CARTPOLE, PENDULUM, LANDER = "CartPole-v1", "Pendulum-v1", "LunarLander-v3"
SHIPPED = {CARTPOLE: "cartpole-expert", PENDULUM: "pendulum-expert", LANDER: "lunarlander-expert"}
EPISODES, FIRST_SEED = 50, 20_170_101
PEER = "imitation 1.0.1: "


@dataclass(frozen=True)
class Part:
    """One row: an agent and the data that it learns from.

    Attributes:
        options: Changes to the configuration.
        shuffled: Whether the demonstrated actions are permuted within each episode.
        matches: Take as many gradient steps as the agent of this variant with the same seed.
        seeds: Number of runs, if it differs from the others'.
    """

    task: str
    name: str
    variant: str
    reference: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    shuffled: bool = False
    matches: str = ""
    seeds: int | None = None


SUBSAMPLED = {"agent.trajectories": 1, "agent.subsample": 20}
AS_MANY = {"agent.trajectories": 41, "agent.subsample": 20}  # 41 times 25: DAgger's 25 and its budget of 1,000
ASKED = "dagger/pendulum"
EQUAL = {"agent.demonstrations": "scripted", "agent.trajectories": 21, "agent.held_out": 0}  # 21 times 200 steps
PARTS = (
    Part(CARTPOLE, "bc/cartpole", "1 trajectory", PEER + "500, 500, 500; wanted: 490 of each seed"),
    Part(CARTPOLE, "bc/cartpole", "25 pairs", PEER + "112, 500, 19", SUBSAMPLED, seeds=10),
    Part(CARTPOLE, "dagger/cartpole", "25 pairs, 1,000 labels", "wanted: 490 of each seed"),
    Part(CARTPOLE, "bc/cartpole", "1,025 pairs of 41 trajectories", "", AS_MANY),
    Part(CARTPOLE, "bc/cartpole", "1 trajectory, shuffled", "", shuffled=True),
    Part(PENDULUM, "bc/pendulum", "10 trajectories", PEER + "-161, -151, -381; wanted: median -200"),
    Part(PENDULUM, "dagger/pendulum", "1 trajectory, 4,000 labels", PEER + "-778, -252, -850; wanted: median -250"),
    Part(PENDULUM, "bc/pendulum", "as many labels and gradient steps", "", EQUAL, matches=ASKED),
    Part(LANDER, "bc/lunarlander", "5 trajectories", "wanted: 0.9 of the expert"),
    Part(LANDER, "bc/lunarlander", "5 trajectories, shuffled", "", shuffled=True),
)
QUICK = {"total_timesteps": 20_000, "agent.gradient_steps": 30}


def settings(part: Part, seed: int, quick: bool, steps: int | None) -> config.Config:
    """Return the configuration of one run with this number of gradient steps."""
    options: dict[str, Any] = {"seed": seed, "device": "cpu", "threads": 1, **part.options}
    if quick:
        options |= {key: value for key, value in QUICK.items() if part.name.startswith("bc") or "agent" in key}
    if steps is not None:
        batch = config.load(ASKED).values["agent"]["batch_size"]
        options |= {"agent.batch_size": batch, "total_timesteps": steps * batch}
    return config.load(part.name, options)


def train(part: Part, seed: int, quick: bool, steps: int | None) -> tuple[Any, float]:
    """Return the agent and its CPU-seconds, which include reading or recording the demonstrations and all labels."""
    begun = time.process_time()
    chosen = settings(part, seed, quick, steps)
    env = build.make_environment(chosen)
    demonstrations = resolve_demonstrations(chosen, env)
    if part.shuffled and demonstrations is not None:
        rng = np.random.default_rng(seed)
        episodes = [replace(episode, actions=rng.permutation(episode.actions)) for episode in demonstrations.episodes]
        demonstrations = replace(demonstrations, episodes=episodes)
    agent = build.make_agent(chosen, env, demonstrations).learn(chosen.values["total_timesteps"])
    return agent, time.process_time() - begun


def returns(act: Act, task: str, episodes: int) -> float:
    """Return the mean return."""
    env = make_vec(task, episodes)
    return float(record(env, act, episodes, seed=FIRST_SEED).returns.mean())


def beside(task: str, episodes: int) -> list[harness.Row]:
    """Evaluate the random policy, the expert of the demonstrations, and the controller that DAgger queries."""
    random_act = random_policy(gymnasium.make(task).action_space, 1)
    scores = {
        "random": returns(random_act, task, episodes),
        "expert": float(load_demonstrations(SHIPPED[task]).returns.mean()),
    }
    if task in EXPERTS:
        controller = EXPERTS[task]()
        scores["scripted"] = returns(lambda obs, state, start, action_mask: (controller(obs), None), task, episodes)
    return [harness.summarize(task, name, "", "mean return", [value]) for name, value in scores.items()]


def rows_of(part: Part, got: list[float], labels: float, steps: int, seconds: list[float]) -> list[harness.Row]:
    """Return the seeds' interquartile mean, median and minimum; the last two have the seeds' range as the interval."""
    names = (part.task, part.name.partition("/")[0], part.variant)
    cost, n, span = float(np.mean(seconds)), len(got), (min(got), max(got))
    return [
        harness.summarize(*names, "mean return", got, steps, cost, part.reference),
        harness.Row(*names, "median", float(np.median(got)), *span, n, steps, cost, part.reference),
        harness.Row(*names, "worst seed", min(got), *span, n, steps, cost, part.reference),
        harness.Row(*names, "most CPU-seconds", max(seconds), min(seconds), max(seconds), n, steps),
        harness.summarize(*names, "labels", [labels] * n, steps),
    ]


def main() -> None:
    common = harness.arguments(__doc__)
    torch.set_num_threads(1)
    parts = PARTS[:5] if common.quick else PARTS
    episodes = 10 if common.quick else EPISODES
    rows: list[harness.Row] = []
    for task in dict.fromkeys(part.task for part in parts):
        rows += beside(task, episodes)
    if not common.quick:
        train(PARTS[0], 0, True, None)  # not measured: imports and one-time initialisation
    taken: dict[tuple[str, int], int] = {}  # gradient steps of each configuration and seed
    counts = [1 if common.quick else max(common.seeds, part.seeds or 0) for part in parts]
    with harness.progress(sum(counts), "cloning") as advance:
        for part, count in zip(parts, counts, strict=True):
            results: dict[str, list[float]] = defaultdict(list)
            for seed in range(count):
                agent, seconds = train(part, seed, common.quick, taken[part.matches, seed] if part.matches else None)
                taken[part.name, seed] = agent.num_gradient_steps
                results["return"].append(returns(trained_policy(agent, True, masks=False), part.task, episodes))
                results["seconds"].append(seconds)
                labels = int(agent.demonstrated.labelled.sum()) + getattr(agent, "labels", 0)
                advance(f"{part.name}, {part.variant}")
            returned = ", ".join(f"{value:.0f}" for value in results["return"])
            times = ", ".join(f"{value:.1f}" for value in results["seconds"])
            steps = agent.num_gradient_steps
            print(
                f"{part.task}, {part.name}, {part.variant}: {returned}; {times} CPU-s; {labels} labels, {steps} steps"
            )
            rows += rows_of(part, results["return"], labels, steps, results["seconds"])
            harness.save("cloning", rows, common.output)  # finished parts are kept
    picture(rows, common.output / "cloning.png")


def picture(rows: list[harness.Row], path: Path) -> None:
    """Plot the range of each task's returns over the seeds, beside the random policy and the expert."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tasks = list(dict.fromkeys(row.task for row in rows))
    figure, axes = plt.subplots(len(tasks), 1, figsize=(7, 2.6 * len(tasks)), squeeze=False)
    colours = {"bc": "#d55e00", "dagger": "#0072b2"}
    for axis, task in zip(axes[:, 0], tasks, strict=True):
        task_rows = [row for row in rows if row.task == task]
        bars = [row for row in task_rows if row.metric == "median" or row.agent not in colours]
        names = [f"{row.agent} {row.variant}".strip() for row in bars]
        values = [row.value for row in bars]
        spans = [[row.value - row.low for row in bars], [row.high - row.value for row in bars]]
        axis.barh(names, values, xerr=spans, color=[colours.get(row.agent, "0.6") for row in bars])
        axis.invert_yaxis()
        axis.set_title(f"{task}: median return; lines from the worst to the best seed", fontsize=9)
        axis.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
