"""Schedules of trainings at equal epochs: how much early stopping helps, and whether an agent learns it.

Each seed is an episode of MultiFidelity-v0 on the table digits-cnn: 54 epochs of training, the budget of six whole
trainings. The regret is that of the incumbent, the network with the best validation accuracy so far: how far its mean
over the table's seeds, after the epochs that it was trained for, is below the table's best. `by full training's` is the
ratio of the mean regrets, with a bootstrap interval; the test is Mann-Whitney's, against full training on other draws
of the same distribution.

The agent (`ppo`) is that of configs/ppo/multi_fidelity.yaml. It learns on episodes of the same table from seed 100 on
and is measured on seeds 0 to 99 like all others; its options were chosen on the networks with one layer alone.

    python -m benchmarks.multi_fidelity [--quick] [--seeds 100]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import Row, parser, progress, save
from benchmarks.search import mean
from lhy_rl.envs.search.multi_fidelity import MultiFidelity
from lhy_rl.envs.search.multi_fidelity_policies import POLICIES, SchedulePolicy
from lhy_rl.experiment import build, config

TASK, FULL, AGENT = "digits-cnn", "full_training", "ppo"
POINTS = (18, 36, 54)  # epochs at which the regret is reported
TRAINING_SEED = 100
Act = Callable[[Mapping[str, np.ndarray]], int]


def trained_agent(steps: int | None) -> tuple[Act, int]:
    """Train PPO for the configuration's steps or for ``steps``; return its greedy policy and the number of steps."""
    chosen = config.load("ppo/multi_fidelity", {"seed": TRAINING_SEED})
    agent = build.make_agent(chosen, build.make_environment(chosen))
    agent.learn(steps or chosen.values["total_timesteps"])

    def act(observation: Mapping[str, np.ndarray]) -> int:
        action, _ = agent.predict(observation, deterministic=True)
        return int(action)

    return act, agent.num_timesteps


def regrets(env: MultiFidelity, act: Act, seed: int) -> np.ndarray:
    """Return (budget,) the incumbent's regret after each epoch of an episode; before the first score, the worst one."""
    observation, _ = env.reset(seed=seed)
    tokens, epochs = [], []
    for _ in range(env.budget):
        action = act({key: value[0] for key, value in observation.items()})
        observation, *_ = env.step(np.array([action]))
        state = env.snapshot()["state"]
        tokens.append(state["best_tokens"][0])
        epochs.append(state["best_epoch"][0])
    found = env.table.regret(np.array(tokens), np.array(epochs) - 1)
    return np.where(np.array(epochs) == 0, env.table.optimum - np.nanmin(env.table.mean), found)


@dataclass(frozen=True)
class Measured:
    """One policy's episodes.

    Attributes:
        regrets: (S, budget) regrets of its incumbents.
        seconds: CPU-seconds of an episode, or of an agent's training and all its episodes.
        steps: Number of steps that an agent learned from.
    """

    regrets: np.ndarray
    seconds: float
    steps: int | None = None


def measured(seeds: int, steps: int | None) -> dict[str, Measured]:
    """Return the episodes of each policy, by its name."""
    env = MultiFidelity(autoreset_mode="Disabled")
    found = {}
    names = [*POLICIES, AGENT]
    with progress(len(names) * seeds, "multi_fidelity") as advance:
        for name in names:
            begun, learned = time.process_time(), None
            if name == AGENT:
                act, learned = trained_agent(steps)
            else:
                act = SchedulePolicy(name, env.num_epochs, env.budget).act
            curves = []
            for seed in range(seeds):
                curves.append(regrets(env, act, seed))
                advance(name)
            seconds = (time.process_time() - begun) / (1 if name == AGENT else seeds)
            found[name] = Measured(np.array(curves), seconds, learned)
    return found


def rows_of(found: Mapping[str, Measured]) -> list[Row]:
    """Return the rows of the results."""
    from scipy.stats import mannwhitneyu

    rows, drawn = [], np.random.default_rng(0)
    for name, policy in found.items():
        seeds = len(policy.regrets)
        for point in POINTS:
            values, variant = policy.regrets[:, point - 1], f"{point} epochs"
            rows.append(Row(TASK, name, variant, "regret", *mean(values), seeds, policy.steps, policy.seconds))
            if name == FULL:
                continue
            theirs = found[FULL].regrets[:, point - 1]
            picks = drawn.integers(seeds, size=(2, 2000, seeds))
            ratios = values[picks[0]].mean(1) / theirs[picks[1]].mean(1)
            low, high = (float(bound) for bound in np.quantile(ratios, (0.025, 0.975)))
            by = float(values.mean() / theirs.mean())
            rows.append(Row(TASK, name, variant, "by full training's", by, low, high, seeds))
            p = float(mannwhitneyu(values, theirs).pvalue)
            rows.append(Row(TASK, name, variant, "p against full training", p, p, p, seeds))
    return rows


def draw(found: Mapping[str, Measured], path: Path) -> None:
    """Plot the mean regret over the epochs."""
    import matplotlib
    from matplotlib.figure import Figure

    from lhy_rl.reporting.plots import COLOURS, DPI, GREY, STYLE

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.4))
        axes = figure.subplots()
        for (name, policy), colour in zip(found.items(), [GREY, *COLOURS], strict=False):
            curve = policy.regrets.mean(0)
            axes.plot(
                np.arange(1, len(curve) + 1), curve, color=colour, label=name, linewidth=3.2 if name == AGENT else 1.4
            )
        axes.set(xlabel="epochs of training", ylabel="regret of the incumbent, mean", yscale="log")
        axes.legend(fontsize=8)
        figure.savefig(path, dpi=DPI)


def main() -> None:
    """Measure and save."""
    torch.set_num_threads(1)
    options = parser(__doc__, seeds=100).parse_args()
    seeds, steps = (4, 6_000) if options.quick else (options.seeds, None)
    found = measured(seeds, steps)
    rows = rows_of(found)
    save("multi_fidelity", rows, options.output)
    draw(found, options.output / "multi_fidelity.png")
    for row in rows:
        if row.variant == f"{POINTS[-1]} epochs":
            print(f"{row.agent:20} {row.metric:24} {row.value:8.4f} [{row.low:.4f}, {row.high:.4f}]")


if __name__ == "__main__":
    main()
