"""Self-play in the negotiation: what two bots that learn from each other reach, how soon, and against which opponents.

Each configuration of configs/selfplay learns on the training contexts, with the present policy as its opponent and with
a pool of its earlier selves, and then plays deterministically on contexts that no training has seen: with itself, and
with scripted bots. Before the first update it plays with sampled moves. ``joint level`` is 14.2 points together, 99 %
agreements and 80 % Pareto-optimal deals, measured every five updates; the evaluations are not counted in the seconds.

    python -m benchmarks.selfplay [--quick] [--seeds 3] [--only joint selfish]
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from lhy_rl.experiment import build, config, game_evaluation

TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "joint": ("selfplay/negotiation", {}),
    "selfish": ("selfplay/negotiation_selfish", {}),
    "words": ("selfplay/negotiation_tokens", {}),
    "joint, pool": ("selfplay/negotiation", {"agent.opponents": "pool"}),
    "selfish, pool": ("selfplay/negotiation_selfish", {"agent.opponents": "pool"}),
}
LEVEL = {"joint": 14.2, "agreement": 0.99, "pareto": 0.8}
NAMES = {
    "joint": "joint points",
    "agreement": "agreements",
    "pareto": "Pareto-optimal deals",
    "own": "own points",
    "partner": "partner's points",
    "first": "first mover's points",
    "other": "the other's points",
    "mean_episode_length": "moves",
}
WANTED = {
    ("joint", "untrained", "joint"): "wanted: at most 4.0",
    ("joint", "self-play", "joint"): "wanted: 14.2",
    ("joint", "self-play", "agreement"): "wanted: 0.99",
    ("joint", "self-play", "pareto"): "wanted: 0.80",
    ("selfish", "self-play", "joint"): "wanted: 11.5 to 13.5",
}


@dataclass
class Trained:
    """The results of one seed of a task.

    Attributes:
        table: Opponent to metric to value.
        curve: (CPU-seconds, joint points) during the training.
        level: CPU-seconds, seconds and games to the joint level; None if it was not reached.
    """

    table: dict[str, dict[str, float]]
    curve: list[tuple[float, float]] = field(default_factory=list)
    level: tuple[float, float, float] | None = None
    steps: int = 0
    cpu_seconds: float = 0.0


def points(row: dict[str, float], selfish: bool) -> dict[str, float]:
    """Return a row of an evaluation, with the points of the first and the second player."""
    found = {key: row[key] for key in NAMES if key in row}
    if selfish:
        found |= {"first": 10 * row["first_mover_return"], "other": 10 * row["other_return"]}
    return found


def train(task: str, seed: int, quick: bool) -> Trained:
    """Train and evaluate with one seed."""
    name, changed = TASKS[task]
    options = {**changed, "seed": seed, "device": "cpu", "threads": 1}
    if quick:
        options |= {"total_timesteps": 30_000 if task != "words" else 3_000, "agent.n_games": 256}
        options |= {"agent.imitation_updates": 3} if task == "words" else {}
    chosen = config.load(name, options)
    agent = build.make_agent(chosen, build.make_environment(chosen))
    selfish, games = "selfish" in task, 200 if quick else 10_000
    found = Trained({"untrained": points(agent.evaluate(min(games, 2000), deterministic=False), selfish)})
    begun, played = [time.process_time(), time.perf_counter()], 0

    def look(agent: Any, metrics: dict[str, float]) -> bool:
        nonlocal played
        played += agent.n_games if "game/joint" in metrics else 0
        if agent.num_updates % 5 or agent.phase != "training":
            return True
        now = time.process_time(), time.perf_counter()
        row = agent.evaluate(200 if quick else 1000)
        spent = now[0] - begun[0], now[1] - begun[1]
        found.curve.append((spent[0], row["joint"]))
        if found.level is None and all(row[key] >= least for key, least in LEVEL.items()):
            found.level = (*spent, float(played))
        begun[0] += time.process_time() - now[0]
        begun[1] += time.perf_counter() - now[1]
        return True

    agent.learn(chosen.values["total_timesteps"], callback=look)
    found.steps, found.cpu_seconds = agent.num_timesteps, time.process_time() - begun[0]
    table, _ = game_evaluation.compare(agent, games, 0)
    found.table |= {name: points(row, selfish) for name, row in table.items()}
    return found


def rows_of(task: str, seeds: list[Trained]) -> list[harness.Row]:
    """Return the rows of a task."""
    steps, seconds = seeds[0].steps, round(float(np.mean([one.cpu_seconds for one in seeds])), 1)
    found = []
    for who in seeds[0].table:
        for key in seeds[0].table[who]:
            values = [one.table[who][key] for one in seeds]
            wanted = WANTED.get((task, who, key), "")
            found.append(harness.summarize(task, who, "held-out contexts", NAMES[key], values, steps, seconds, wanted))
    levels = [one.level for one in seeds]
    if all(level is not None for level in levels):
        names = ("CPU-seconds to the joint level", "seconds to the joint level", "games to the joint level")
        for k, metric in enumerate(names):
            values = [level[k] for level in levels if level is not None]
            wanted = "prototype: 150 s, 202,000 games" if not k and task == "joint" else ""
            found.append(harness.summarize(task, "self-play", "held-out contexts", metric, values, reference=wanted))
    return found


def main() -> None:
    """Measure, save, draw."""
    made = harness.parser(__doc__, seeds=3)
    made.add_argument(
        "--only", nargs="+", choices=TASKS, metavar="TASK", help="tasks to run; the stored rows of others are kept"
    )
    common = made.parse_args()
    torch.set_num_threads(1)
    tasks = common.only or (["joint"] if common.quick else list(TASKS))
    seeds = 1 if common.quick else common.seeds
    rows = [row for row in harness.load("selfplay", common.output) if row.task not in tasks]
    curves: dict[str, list[Trained]] = {}
    with harness.progress(len(tasks) * seeds, "self-play") as advance:
        for task in tasks:
            curves[task] = []
            for seed in range(seeds):
                curves[task].append(train(task, seed, common.quick))
                advance(task)
            rows += rows_of(task, curves[task])
            harness.save("selfplay", rows, common.output)  # finished rows are kept
            picture(curves, common.output / "selfplay.png")
    for row in rows:
        print(f"{row.task:14s} {row.agent:14s} {row.metric:32s} {row.value:10,.3f} [{row.low:.3f}, {row.high:.3f}]")


def picture(curves: dict[str, list[Trained]], path: Path) -> None:
    """Plot the joint points on held-out contexts during the training, over CPU-seconds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colours = dict(zip(TASKS, ("#0072b2", "#d55e00", "#009e73", "#56b4e9", "#e69f00"), strict=True))
    figure, axis = plt.subplots(figsize=(7, 3.4))
    for task, seeds in curves.items():
        for k, one in enumerate(seeds):
            if one.curve:
                axis.plot(*zip(*one.curve, strict=True), color=colours[task], linewidth=1, label="" if k else task)
    axis.axhline(15.01, color="0.5", linewidth=0.8, linestyle="--")
    axis.text(0.99, 15.05, "optimum", ha="right", fontsize=8, color="0.4", transform=axis.get_yaxis_transform())
    axis.set_ylim(8, 15.6)
    axis.set_xlabel("CPU-seconds of learning")
    axis.set_ylabel("joint points, held-out contexts")
    axis.legend(fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
