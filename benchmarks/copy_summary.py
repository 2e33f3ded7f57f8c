"""Copying names that no vocabulary has (See et al. 2017), and penalties that keep an attention from repeating itself.

Headlines: reports of up to three events, whose names the network reads as one unknown word; it writes the headline of
the most important one. With `copy` an action may also be the word that the attention is on (pointer-generator),
without it the same network has its vocabulary alone. ROUGE-L (F), and the share of the right headlines' names that were
written, of greedy headlines of 300 test reports.

Repeats: a list of 16 to 24 words of 10, each about twice in it, is written again by a network of 16 units after 400
gradient steps, that is, before it does so without fault. `repeats` is the share of its words that are more than the
list has of them. Attentions that do not know where they looked (`dot`, `additive`) and that do (`coverage`, See et al.
2017; `location`, Chorowski et al. 2015). Penalties on them: `coverage loss`, 0.3 times what looks again at what was
looked at (See et al. 2017); `doubly stochastic`, 0.05 times the squared distance of each place's sum from 1 (Xu et al.
2015).

The options were chosen on seeds 100 and 101. Maximum likelihood.

    python -m benchmarks.copy_summary [--quick] [--seeds 5] [--only repeats]
"""

from __future__ import annotations

import time
from fnmatch import fnmatch
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from benchmarks.echo import Echo
from lhy_rl.agents import MLE
from lhy_rl.core.protocols import TextTask
from lhy_rl.envs.pointer.copy_summary import CopySummary, names_recalled
from lhy_rl.envs.pointer.reports import NAMES
from lhy_rl.functional.rouge import rouge_l
from lhy_rl.nn.decoding import sample

HEADLINES, REPEATS = "headlines", "repeats"
SHARED: dict[str, Any] = {"core": "gru", "critic": "none", "learning_rate": 0.005, "device": "cpu"}
READING = {"hidden_size": 96, "embedding_size": 48, "source_bidirectional": True, "unknown_words": NAMES}
LISTING = {"hidden_size": 16, "embedding_size": 16}
COVERAGE = {"attention_penalty": "coverage", "attention_penalty_coef": 0.3}
STOCHASTIC = {"attention_penalty": "doubly_stochastic", "attention_penalty_coef": 0.05}
LIST = {"words": 10, "longest": 24, "shortest": 16, "backwards": False}
VARIANTS: list[tuple[str, str, dict[str, Any]]] = [
    (HEADLINES, "copy", {**READING, "copy": True}),
    (HEADLINES, "no copy", READING),
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
STEPS = {HEADLINES: 200, REPEATS: 400}


def repeats(written: np.ndarray, right: np.ndarray, words: int) -> float:
    """The share of the words that are written more often than they should be."""
    counts = [np.stack([(tokens == word).sum(1) for word in range(1, words + 1)], 1) for tokens in (written, right)]
    return float((np.maximum(counts[0] - counts[1], 0).sum(1) / counts[1].sum(1)).mean())


def measured(name: str, options: dict[str, Any], steps: int, seed: int) -> dict[str, float]:
    """Train and test one network; metric to value."""
    task: TextTask = CopySummary(4) if name == HEADLINES else Echo(4, **LIST)
    begun = time.process_time()
    agent = MLE(task, gradient_steps=steps, seed=seed, **SHARED, **options).learn(1)
    seconds, test = time.process_time() - begun, task.sequences("test")
    written = sample(agent.policy.eval(), task, len(test), temperature=0.0, answered=test)
    exact = float((written.tokens == test.tokens).all(1).mean())
    found = {"exact": exact, "seconds": seconds}
    if isinstance(task, Echo):
        return {**found, "repeats": repeats(written.tokens, test.tokens, task.words)}
    rouge = rouge_l(written.tokens, written.lengths, test.tokens, test.lengths)
    return {**found, "names": float(names_recalled(written.tokens, test.tokens).mean()), "ROUGE-L": float(rouge.mean())}


def main() -> None:
    """Measure, save."""
    parser = harness.parser(__doc__, seeds=5)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="tasks like this: repeats")
    common = parser.parse_args()
    torch.set_num_threads(1)
    seeds = 1 if common.quick else common.seeds
    path = common.output / "copy_summary.json"
    rows = harness.load("copy_summary", common.output) if path.exists() and not common.quick else []
    rows = [row for row in rows if not fnmatch(row.task, common.only)]
    for name, variant, options in (variant for variant in VARIANTS if fnmatch(variant[0], common.only)):
        steps = 5 if common.quick else STEPS[name]
        runs = []
        for seed in range(seeds):
            runs.append(measured(name, options, steps, seed))
            line = ", ".join(f"{metric} {value:.3f}" for metric, value in runs[-1].items())
            print(f"{name}, {variant}, seed {seed}: {line}", flush=True)
        seconds = float(np.mean([run["seconds"] for run in runs]))
        for metric in runs[0]:
            if metric != "seconds":
                values, wanted = [run[metric] for run in runs], WANTED.get((variant, metric), "")
                rows.append(harness.summarize(name, "mle", variant, metric, values, steps, seconds, wanted))
        harness.save("copy_summary", rows, common.output)


if __name__ == "__main__":
    main()
