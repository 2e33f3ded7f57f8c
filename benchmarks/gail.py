"""GAIL and AIRL beside their controls: random demonstrations, a weak expert, and rewards of one sign.

FixedHorizon's CartPole always lasts 500 steps, so that surviving is not rewarded by itself. On CartPole-v1 random
demonstrations teach as well as an expert's where the reward is never negative: the row is a warning. CartPole-v1 ends
when things go badly, Acrobot and MountainCar end when they go well; both have the same options (`logit`, absorbing
states), and are compared with rewards of one sign without absorbing states. On Acrobot and MountainCar the
demonstrations are every 5th step of one trajectory, as in Ho and Ermon (2016). The weak expert pushes against the
pole's angular velocity and ignores its angle; the aim is to match its return, not to exceed it. DriveCorridor is
observed in pixels. Further rows measure the effect of staggered instances, the weak penalty, the decaying learning rate
and gamma in the settings of CartPole.

The value is the return of the deterministic policy in 50 episodes after training; `drawn` is the return of the policy
that samples its actions, as in training. The returns of the random policy and of the expert are given as well.

    python -m benchmarks.gail [--quick] [--jobs 2] [--only 'CartPole*']
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv

import lhy_rl  # noqa: F401  (registers)
from benchmarks import harness
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.experiment import build
from lhy_rl.experiment.config import Config, load
from lhy_rl.experiment.demonstrations import resolve_demonstrations
from lhy_rl.rollouts.demonstrators import trained_policy
from lhy_rl.rollouts.record_episodes import Act, random_policy, record

FIXED, DRIVE = "CartPole, fixed horizon", "DriveCorridor, pixels"
EPISODES, TEST_SEED = 50, 20_170_101
LIVING = {"agent.absorbing": False, "agent.reward": "gail"}
DYING = {"agent.absorbing": False, "agent.reward": "log_d"}
CONSTANT = {"agent.learning_rate_schedule": "constant"}
CARTPOLE = {"env": {"id": "CartPole-v1"}}
TEN, ONE = {"agent.trajectories": 10}, {"agent.trajectories": 1}
RANDOM = TEN | {"agent.demonstrations": "random"}


@dataclass(frozen=True)
class Part:
    """One row: an agent, its settings and its demonstrations.

    Attributes:
        name: Name of the configuration.
        kind: ``gail`` or ``airl``.
        reference: The target, or a result of another library.
        weak: Whether the demonstrations are the weak expert's, instead of the configuration's.
        in_step: Whether all instances begin and end together.
    """

    task: str
    variant: str
    name: str
    overrides: dict[str, Any] = field(default_factory=dict)
    kind: str = "gail"
    reference: str = ""
    weak: bool = False
    in_step: bool = False

    def resolved(self, seed: int, quick: bool) -> Config:
        """Return the configuration of a seed."""
        steps = {"total_timesteps": 2_000} if quick else {}
        return load(self.name, self.overrides | steps | {"agent.name": self.kind, "seed": seed})


PARTS = (
    Part(FIXED, "10 trajectories", "gail/cartpole", TEN, reference="wanted: 475"),
    Part(FIXED, "1 trajectory", "gail/cartpole", ONE, reference="wanted: 475 on 4 of 5 seeds"),
    Part(FIXED, "random, 10", "gail/cartpole", RANDOM, reference="wanted: below 1.5 times random"),
    Part(FIXED, "weak expert, 10", "gail/cartpole", TEN, reference="wanted: within 20% of its return", weak=True),
    Part(FIXED, "10 trajectories, in step", "gail/cartpole", TEN, in_step=True),
    Part(FIXED, "10 trajectories, penalty 1", "gail/cartpole", TEN | {"agent.gradient_penalty": 1.0}),
    Part(FIXED, "10 trajectories, constant rate", "gail/cartpole", TEN | CONSTANT),
    Part(FIXED, "weak expert, 10, constant rate", "gail/cartpole", TEN | CONSTANT, weak=True),
    Part(FIXED, "weak expert, 10, gamma 0.95", "gail/cartpole", TEN | {"agent.gamma": 0.95}, weak=True),
    Part(FIXED, "random, 10, gamma 0.95", "gail/cartpole", RANDOM | {"agent.gamma": 0.95}),
    Part(FIXED, "1 trajectory", "gail/cartpole", ONE, kind="airl"),
    Part(FIXED, "random, 10", "gail/cartpole", RANDOM, kind="airl"),
    Part("CartPole-v1", "1 trajectory", "gail/cartpole", CARTPOLE | ONE),
    Part("CartPole-v1", "never positive", "gail/cartpole", CARTPOLE | ONE | DYING),
    Part("CartPole-v1", "never negative, random, 10", "gail/cartpole", CARTPOLE | RANDOM | LIVING),
    Part("CartPole-v1", "random, 10", "gail/cartpole", CARTPOLE | RANDOM),
    Part("Acrobot-v1", "1 trajectory", "gail/acrobot", reference="wanted: within 15%; Ho and Ermon: -77.3 of -75.3"),
    Part("Acrobot-v1", "random, 10", "gail/acrobot", RANDOM),
    Part("MountainCar-v0", "1 trajectory", "gail/mountaincar", reference="wanted: within 15%; Ho and Ermon: -101.6"),
    Part("MountainCar-v0", "never negative", "gail/mountaincar", LIVING),
    Part("MountainCar-v0", "random, 10", "gail/mountaincar", RANDOM),
    Part(DRIVE, "10 trajectories", "gail/drive", TEN),
    Part(DRIVE, "random, 10", "gail/drive", RANDOM),
    Part("Pendulum-v1", "10 trajectories", "gail/pendulum", TEN),
    Part("Pendulum-v1", "random, 10", "gail/pendulum", RANDOM),
)


def weak(obs: Any, state: Any, start: np.ndarray, action_mask: np.ndarray | None) -> tuple[Any, Any]:
    """Push against the pole's angular velocity and ignore its angle, which balances it for about 200 steps."""
    return (obs[:, 3] > 0).astype(np.int64), None


def demonstrations_of(part: Part, config: Config, env: VectorEnv[Any, Any, Any]) -> Demonstrations:
    """Return the demonstrations of this seed."""
    if part.weak:
        return record(build.make_environment(config, 10), weak, 10, seed=1_000)
    found = resolve_demonstrations(config, env)
    assert found is not None
    return found


def run(job: tuple[int, int], quick: bool) -> dict[str, float]:
    """Train and evaluate a part, given by its number, with a seed."""
    torch.set_num_threads(1)
    number, seed = job
    part = PARTS[number]
    config = part.resolved(seed, quick)
    env = build.make_environment(config)
    if part.in_step:
        env.stagger = lambda: None  # type: ignore[attr-defined]
    given = demonstrations_of(part, config, env)
    log: list[dict[str, float]] = []
    begun = time.process_time()
    agent = build.make_agent(config, env, given)
    agent.learn(config.values["total_timesteps"], callback=lambda agent, metrics: log.append(dict(metrics)))
    seconds = time.process_time() - begun
    best, drawn = (
        mean_return(trained_policy(agent, d, masks=False), config, 4 if quick else EPISODES) for d in (True, False)
    )
    accuracy, learned_from = log[-1]["train/discriminator_accuracy"], float(given.returns.mean())
    steps = float(agent.num_timesteps)
    return {
        "return": best, "drawn": drawn, "demonstrated": learned_from, "accuracy": accuracy,
        "cpu": seconds, "steps": steps,
    }  # fmt: skip


def mean_return(act: Act, config: Config, episodes: int) -> float:
    env = build.make_environment(config, min(episodes, 10))
    return float(record(env, act, episodes, seed=TEST_SEED).returns.mean())


def reference_rows(part: Part, episodes: int) -> list[harness.Row]:
    """Return rows of the returns of a random policy and of the imitated expert."""
    config = load(part.name, part.overrides | TEN)
    env = build.make_environment(config, 10)
    random_return = mean_return(random_policy(env.single_action_space, 1), config, episodes)
    best = float(demonstrations_of(part, config, env).returns.mean())
    return [
        harness.summarize(part.task, who, "", "mean return", [value])
        for who, value in (("random", random_return), ("expert", best))
    ]


def rows(part: Part, cells: list[dict[str, float]]) -> list[harness.Row]:
    steps, cost = round(max(cell["steps"] for cell in cells)), float(np.mean([cell["cpu"] for cell in cells]))
    named = functools.partial(harness.summarize, part.task, part.kind, part.variant)
    returns = sorted(cell["return"] for cell in cells)
    table = [
        named("mean return", returns, steps, cost, part.reference),
        named("least return", returns[:1], steps, cost),
        named("least but one", returns[:2][-1:], steps, cost),
        named("drawn", [cell["drawn"] for cell in cells], steps, cost),
        named("discriminator accuracy", [cell["accuracy"] for cell in cells], steps, cost),
    ]
    if part.weak or "random" in part.variant:
        table.append(named("demonstrations' return", [cell["demonstrated"] for cell in cells]))
    return table


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="number of processes (1)")
    parser.add_argument(
        "--only", default="*", metavar="PATTERN", help="'TASK, VARIANT' to run; the stored rows of others are kept"
    )
    common = parser.parse_args()
    names = [f"{part.task}, {part.variant}" for part in PARTS]
    wanted = harness.chosen("gail", dict.fromkeys(names), common.only)
    chosen = [0, 2] if common.quick else [number for number, name in enumerate(names) if name in wanted]
    seeds = 1 if common.quick else common.seeds
    found: dict[int, dict[int, dict[str, float]]] = {number: {} for number in chosen}
    named = {(PARTS[number].task, PARTS[number].kind, PARTS[number].variant) for number in chosen}
    named |= {(PARTS[number].task, who, "") for number in chosen for who in ("random", "expert")}
    before = [] if len(chosen) == len(PARTS) or common.quick else harness.load("gail", common.output)
    others = places().keys() - named
    table = [row for row in before if key(row) in others]
    for task in dict.fromkeys(PARTS[number].task for number in chosen):
        table += reference_rows(next(part for part in PARTS if part.task == task), 4 if common.quick else EPISODES)
    jobs = [(number, seed) for number in chosen for seed in range(seeds)]
    with harness.progress(len(jobs), "gail") as advance:
        results = harness.run_jobs(functools.partial(run, quick=common.quick), jobs, common.jobs)
        for (number, seed), result in zip(jobs, results, strict=True):
            found[number][seed] = result
            part = PARTS[number]
            advance(f"{part.task}, {part.kind} {part.variant}: {found[number][seed]['return']:.4g}")
            if len(found[number]) == seeds:  # finished parts are kept
                table += rows(part, [found[number][seed] for seed in range(seeds)])
                harness.save("gail", in_order(table), common.output)
    picture(in_order(table), common.output / "gail.png")


def key(row: harness.Row) -> tuple[str, str, str]:
    return row.task, row.agent, row.variant


def places() -> dict[tuple[str, str, str], tuple[int, int]]:
    """Return the sort key of each part's rows: by task, the references first, then in the order of the parts."""
    tasks = list(dict.fromkeys(part.task for part in PARTS))
    found = {(task, who, ""): (tasks.index(task), -1) for task in tasks for who in ("random", "expert")}
    return found | {(p.task, p.kind, p.variant): (tasks.index(p.task), k) for k, p in enumerate(PARTS)}


def in_order(table: list[harness.Row]) -> list[harness.Row]:
    order = places()
    return sorted(table, key=lambda row: order[key(row)])


def picture(table: list[harness.Row], path: Path) -> None:
    """Plot the returns of each task, with lines for the random policy and the expert."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return_rows = [row for row in table if row.metric == "mean return"]
    tasks = list(dict.fromkeys(row.task for row in return_rows))
    across = min(3, len(tasks))
    down = -(-len(tasks) // across)
    figure, axes = plt.subplots(down, across, figsize=(4.8 * across, 3 * down), squeeze=False)
    for axis in axes.flat[len(tasks) :]:
        axis.axis("off")
    for axis, task in zip(axes.flat, tasks, strict=False):
        task_rows = [row for row in return_rows if row.task == task and row.agent not in ("random", "expert")]
        names = [f"{row.agent}: {row.variant}" for row in task_rows]
        colours = ["0.7" if "random" in name else "tab:orange" if "never" in name else "tab:blue" for name in names]
        values = [row.value for row in task_rows]
        spans = np.array([[max(row.value - row.low, 0), max(row.high - row.value, 0)] for row in task_rows]).T
        axis.errorbar(values, names, xerr=spans, fmt="none", ecolor="0.4", zorder=1)
        axis.scatter(values, names, color=colours, zorder=2)
        for row in return_rows:
            if row.task == task and row.agent in ("random", "expert"):
                axis.axvline(
                    row.value, color="0.5", lw=1, ls={"random": ":", "expert": "--"}[row.agent], label=row.agent
                )
        axis.invert_yaxis()
        axis.set_title(task, fontsize=9, loc="left")
        axis.tick_params(labelsize=8)
    axes.flat[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
