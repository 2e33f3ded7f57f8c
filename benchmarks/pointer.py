"""Pointing at the elements of a source (Vinyals et al. 2015; Bello et al. 2017): tours, and convex hulls.

Tours are learned by REINFORCE without any example: 32 instances and 8 tours of each an update, the other 7 being the
baseline; they are tested with the most probable actions on 200 fixed instances that are not in the training, and the
length is divided by that of the shortest tour, which LKH finds (elkai). Beside the pointer over a transformer stand the
pointer over an LSTM, as in the papers, and the same policy without a pointer: a dense network over all coordinates and
a softmax over the numbers of the cities, masked as well. The networks that learned on 20 cities are also tested on 50.

Hulls are cloned: the expert has named the corners of 60,000 sets of 10 points, and 1,000 others are tested. A set is
exact where its corners are named, all of them and nothing else.

The options were chosen on seeds 100 and 101: those of the tours on other instances, those of the hulls while half of
the 1,000 test sets were watched.

    python -m benchmarks.pointer [--quick] [--seeds 3] [--tasks tours,hulls]
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch

from benchmarks.harness import Row, chosen, load, parser, progress, save, summarize
from lhy_rl.agents import BC, Reinforce
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.envs.pointer.hulls import hull_order
from lhy_rl.envs.pointer.tours import nearest_neighbour, shortest_tours, tour_length
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.full_episodes import collect_episodes
from lhy_rl.rollouts.record_episodes import record

NAME, SEED, TESTS, LONGER = "pointer", 20_170_101, 200, 50
TOUR = "lhy_rl/Tour-v0"
SHARED: dict[str, Any] = {
    "episodes_per_start": 8,
    "core": None,
    "hidden_size": 64,
    "embedding_size": 64,
    "num_layers": 3,
    "critic": "none",
    "learning_rate": 0.002,
    "learning_rate_schedule": "linear",
    "max_grad_norm": 1.0,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "pointer": {"head": "pointer", "source_encoder": "transformer"},
    "pointer, LSTM": {"head": "pointer", "source_encoder": "lstm", "num_layers": 1},
    "no pointer": {"source_encoder": None, "hidden_sizes": [256, 256], "num_layers": 1},
}
ARMS = [(10, "pointer"), (10, "pointer, LSTM"), (10, "no pointer"), (20, "pointer")]
UPDATES, INSTANCES = {10: 850, 20: 900}, 32
WANTED = {(10, "pointer"): "wanted: at most 1.02", (20, "pointer"): "wanted: at most 1.05"}
HULL, POINTS, DEMONSTRATED = "lhy_rl/ConvexHull-v0", 10, 2_000_000
HULLS, HULL_STEPS, HULL_TESTS = 60_000, 2800, 1000
HULL_SHARED: dict[str, Any] = {
    "core": None,
    "hidden_size": 64,
    "embedding_size": 64,
    "num_layers": 3,
    "batch_size": 448,
    "learning_rate": 0.002,
    "held_out": 0.0,
    "max_grad_norm": 1.0,
}
HULL_VARIANTS = {name: VARIANTS[name] for name in ("pointer", "no pointer")}
COLOURS = {"pointer": "#0072b2", "pointer, LSTM": "#e69f00", "no pointer": "#7f7f7f"}


class Instances(NamedTuple):
    """Cities (N, n, 2) and the lengths (N,) of their shortest tours."""

    cities: np.ndarray
    shortest: np.ndarray


class Learned(NamedTuple):
    """A run: the curve of CPU-seconds and ratios to the shortest tours, the final ratios, and some tours."""

    curve: list[tuple[float, float]]
    ratio: float
    longer: float | None
    tours: np.ndarray


def environment(cities: int, count: int) -> Any:
    """Make an environment of ``count`` tours."""
    return gymnasium.make_vec(TOUR, num_envs=count, num_cities=cities, reward_at="end")


def fixed(cities: int, count: int) -> Instances:
    """Return the test instances."""
    obs, _ = environment(cities, count).reset(seed=SEED)
    return Instances(obs["source"], tour_length(obs["source"], shortest_tours(obs["source"])))


def tested(policy: ActorCritic, test: Instances) -> tuple[float, np.ndarray]:
    """Return the mean ratio of the greedy tours to the shortest ones, and the tours."""
    env = environment(test.cities.shape[1], len(test.cities))
    actions = collect_episodes(env, policy.eval(), SEED, deterministic=True).actions.T.numpy()
    return float((tour_length(test.cities, actions) / test.shortest).mean()), actions


def learned(cities: int, variant: str, seed: int, updates: int, test: Instances, longer: Instances | None) -> Learned:
    """Train one agent; the time of its tests is not counted."""
    made = {**SHARED, **VARIANTS[variant], "seed": seed, "device": "cpu"}
    agent = Reinforce(environment(cities, INSTANCES * SHARED["episodes_per_start"]), **made)
    curve: list[tuple[float, float]] = []
    clock, paused = time.process_time(), 0.0

    def look(agent: Reinforce, metrics: Any) -> None:
        nonlocal paused
        if agent.num_updates % max(1, updates // 12) == 0:
            begun = time.process_time()
            curve.append((begun - clock - paused, tested(agent.policy, test)[0]))
            paused += time.process_time() - begun

    agent.learn(updates * agent.env.num_envs * cities, callback=look)
    seconds = time.process_time() - clock - paused
    ratio, tours = tested(agent.policy, test)
    curve.append((seconds, ratio))
    beyond = None
    if longer is not None:
        env = environment(longer.cities.shape[1], 1)
        policy = Reinforce(env, **{**made, "episodes_per_start": 1}).policy
        policy.load_state_dict(agent.policy.state_dict())
        beyond, _ = tested(policy, longer)
    return Learned(curve, ratio, beyond, tours)


def marks(task: str, test: Instances) -> list[Row]:
    """Return the rows of methods without learning."""
    count, cities = test.cities.shape[:2]
    tours = {
        "nearest neighbour": nearest_neighbour(test.cities),
        "random": np.tile(np.arange(cities), (count, 1)),  # the cities are drawn independently
    }
    ratios = {name: float((tour_length(test.cities, order) / test.shortest).mean()) for name, order in tours.items()}
    return [Row(task, name, "", "length / shortest", x, x, x, 1) for name, x in ratios.items()]


def tours(seeds: int, quick: bool, folder: Path) -> list[Row]:
    """Train and test on the tours, and plot them; return the rows."""
    count = 20 if quick else TESTS
    arms, updates = ([(5, "pointer")], {5: 30}) if quick else (ARMS, UPDATES)
    sizes = sorted({cities for cities, _ in arms})
    tests = {cities: fixed(cities, count) for cities in sizes}
    longer = None if quick else fixed(LONGER, count)
    rows = [row for cities in sizes for row in marks(f"tour of {cities}", tests[cities])]
    rows += [] if longer is None else marks(f"tour of {LONGER}, trained on 20", longer)
    curves: dict[tuple[int, str], list[Learned]] = {}
    with progress(len(arms) * seeds, NAME) as advance:
        for cities, variant in arms:
            task, beyond = f"tour of {cities}", longer if cities == 20 else None
            runs = [learned(cities, variant, seed, updates[cities], tests[cities], beyond) for seed in range(seeds)]
            curves[cities, variant] = runs
            for seed, run in enumerate(runs):
                advance(f"{task}, {variant}")
                more = "" if run.longer is None else f", on {LONGER}: {run.longer:.3f}"
                print(f"{task}, {variant}, seed {seed}: {run.ratio:.4f} in {run.curve[-1][0]:.0f} s{more}", flush=True)
            steps = updates[cities] * cities * INSTANCES * SHARED["episodes_per_start"]
            seconds = float(np.mean([run.curve[-1][0] for run in runs]))
            ratios, wanted = [run.ratio for run in runs], WANTED.get((cities, variant), "")
            rows.append(summarize(task, "reinforce", variant, "length / shortest", ratios, steps, seconds, wanted))
            if (far := [run.longer for run in runs if run.longer is not None]) and beyond is not None:
                name = f"tour of {LONGER}, trained on 20"
                rows.append(summarize(name, "reinforce", variant, "length / shortest", far, steps, seconds))
    draw(curves, tests, rows, folder)
    return rows


def draw(
    curves: dict[tuple[int, str], list[Learned]], tests: dict[int, Instances], rows: list[Row], folder: Path
) -> None:
    """Plot the ratios against CPU-seconds, and a tour beside the shortest one."""
    import matplotlib.pyplot as plt

    sizes = list(tests)
    figure, axes = plt.subplots(1, len(sizes) + 1, figsize=(4 * len(sizes) + 4, 3.6))
    for ax, cities in zip(axes, sizes, strict=False):
        for (size, variant), runs in curves.items():
            for i, run in enumerate(runs if size == cities else []):
                label = variant if i == 0 else None
                ax.plot(*zip(*run.curve, strict=True), color=COLOURS[variant], label=label, linewidth=1.4)
        near = next(row.value for row in rows if row.task == f"tour of {cities}" and row.agent == "nearest neighbour")
        ax.axhline(near, color="black", linestyle=":", linewidth=1, label="nearest neighbour")
        ax.set(title=f"{cities} cities", xlabel="CPU-seconds", ylabel="length / shortest", yscale="log")
        ax.set_yticks([1, 1.02, 1.05, 1.1, 1.2, 1.5, 2], ["1", "1.02", "1.05", "1.1", "1.2", "1.5", "2"])
        ax.minorticks_off()
        ax.legend(fontsize=8)
    cities, ax = sizes[-1], axes[-1]
    places = tests[cities].cities[0]
    for order, style in ((shortest_tours(places[None])[0], "k:"), (curves[cities, "pointer"][0].tours[0], "C0-")):
        line = places[np.append(order, order[0])]
        ax.plot(line[:, 0], line[:, 1], style, linewidth=1.5)
    ax.plot(places[:, 0], places[:, 1], "o", color="0.3", markersize=4)
    ax.set(title="learned, and shortest (dotted)", aspect="equal", xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(folder / f"{NAME}.png", dpi=100)
    plt.close(figure)


def demonstrated(episodes: int) -> Demonstrations:
    """Record the environment's expert on hulls."""
    env: Any = gymnasium.make_vec(HULL, num_envs=64, num_points=POINTS, autoreset_mode="SameStep")
    return record(env, lambda *_: (env.unwrapped.expert_action(), None), episodes, seed=DEMONSTRATED)


def exact_sets(policy: ActorCritic, count: int) -> tuple[float, float]:
    """Return the share of test instances whose corners, and nothing else, are named, and the mean return."""
    env: Any = gymnasium.make_vec(HULL, num_envs=count, num_points=POINTS)
    episodes = collect_episodes(env, policy.eval(), SEED, deterministic=True)
    right = [
        {*order.tolist()} == {*named[:-1].tolist()} and len(order) == len(named) - 1
        for order, named in zip(
            hull_order(episodes.obs["source"][0].numpy()),
            (named[:length].numpy() for named, length in zip(episodes.actions.T, episodes.lengths, strict=True)),
            strict=True,
        )
    ]
    return float(np.mean(right)), float(episodes.rewards.sum(0).mean())


def hulls(seeds: int, quick: bool, folder: Path) -> list[Row]:
    """Train and test on the hulls; return the rows."""
    episodes, steps, count = (300, 20, 50) if quick else (HULLS, HULL_STEPS, HULL_TESTS)
    task, rows = f"hull of {POINTS}", []
    known = demonstrated(episodes)
    env: Any = gymnasium.make_vec(HULL, num_envs=1, num_points=POINTS)
    for variant in list(HULL_VARIANTS)[: 1 if quick else None]:
        found, begun = [], time.process_time()
        for seed in range(seeds):
            options = {**HULL_SHARED, **HULL_VARIANTS[variant], "gradient_steps": min(steps, 100)}
            agent = BC(env, demonstrations=known, **options, seed=seed, device="cpu")
            agent.learn(steps * HULL_SHARED["batch_size"])
            found.append(exact_sets(agent.policy, count))
            print(f"{task}, {variant}, seed {seed}: exact {found[-1][0]:.3f}, return {found[-1][1]:.3f}", flush=True)
        seconds = (time.process_time() - begun) / seeds
        wanted = "wanted: 0.9" if variant == "pointer" else ""
        for metric, values in zip(("exact sets", "return"), zip(*found, strict=True), strict=True):
            reference = wanted if metric == "exact sets" else ""
            rows.append(summarize(task, "bc", variant, metric, values, steps, seconds, reference))
    return rows


TASKS = {"tours": tours, "hulls": hulls}


def main() -> None:
    """Measure, save, draw."""
    command = parser(__doc__, seeds=3)
    command.add_argument("--tasks", default=",".join(TASKS), metavar="NAMES")
    args = command.parse_args()
    torch.set_num_threads(1)
    seeds = 1 if args.quick else args.seeds
    rows = load(NAME, args.output)
    for name in chosen(NAME, TASKS, args.tasks, ","):
        new = TASKS[name](seeds, args.quick, args.output)
        rows = [row for row in rows if row.task not in {one.task for one in new}] + new
        save(NAME, rows, args.output)
    show(rows)


def show(rows: Sequence[Row]) -> None:
    """Print the rows."""
    for row in rows:
        print(f"{row.task:28s} {row.agent:18s} {row.variant:16s} {row.value:.4f} [{row.low:.4f}, {row.high:.4f}]")


if __name__ == "__main__":
    main()
