"""The learning rate set by PPO, epoch by epoch, beside the best rates and schedules that were tuned by hand.

PPO (configs/ppo/lr_schedule) learns on LRSchedule's training instances, five seeds. The best static rate, the best
cosine and the best step decay are chosen by their mean validation loss on 128 training instances; "random" draws every
learning rate among the actions. All are compared on the same 256 held-out instances, with the same shuffles. The row
"mean schedule of ppo" is PPO without its observations: the geometric mean of its learning rates over these 128
instances, epoch by epoch, is applied to all.

Losses are mean negative log-likelihoods in nats. A row of PPO has its seeds' interquartile mean and interval; one of
another schedule the mean over the instances and its bootstrap interval. Ratios are of the mean losses on the same
instances; their interval resamples the instances, and the seeds of PPO.

The options of PPO were chosen on training instances with seeds 100 and 101 (four settings, two seeds each).

    python -m benchmarks.lr_schedule [--quick] [--seeds 5]
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Row, load, parser, progress, save, summarize
from lhy_rl.core.trees import put, take
from lhy_rl.envs.search.lr_schedule import RATES, LRSchedule
from lhy_rl.experiment import build, config

CONFIGURATION, TASK = "ppo/lr_schedule", "LRSchedule"
TUNE_SEED, TEST_SEED = 1, 2017  # seeds of the instances
DECISIONS = 10
STATIC = np.geomspace(0.1, 1.0, 13)
FIRST = np.geomspace(0.4, 1.6, 8)
DROPS = [(epoch, factor) for epoch in (6, 7, 8) for factor in (0.1, 0.2, 0.3)]
PPO_NAME, MEAN_NAME, STATIC_NAME, COSINE, STEP, RANDOM = (
    "ppo", "mean schedule of ppo", "static", "cosine", "step decay", "random",
)  # fmt: skip
METRICS = ("validation NLL", "test NLL", "validation accuracy", "test accuracy")
WANTED = {STATIC_NAME: "wanted: 0.95"}
SPEED_REFERENCE = "DACBench 0.5.6: 2,000 steps/s in ToySGD, which trains no network"
Rule = Callable[[LRSchedule, dict[str, np.ndarray], int], np.ndarray]
"""A function of (environment, state, decision) that returns learning rates (B,)."""


@dataclass
class Trainings:
    """The results of a schedule on each instance.

    Attributes:
        scores: Metric to (B,) values.
        noise: (B,) shares of wrong labels.
        rates: (T, B) learning rates.
        losses: (T + 1, B) validation losses.
    """

    scores: dict[str, np.ndarray]
    noise: np.ndarray
    rates: np.ndarray
    losses: np.ndarray


def follow(env: LRSchedule, rule: Rule, seed: int) -> Trainings:
    """Train the instances of a seed with a rule; a diverged training keeps its last loss."""
    env.reset(seed=seed)
    state = env.snapshot()["state"]
    rng, rates = np.random.default_rng(seed), np.zeros((env.decisions, env.num_envs))
    for decision in range(env.decisions):
        rates[decision] = rule(env, state, decision)
        live = np.flatnonzero(~state["diverged"])
        state = put(state, live, env.trained(take(state, live), rates[decision, live], rng))
    final = env.final_info(state)
    scores = {metric: final[metric.replace(" ", "_").lower()] for metric in METRICS}
    ended = np.arange(env.decisions + 1) > state["decision"][:, None]  # (B, T + 1)
    losses = np.where(ended, scores[METRICS[0]][:, None], state["nll"])
    return Trainings(scores, state["noise"], rates, losses.T)


def fixed(rates: np.ndarray) -> Rule:
    """Return the rule of a fixed schedule (T,)."""
    return lambda env, state, decision: np.full(env.num_envs, rates[decision])


def random_rule(seed: int) -> Rule:
    """Return a rule that draws every learning rate among the actions."""
    rng = np.random.default_rng(seed)
    return lambda env, state, decision: RATES[rng.integers(len(RATES), size=env.num_envs)]


def learned_rule(agent: Any) -> Rule:
    """Return the rule of an agent's most probable actions."""
    return lambda env, state, decision: RATES[agent.predict(env.observation(state), deterministic=True)[0]]


def candidates(quick: bool) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Return each family's schedules: a name and (T,) learning rates."""
    epochs = np.arange(DECISIONS)
    cosine = 0.5 * (1 + np.cos(np.pi * epochs / DECISIONS))
    families = {
        STATIC_NAME: [(f"{rate:.2g}", np.full(DECISIONS, rate)) for rate in STATIC],
        COSINE: [(f"from {rate:.2g}", rate * cosine) for rate in FIRST],
        STEP: [
            (f"{rate:.2g}, times {factor} from epoch {drop + 1}", rate * np.where(epochs < drop, 1.0, factor))
            for rate in FIRST
            for drop, factor in DROPS
        ],
    }
    return {name: family[4:8:3] if quick else family for name, family in families.items()}


class CountedLRSchedule(LRSchedule):
    """Counts the episodes that begin."""

    begun = 0

    def initial(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        self.begun += n
        return super().initial(n, rng)


def train(seed: int, steps: int | None) -> tuple[Any, int, float]:
    """Train PPO with its configuration; return the agent, its number of episodes and its CPU-seconds."""
    torch.set_num_threads(1)
    given = {"seed": seed, "device": "cpu"} | ({"total_timesteps": steps} if steps else {})
    chosen = config.load(CONFIGURATION, given)
    env = CountedLRSchedule(chosen.values["agent"]["num_envs"], autoreset_mode="SameStep")
    begun = time.process_time()
    agent = build.make_agent(chosen, env)
    agent.learn(chosen.values["total_timesteps"])
    return agent, env.begun - env.num_envs, time.process_time() - begun


def mean(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean over the instances and its 95% bootstrap interval."""
    drawn = values[np.random.default_rng(0).integers(len(values), size=(2000, len(values)))].mean(1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


@functools.cache
def drawn_again(seeds: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how often each seed (2000, S) and each instance (2000, B) is drawn in 2,000 bootstrap samples."""
    rng, rows, columns = np.random.default_rng(0), [], []
    for _ in range(2000):
        rows.append(np.bincount(rng.integers(seeds, size=seeds), minlength=seeds))
        columns.append(np.bincount(rng.integers(count, size=count), minlength=count))
    return np.stack(rows), np.stack(columns)


def paired_ratio(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Return the ratio of the mean losses and its 95% interval: ours (S, B), of some seeds, and theirs (B,)."""
    rows, columns = drawn_again(*ours.shape)
    ratios = ((rows @ ours) * columns).sum(1) / (columns @ theirs) / len(ours)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(ours.mean() / theirs.mean()), float(low), float(high)


def rows_of(
    played: dict[str, Trainings], names: dict[str, str], learned: list[Trainings], steps: int, seconds: float
) -> list[Row]:
    """Return the rows of the comparison."""
    rows = []
    noise = learned[0].noise
    groups = {"all": np.ones(len(noise), bool)} | {f"{level:.0%} wrong labels": noise == level for level in set(noise)}
    for group, chosen in sorted(groups.items()):
        for metric in METRICS:
            values = [float(run.scores[metric][chosen].mean()) for run in learned]
            rows.append(summarize(TASK, PPO_NAME, group, metric, values, steps, seconds))
            for name, run in played.items():
                about = names.get(name, "")
                scores = run.scores[metric][chosen]
                rows.append(Row(TASK, name, group, metric, *mean(scores), len(scores), reference=about))
        for metric in METRICS[:2]:
            ours = np.stack([run.scores[metric][chosen] for run in learned])
            for name in (STATIC_NAME, COSINE, STEP, MEAN_NAME):
                found = paired_ratio(ours, played[name].scores[metric][chosen])
                wanted = WANTED.get(name, "") if group == "all" else ""
                rows.append(Row(TASK, PPO_NAME, group, f"{metric} by {name}'s", *found, len(learned), reference=wanted))
    gains = [float(run.scores[METRICS[3]].mean() - played[RANDOM].scores[METRICS[3]].mean()) for run in learned]
    rows.append(summarize(TASK, PPO_NAME, "all", "test accuracy above random's", gains, reference="wanted: 0.6"))
    return rows


def speed(quick: bool) -> list[Row]:
    """Return rows of the steps, episodes and gradient steps per CPU-second, at learning rates that never diverge."""
    rows = []
    for num_envs in (1, 8) if quick else (1, 64, 256, 1024):
        seconds = []
        env = LRSchedule(num_envs, autoreset_mode="NextStep")
        for repeat in range(2 if quick or num_envs > 64 else 4):
            begun = time.process_time()
            env.reset(seed=repeat)
            for decision in range(DECISIONS):
                env.step(np.full(num_envs, 4 if decision < 7 else 3))
            seconds.append(time.process_time() - begun)
        least, most = min(seconds), max(seconds)
        per_epoch = 600 // env.training.batch_size
        for metric, count in (("episodes", 1), ("steps", DECISIONS), ("gradient steps", DECISIONS * per_epoch)):
            done = num_envs * count
            reference = SPEED_REFERENCE if metric == "steps" else ""
            value = (done / least, done / most, done / least)
            name = f"{metric} a CPU-second"
            rows.append(
                Row(TASK, "environment", f"{num_envs} at once", name, *value, len(seconds), reference=reference)
            )
    return rows


def draw(played: dict[str, Trainings], learned: list[Trainings], path: Path) -> None:
    """Plot the learned schedules, with their spread over the instances, and the losses beside the tuned ones."""
    import matplotlib
    from matplotlib.figure import Figure

    from lhy_rl.reporting.plots import COLOURS, DPI, GREY, STYLE

    epochs = np.arange(1, DECISIONS + 1)
    noise = learned[0].noise
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.8))
        left, right = figure.subplots(1, 2)
        for level, colour in ((0.0, COLOURS[0]), (0.4, COLOURS[1])):
            rates = np.concatenate([run.rates[:, noise == level] for run in learned], 1)
            low, high = np.quantile(rates, (0.1, 0.9), axis=1)
            centre = np.exp(np.log(rates).mean(1))
            left.plot(epochs, centre, color=colour, marker="o", ms=3, label=f"ppo, {level:.0%} wrong labels")
            left.fill_between(epochs, low, high, color=colour, alpha=0.12)
        for name, style in ((COSINE, "--"), (STEP, ":"), (STATIC_NAME, "-.")):
            left.plot(epochs, played[name].rates[:, 0], style, color=GREY, label=f"{name}, tuned")
            right.plot([0, *epochs], played[name].losses.mean(1), style, color=GREY, label=f"{name}, tuned")
        losses = np.stack([run.losses.mean(1) for run in learned])
        right.plot([0, *epochs], losses.mean(0), color=COLOURS[0], marker="o", ms=3, label="ppo")
        right.fill_between([0, *epochs], losses.min(0), losses.max(0), color=COLOURS[0], alpha=0.12)
        left.set(yscale="log", xlabel="epoch", ylabel="learning rate", title="held-out instances, 10 to 90 %")
        right.set(yscale="log", xlabel="epochs", ylabel="validation loss, nats", title="mean over instances; seeds")
        left.legend(fontsize=8)
        right.legend(fontsize=8)
        figure.savefig(path, dpi=DPI)


def tuned(env: LRSchedule, quick: bool) -> dict[str, tuple[str, np.ndarray]]:
    """Return the schedule of each family with the lowest mean validation loss on the tuning instances."""
    best = {}
    families = candidates(quick)
    with progress(sum(map(len, families.values())), "tuning") as advance:
        for family, members in families.items():
            losses = []
            for name, rates in members:
                losses.append(follow(env, fixed(rates), TUNE_SEED).scores[METRICS[0]].mean())
                advance(f"{family} {name}")
            best[family] = members[int(np.argmin(losses))]
    return best


def main() -> None:
    """Measure and save."""
    options = parser(__doc__, seeds=5).parse_args()
    quick, seeds = options.quick, 1 if options.quick else options.seeds
    count = 16 if quick else 256
    measured = speed(quick)
    tune_env = LRSchedule(count // 2, autoreset_mode="Disabled")
    test_env = LRSchedule(count, split="test", autoreset_mode="Disabled")
    best = tuned(tune_env, quick)
    played = {family: follow(test_env, fixed(rates), TEST_SEED) for family, (_, rates) in best.items()}
    played[RANDOM] = follow(test_env, random_rule(0), TEST_SEED)
    learned, blind, episodes, seconds = [], [], 0, 0.0
    with progress(seeds, "training") as advance:
        for seed in range(seeds):
            agent, begun, spent = train(seed, 640 if quick else None)
            episodes, seconds = max(episodes, begun), max(seconds, spent)
            learned.append(follow(test_env, learned_rule(agent), TEST_SEED))
            blind.append(np.log(follow(tune_env, learned_rule(agent), TUNE_SEED).rates).mean(1))
            advance(f"seed {seed}")
    played[MEAN_NAME] = follow(test_env, fixed(np.exp(np.mean(blind, 0))), TEST_SEED)
    names = {family: name for family, (name, _) in best.items()}
    rows = rows_of(played, names, learned, agent.num_timesteps, seconds)
    rows.append(Row(TASK, PPO_NAME, "all", "episodes of training", episodes, episodes, episodes, seeds))
    save("lr_schedule", rows + measured, options.output)
    draw(played, learned, options.output / "lr_schedule.png")
    for row in load("lr_schedule", options.output):
        number = f"{row.value:9.4f} [{row.low:.4f}, {row.high:.4f}]"
        print(f"{row.agent:24} {row.variant:18} {row.metric:34} {number} {row.reference}")


if __name__ == "__main__":
    main()
