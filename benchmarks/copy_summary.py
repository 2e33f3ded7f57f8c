"""Copying names that no vocabulary has (See et al. 2017), and penalties that keep an attention from repeating itself.

Headlines: reports of up to three events, whose names the network reads as one unknown word; it writes the headline of
the most important one. With `copy` an action may also be the word that the attention is on (pointer-generator),
without it the same network has its vocabulary alone. ROUGE-L (F), and the share of the right headlines' names that were
written, of greedy headlines of 300 test reports.

Rewarded: after 14 gradient steps of maximum likelihood (with `copy`), or 200 (without), 150 of REINFORCE with ROUGE-L
as the reward, with the four headlines of a report as baselines for each other: ROUGE-L before and after.

Repeats: a list of 16 to 24 words from a vocabulary of 10, each about twice in it, is copied by a network of 16 units
after 400 gradient steps, that is, before it makes no mistakes. `repeats` is the share of the written words that exceed
their number in the list. Attentions that do not read their earlier weights (`dot`, `additive`) and that do (`coverage`,
See et al. 2017; `location`, Chorowski et al. 2015). Penalties: `coverage loss`, 0.3 times the attention to positions
that were attended to before (See et al. 2017); `doubly stochastic`, 0.05 times the squared distance of each position's
sum from 1 (Xu et al. 2015).

The options were chosen on seeds 100 and 101. Maximum likelihood.

    python -m benchmarks.copy_summary [--quick] [--seeds 5] [--only "repeats/*"]
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from benchmarks.echo import Echo
from lhy_rl.agents import MLE, Reinforce
from lhy_rl.core.protocols import TextTask
from lhy_rl.envs.pointer.copy_summary import CopySummary, names_recalled
from lhy_rl.envs.pointer.reports import NAMES
from lhy_rl.functional.rouge import rouge_l
from lhy_rl.nn.decoding import sample
from lhy_rl.nn.policies.actor_critic import ActorCritic

HEADLINES, REWARDED, REPEATS = "headlines", "rewarded", "repeats"
SHARED: dict[str, Any] = {"core": "gru", "critic": "none", "learning_rate": 0.005, "device": "cpu"}
READING = {"hidden_size": 96, "embedding_size": 48, "source_bidirectional": True, "unknown_words": NAMES}
LISTING = {"hidden_size": 16, "embedding_size": 16}
COVERAGE = {"attention_penalty": "coverage", "attention_penalty_coef": 0.3}
STOCHASTIC = {"attention_penalty": "doubly_stochastic", "attention_penalty_coef": 0.05}
LIST = {"words": 10, "longest": 24, "shortest": 16, "backwards": False}
VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    (HEADLINES, "copy", {**READING, "copy": True}),
    (HEADLINES, "no copy", READING),
    (REWARDED, "copy", {**READING, "copy": True, "pretrain_epochs": 14 / 62.5}),
    (REWARDED, "no copy", {**READING, "pretrain_epochs": 200 / 62.5}),
    (REPEATS, "dot", LISTING),
    (REPEATS, "additive", {**LISTING, "attention": "additive"}),
    (REPEATS, "additive, coverage loss", {**LISTING, "attention": "additive", **COVERAGE}),
    (REPEATS, "coverage", {**LISTING, "attention": "coverage"}),
    (REPEATS, "coverage, coverage loss", {**LISTING, "attention": "coverage", **COVERAGE}),
    (REPEATS, "coverage, doubly stochastic", {**LISTING, "attention": "coverage", **STOCHASTIC}),
    (REPEATS, "location", {**LISTING, "attention": "location"}),
]
WANTED = {
    ("copy", "names"): "wanted: 0.95",
    ("no copy", "names"): "wanted: at most 0.05",
    ("copy", "ROUGE-L"): "wanted: 0.9",
    ("coverage, coverage loss", "repeats"): "wanted: half of those without",
}
STEPS = {HEADLINES: 200, REWARDED: 150, REPEATS: 400}  # gradient steps; of REINFORCE, those after maximum likelihood


def repeats(written: np.ndarray, right: np.ndarray, words: int) -> float:
    """Return the share of the written words that exceed their number in the list."""
    counts = [np.stack([(tokens == word).sum(1) for word in range(1, words + 1)], 1) for tokens in (written, right)]
    return float((np.maximum(counts[0] - counts[1], 0).sum(1) / counts[1].sum(1)).mean())


def headlines(policy: ActorCritic, task: CopySummary) -> dict[str, float]:
    """Return the scores of greedy headlines for the test reports."""
    test = task.sequences("test")
    written = sample(policy.eval(), task, len(test), temperature=0.0, answered=test)
    rouge = rouge_l(written.tokens, written.lengths, test.tokens, test.lengths)
    return {
        "exact": float((written.tokens == test.tokens).all(1).mean()),
        "names": float(names_recalled(written.tokens, test.tokens).mean()),
        "ROUGE-L": float(rouge.mean()),
        "length": float(written.lengths.mean()),
    }


def rewarded(options: dict[str, Any], steps: int, seed: int) -> dict[str, float]:
    """Train by maximum likelihood, then by REINFORCE."""
    task, left = CopySummary(64), steps

    def count(agent: Reinforce, metrics: Any) -> bool:
        nonlocal left
        left -= not agent.preparing and "train/policy_loss" in metrics
        return left > 0

    begun = time.process_time()
    agent = Reinforce(
        task, episodes_per_start=4, pretrain_learning_rate=0.005, seed=seed,
        **{**SHARED, "learning_rate": 0.001, **options},
    )  # fmt: skip
    agent.learn(10**9, callback=count)
    seconds = time.process_time() - begun
    before, after = headlines(agent.policies["mle"], task), headlines(agent.policy, task)
    return {f"{name} before": before[name] for name in before} | after | {"seconds": seconds}


def measured(name: str, options: dict[str, Any], steps: int, seed: int) -> dict[str, float]:
    """Train and test one network; metric to value."""
    if name == REWARDED:
        return rewarded(options, steps, seed)
    task: TextTask = CopySummary(4) if name == HEADLINES else Echo(4, **LIST)
    begun = time.process_time()
    agent = MLE(task, gradient_steps=steps, seed=seed, **SHARED, **options).learn(1)
    seconds = {"seconds": time.process_time() - begun}
    if isinstance(task, CopySummary):
        return headlines(agent.policy, task) | seconds
    assert isinstance(task, Echo)
    test = task.sequences("test")
    written = sample(agent.policy.eval(), task, len(test), temperature=0.0, answered=test)
    exact = float((written.tokens == test.tokens).all(1).mean())
    return {"exact": exact, "repeats": repeats(written.tokens, test.tokens, task.words)} | seconds


def rows_of(case: str, runs: Sequence[dict[str, float]]) -> list[harness.Row]:
    """Return the rows of a task's variant."""
    name, variant = case.split("/")
    seconds, agent = float(np.mean([run["seconds"] for run in runs])), "reinforce" if name == REWARDED else "mle"
    return [
        harness.summarize(
            name, agent, variant, metric, [run[metric] for run in runs], STEPS[name], seconds,
            "" if name == REWARDED else WANTED.get((variant, metric), ""),
        )
        for metric in runs[0]
        if metric != "seconds"
    ]  # fmt: skip


def main() -> None:
    """Measure, save."""
    command = harness.parser(__doc__, seeds=5)
    command.add_argument(
        "--only", default="*", metavar="PATTERN", help="which TASK/VARIANT to run, such as repeats/coverage*"
    )
    args = command.parse_args()
    torch.set_num_threads(1)
    cases = {}
    for name, variant, options in VARIANTS:
        if args.quick and name == REWARDED:
            options = {**options, "pretrain_epochs": 0.05}
        cases[f"{name}/{variant}"] = partial(measured, name, options, 5 if args.quick else STEPS[name])
    harness.run_cases("copy_summary", cases, rows_of, args)


if __name__ == "__main__":
    main()
