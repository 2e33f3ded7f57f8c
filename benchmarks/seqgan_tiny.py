"""Where SeqGAN lies below maximum likelihood's temperature front: a language that can be enumerated.

Ten words, sentences of five: 100,000 sentences, so that `nll_oracle`, `nll_test` and the Jensen-Shannon divergence are
sums, not estimates. The generator is too small for the language (hidden 4 against the oracle's 32), so maximum
likelihood must leave something out that no temperature can bring back. Both models are swept over temperatures;
`gap_to_front` is SeqGAN's `nll_test` minus maximum likelihood's at the temperature at which its `nll_oracle` is the
same, seed by seed (each seed has a language of its own).

    mle          maximum likelihood, trained until it has settled (2,500 steps, the last 1,000 at a tenth of the rate)
    seqgan       from there, Monte-Carlo credit, with the training sentences' likelihood beside the reward
    permuted     the same with the rewards assigned to other sentences: the effect of more likelihood alone
    ideal        the same with the perfect discriminator's logit in place of a learned one

    python -m benchmarks.seqgan_tiny
"""

from __future__ import annotations

import itertools
import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from benchmarks.seqgan_oracle import IdealLogit, Permuted, make_env
from lhy_rl.agents import MLE, SeqGAN
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.nn.decoding import token_log_probs
from lhy_rl.nn.policies.actor_critic import ActorCritic

TEMPERATURES = (1.6, 1.5, 1.4, 1.3, 1.2, 1.15, 1.1, 1.05, 1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
TABULATED = ("1.2", "1.1", "1.0", "0.9", "0.8", "0.7", "0.6")
METRICS = ("nll_oracle", "nll_test", "jsd", "gap_to_front")
GENERATOR = {"hidden_size": 4, "embedding_size": 8}


def sizes(quick: bool) -> dict[str, int]:
    """Return the sizes of the language."""
    return {"vocabulary_size": 5, "max_length": 3} if quick else {"vocabulary_size": 10, "max_length": 5}


class Exact:
    """All sentences of a language with their probabilities."""

    def __init__(self, task: Any) -> None:
        self.task = task
        tokens = np.array(list(itertools.product(range(task.vocabulary_size), repeat=task.max_length)))
        self.sentences = TokenSequences(tokens, np.full(len(tokens), task.max_length))
        self.log_p = task.log_likelihood(tokens)
        self.p = np.exp(self.log_p)

    def measure(self, policy: ActorCritic, temperature: float) -> dict[str, float]:
        """Return a model's place in the plane and its divergence, computed exactly."""
        policy.eval()
        log_q = token_log_probs(policy, self.sentences, self.task, temperature).sum(1, dtype=np.float64)
        q, length = np.exp(log_q), self.task.max_length
        log_m = np.logaddexp(self.log_p, log_q) - np.log(2)
        return {
            "nll_oracle": float(-(q * self.log_p).sum() / length),
            "nll_test": float(-(self.p * log_q).sum() / length),
            "jsd": float((self.p * (self.log_p - log_m) + q * (log_q - log_m)).sum() / 2),
        }

    def matched(self, policy: ActorCritic, nll_oracle: float) -> float:
        """Return the ``nll_test`` at the temperature at which a model has this ``nll_oracle`` (NaN outside the range).

        Temperature increases ``nll_oracle``, so that bisection finds it: 30 steps, to a billionth.
        """
        low, high = (math.log(t) for t in (TEMPERATURES[-1], TEMPERATURES[0]))
        ends = [self.measure(policy, math.exp(end))["nll_oracle"] for end in (low, high)]
        if not ends[0] <= nll_oracle <= ends[1]:
            return math.nan
        for _ in range(30):
            middle = (low + high) / 2
            place = self.measure(policy, math.exp(middle))
            low, high = (middle, high) if place["nll_oracle"] < nll_oracle else (low, middle)
        return place["nll_test"]

    def front(self, policy: ActorCritic) -> dict[str, dict[str, float]]:
        """Return the model's places at all temperatures."""
        return {str(t): self.measure(policy, t) for t in TEMPERATURES}


def run(seed: int, quick: bool) -> dict[str, dict[str, Any]]:
    """Run all models in the language of one seed."""
    torch.set_num_threads(1)
    env = make_env({**sizes(quick), "oracle_seed": seed}, num_envs=256)
    length, exact = env.unwrapped.max_length, Exact(env.unwrapped)
    begun = time.process_time()
    start = MLE(env, learning_rate=0.01, batch_size=128, seed=seed, **GENERATOR)
    start.learn(128 * length * (20 if quick else 1500))
    start.likelihood.optimizer.param_groups[0]["lr"] = 0.001
    start.learn(128 * length * (20 if quick else 1000))
    results = {"mle": {"front": exact.front(start.policy), "cpu_seconds": time.process_time() - begun}}

    shared = {"learning_rate": 3e-3, "likelihood_coef": 0.1, "baseline": "mean", "seed": seed, **GENERATOR}
    game = {
        "pretrain_epochs": 0,
        "objective": "gan_saturating",
        "discriminator": "cnn_small",
        "discriminator_learning_rate": 1e-3,
        "discriminator_steps": 2 if quick else 8,
        "discriminator_pretrain_steps": 2 if quick else 400,
        "rollouts": 1 if quick else 4,
    }
    makers = {
        "seqgan": lambda: SeqGAN(env, **game, **shared),
        "permuted": lambda: Permuted(env, **game, **shared),
        "ideal": lambda: IdealLogit(env, **shared),
    }
    for name, make in makers.items():
        begun = time.process_time()
        agent = make()
        agent.policy.load_state_dict(start.policy.state_dict())
        agent.learn(env.num_envs * length * (3 if quick else 300))
        front = exact.front(agent.policy)
        for temperature in TABULATED:
            place = front[temperature]
            place["gap_to_front"] = place["nll_test"] - exact.matched(start.policy, place["nll_oracle"])
        results[name] = {
            "front": front,
            "cpu_seconds": time.process_time() - begun,
            "steps": agent.num_timesteps,
        }
    entropy = float(-(exact.p * exact.log_p).sum() / length)
    return {**results, "oracle": {"entropy": entropy}}


def rows(results: dict[int, dict[str, dict[str, Any]]], task: str) -> list[harness.Row]:
    """Return rows of each model at some temperatures, and its best divergence and sum over all of them."""
    table = []
    for name in ("mle", "seqgan", "permuted", "ideal"):
        runs = [cell[name] for cell in results.values()]
        seconds, steps = float(np.mean([r["cpu_seconds"] for r in runs])), runs[0].get("steps")

        def add(variant: str, metric: str, values: list[float], name: str = name, s: Any = (steps, seconds)) -> None:
            table.append(harness.summarize(task, name, variant, metric, values, *s))

        for temperature in TABULATED:
            cells = [r["front"][temperature] for r in runs]
            for metric in METRICS if name != "mle" else METRICS[:-1]:
                values = [cell[metric] for cell in cells if np.isfinite(cell[metric])]
                if len(values) == len(cells):
                    add(f"temperature {temperature}", metric, values)
        add("best temperature", "jsd", [min(p["jsd"] for p in r["front"].values()) for r in runs])
        sums = [min(p["nll_oracle"] + p["nll_test"] for p in r["front"].values()) for r in runs]
        add("best temperature", "nll_sum", sums)
        if name != "mle":
            wins = [
                min(p["nll_oracle"] + p["nll_test"] for p in other["mle"]["front"].values()) - own
                for own, other in zip(sums, results.values(), strict=True)
            ]
            add("best temperature", "nll_sum below mle's", wins)
    return table


def picture(table: list[harness.Row], path: Path) -> None:
    """Plot how far each model lies above or below maximum likelihood's front, by its temperature."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7.5, 4.2))
    styles = {"seqgan": ("tab:red", "s"), "permuted": ("tab:olive", "o"), "ideal": ("tab:blue", "^")}
    for name, (colour, marker) in styles.items():
        cells = [row for row in table if row.agent == name and row.metric == "gap_to_front"]
        x, y = [float(row.variant.split()[-1]) for row in cells], [row.value for row in cells]
        error = [[row.value - row.low for row in cells], [row.high - row.value for row in cells]]
        axis.errorbar(x, y, error, marker=marker, color=colour, capsize=3, label=name)
    axis.axhline(0, color="0.35", lw=1)
    axis.annotate("maximum likelihood", (1.2, 0), textcoords="offset points", xytext=(0, -12), color="0.35")
    axis.invert_xaxis()
    axis.set(xlabel="the model's temperature", ylabel="nll_test minus the front's at equal nll_oracle")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    common = harness.arguments(__doc__)
    results: dict[int, dict[str, dict[str, Any]]] = {}
    seeds = range(common.seeds)
    with harness.progress(len(seeds), "seqgan on enumerable languages") as advance:
        runs = harness.run_jobs(partial(run, quick=common.quick), seeds, min(2, common.seeds))
        for seed, result in zip(seeds, runs, strict=True):
            results[seed] = result
            advance(f"seed {seed}")
    language = sizes(common.quick)
    task = f"{language['vocabulary_size']} words, length {language['max_length']}, enumerated"
    entropies = [cell["oracle"]["entropy"] for cell in results.values()]
    table = [harness.summarize(task, "oracle", "itself", "entropy", entropies), *rows(results, task)]
    harness.save("seqgan_tiny", table, common.output)
    picture(table, common.output / "seqgan_tiny.png")


if __name__ == "__main__":
    main()
