"""A policy that is rewarded for fluency alone writes one sentence again and again; KL to its MLE policy holds it.

A GRU learns the sentences of chitchat by maximum likelihood, then REINFORCE maximises the mean log-probability of a
token under a trigram model of the same text (lhy_rl/agents/rewards/fluency.py), without and with a penalty on KL(policy
|| MLE policy). Measured on 300 sentences of each: perplexity under the trigram model, distinct-2 (different bigrams a
token, at the same number of tokens in every row of a seed), different sentences, mean length, KL to the MLE policy in
nats a token, and whether the collapse alarm went off.

    python -m benchmarks.fluency_collapse [--quick] [--seeds 3]
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

import lhy_rl  # noqa: F401
from benchmarks import harness
from lhy_rl.agents import Reinforce
from lhy_rl.agents.common.collapse_alarm import CollapseAlarm, CollapseWarning
from lhy_rl.agents.rewards.fluency import FluencyReward
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.functional.text_metrics import count_tokens, distinct_per_token, kl_per_token, unpadded
from lhy_rl.nn.decoding import sample, token_log_probs
from lhy_rl.nn.layers.eval_mode import evaluating

TASK = "chitchat, 1,000 words"
TEXT: dict[str, Any] = {
    "corpus": "chitchat",
    "conversations": 600,
    "vocabulary_size": 1000,
    "max_length": 12,
    "reward": "none",
}
TEXT |= {"drop_unknown": True}
AGENT: dict[str, Any] = {
    "core": "gru", "hidden_size": 64, "embedding_size": 32, "pretrain_epochs": 8, "pretrain_learning_rate": 0.005,
    "learning_rate": 0.002, "baseline": "mean", "device": "cpu",
}  # fmt: skip
MLE, TEXT_ROW = "before, by maximum likelihood", "validation sentences"
VARIANTS: dict[str, dict[str, Any]] = {
    "fluency": {},
    "fluency + KL, 0.1": {"kl_coef": 0.1},
    "fluency + KL, 0.5": {"kl_coef": 0.5},
}
SENTENCES = 300
Written = dict[str, TokenSequences]


def trained(seed: int, options: dict[str, Any], quick: bool) -> tuple[Reinforce, int | None, float]:
    """Train; return the agent, the update at which the alarm went off (None: never), and the CPU-seconds."""
    envs = gymnasium.make_vec("lhy_rl/CorpusText-v0", num_envs=64, autoreset_mode="SameStep", **TEXT)
    given = AGENT | options | ({"pretrain_epochs": 1, "hidden_size": 16} if quick else {})
    agent = Reinforce(envs, reward_model=FluencyReward("ngram", form="potential"), seed=seed, **given)
    alarm, rang = CollapseAlarm(agent.task, sentences=SENTENCES, interval=5 if quick else 10), list[int]()
    updates = 0

    def watch(agent: Any, metrics: dict[str, Any]) -> None:
        nonlocal updates
        if "rollout/perplexity" in metrics:
            updates += 1
            alarm(agent, metrics)
            if alarm.collapsed and not rang:
                rang.append(updates)

    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)  # counted above
        agent.learn(4_000 if quick else 150_000, callback=watch)
    return agent, rang[0] if rang else None, time.process_time() - begun


def measured(agent: Reinforce, written: Written) -> dict[str, dict[str, float]]:
    """Return row to metric to value, for the sentences of one seed's policies and of the text."""
    assert isinstance(agent.reward_model, FluencyReward)
    task, model = agent.task, agent.reward_model.model
    words = {name: unpadded(found.tokens, task.end_token, found.lengths) for name, found in written.items()}
    least = min(map(count_tokens, words.values()))
    rows = {}
    for name, found in written.items():
        rows[name] = {
            "perplexity": model.perplexity(found),
            "distinct-2": distinct_per_token(words[name], 2, least),
            "different sentences": float(len(set(map(tuple, words[name])))),
            "words a sentence": float(np.mean([len(row) for row in words[name]])),
        }
    return rows


def of_seed(seed: int, quick: bool) -> tuple[dict[str, dict[str, float]], dict[str, float], dict[str, list[str]]]:
    """Run one seed; return row to metric to value, variant to CPU-seconds, and row to some sentences."""
    written: Written = {}
    kl, rang, seconds = dict[str, float](), dict[str, float](), dict[str, float]()
    for variant, options in VARIANTS.items():
        agent, update, seconds[variant] = trained(seed, options, quick)
        assert agent.pretrained is not None
        policies = {variant: agent.policy} | ({MLE: agent.pretrained} if not written else {})
        for name, policy in policies.items():
            with evaluating(policy):
                generator = torch.Generator().manual_seed(2017)
                written[name] = found = sample(policy, agent.task, SENTENCES, generator)
                own, before = (token_log_probs(one, found, agent.task) for one in (policy, agent.pretrained))
                kl[name] = kl_per_token(own, before, found.lengths)
        if update is not None:
            rang[variant] = update
    written[TEXT_ROW] = agent.task.sequences("validation")[:SENTENCES]
    rows = measured(agent, written)
    for name in rows:
        if name in kl:
            rows[name]["KL to MLE"] = kl[name]
        if name in VARIANTS:
            rows[name]["alarm"] = float(name in rang)
    decoded = {name: [agent.task.decode(row) for row in found.tokens[:8]] for name, found in written.items()}
    return rows, seconds, decoded


def main() -> None:
    """Measure, save, draw."""
    common = harness.arguments(__doc__, seeds=3)
    torch.set_num_threads(1)
    found, seconds = [], []
    with harness.progress(1 if common.quick else common.seeds, "fluency") as advance:
        for seed in range(1 if common.quick else common.seeds):
            rows, spent, decoded = of_seed(seed, common.quick)
            found.append(rows)
            seconds.append(spent)
            summary = summarized(found, seconds)
            harness.save("fluency_collapse", summary, common.output)  # finished rows are kept
            advance(f"seed {seed}")
    for name, sentences in decoded.items():
        print(f"{name}: {' | '.join(sentences)}")
    for row in summary:
        print(f"{row.variant:32s} {row.metric:20s} {row.value:9.3f} [{row.low:.3f}, {row.high:.3f}]")
    picture(summary, common.output / "fluency_collapse.png")


def summarized(found: list[dict[str, dict[str, float]]], seconds: list[dict[str, float]]) -> list[harness.Row]:
    """Return the rows of the results."""
    rows = []
    for name in (TEXT_ROW, MLE, *VARIANTS):
        agent = "the text" if name == TEXT_ROW else "mle" if name == MLE else "reinforce"
        spent = float(np.mean([one[name] for one in seconds])) if name in VARIANTS else None
        for metric in found[0][name]:
            values = [one[name][metric] for one in found]
            rows.append(harness.summarize(TASK, agent, name, metric, values, None, spent))
    return rows


def picture(rows: list[harness.Row], path: Path) -> None:
    """Plot distinct-2 against perplexity."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = {(row.variant, row.metric): row for row in rows}
    figure, axis = plt.subplots(figsize=(6, 3.8))
    for name in (TEXT_ROW, MLE, *VARIANTS):
        x, y = found[name, "perplexity"], found[name, "distinct-2"]
        spans: dict[str, Any] = {
            "xerr": [[x.value - x.low], [x.high - x.value]],
            "yerr": [[y.value - y.low], [y.high - y.value]],
        }
        axis.errorbar([x.value], [y.value], fmt="o", capsize=3, label=name, **spans)
    axis.set_xscale("log")
    axis.set_xlabel("perplexity under the trigram model")
    axis.set_ylabel("distinct-2")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
