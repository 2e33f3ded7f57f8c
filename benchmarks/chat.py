"""Replies on real conversations: the value of attention, copying and a hierarchy of turns for a seq2seq network.

Maximum likelihood on chitchat-dataset (configs/mle/chatreply), the context read in five ways: no attention (the
encoder's final output alone), dot and additive attention, attention with copying, and a hierarchy of turns that are
attended to (hred); and not read at all, a language model of replies. All have the same CPU-seconds, and the weights
with the best validation perplexity are kept; parameters are given. Perplexity is exp of the mean negative
log-likelihood a token, end tokens included, of test replies.

Speed is the number of tokens sampled a CPU-second in batches of 1,024, the reading of the contexts included, beside a
language model of the same sizes without a context.

    python -m benchmarks.chat [--quick] [--seeds 3] [--budget 40] [--jobs 1]
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch

from benchmarks import harness
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.experiment import build, config
from lhy_rl.nn.decoding import nll_per_token, sample
from lhy_rl.nn.policies.actor_critic import ActorCritic

CONFIGURATION = "mle/chatreply"
VARIANTS: dict[str, dict[str, Any]] = {
    "no attention": {"attention": "none"},
    "dot": {},
    "additive": {"attention": "additive"},
    "dot, copying": {"copy": True},
    "hred": {"source_encoder": "hred"},
}
BLIND = "context not read"
LOOKS = 4  # evaluations of the validation perplexity during a training
SMALL = {"env.corpus": "chatterbot-english", "agent.hidden_size": 32, "agent.source_size": 32}


class Job(NamedTuple):
    """A training: its variant and seed, and its budget in CPU-seconds, or in steps in the tests."""

    variant: str
    seed: int
    budget: float
    options: dict[str, Any]
    counted: bool = False


class Reached(NamedTuple):
    """The result of a training, with the numbers of parameters and gradient steps."""

    validation: float
    test: float
    parameters: int
    steps: int


def made(variant: str, options: dict[str, Any], seed: int = 0) -> Any:
    """Make the agent of a variant."""
    chosen = VARIANTS.get(variant, {"attention": "none"})
    given = options | {f"agent.{key}": value for key, value in chosen.items()}
    values = config.load(CONFIGURATION, given | {"seed": seed, "device": "cpu", "threads": 1})
    return build.make_agent(values, build.make_environment(values))


def hidden(sequences: TokenSequences, variant: str) -> TokenSequences:
    """Return the sentences, without the words of their sources if the variant does not read them."""
    if variant != BLIND or sequences.source_lengths is None:
        return sequences
    empty = np.zeros_like(sequences.source_lengths)
    return TokenSequences(sequences.tokens, sequences.lengths, sequences.sources, empty)


def trained(job: Job) -> Reached:
    """Train for the budget, without counting evaluations."""
    torch.set_num_threads(1)
    agent = made(job.variant, job.options, job.seed)
    task, policy = agent.task, agent.policy
    splits = {name: hidden(task.sequences(name), job.variant) for name in ("validation", "test")}
    agent.likelihood.sentences = hidden(agent.likelihood.sentences, job.variant)
    agent.gradient_steps = 10
    spent, look, best = 0.0, 1, (math.inf, math.inf, 0)
    while spent < job.budget:
        begun = time.process_time()
        agent.learn(1, reset_num_timesteps=False)
        spent += agent.gradient_steps if job.counted else time.process_time() - begun
        if spent >= look * job.budget / LOOKS:
            look = math.floor(spent * LOOKS / job.budget) + 1
            policy.eval()
            found = [math.exp(nll_per_token(policy, splits[name], task)) for name in ("validation", "test")]
            best = min(best, (*found, agent.likelihood.num_steps))
    count = sum(parameter.numel() for parameter in policy.parameters())
    return Reached(best[0], best[1], count, best[2])


def written(policy: ActorCritic, task: Any, n: int, answered: TokenSequences | None) -> int:
    """Sample n sentences and return their number of tokens."""
    return int(sample(policy, task, n, torch.Generator().manual_seed(0), answered=answered).lengths.sum())


def speed(options: dict[str, Any], n: int, repeats: int) -> list[harness.Row]:
    """Measure the tokens sampled per CPU-second by untrained networks whose sentences are about as long as people's."""
    torch.set_num_threads(1)
    policies: dict[str, tuple[ActorCritic, TokenSequences | None]] = {}
    agent = made("dot", options)
    task, test = agent.task, agent.task.sequences("test")
    for variant in VARIANTS:
        policies[variant] = made(variant, options).policy, test
    sizes = {key: agent.hyperparameters[key] for key in ("core", "hidden_size", "embedding_size")}
    space = gymnasium.spaces.Discrete(task.observation_size)
    policies["no source"] = ActorCritic(space, agent.env.single_action_space, critic="none", **sizes), None
    odds = 1 / (float(test.lengths.mean()) - 1)  # odds of the end token against all others
    for policy, _ in policies.values():
        policy.eval()
        with torch.no_grad():
            policy.actor.output.weight.zero_()
            policy.actor.output.bias.zero_()
            policy.actor.output.bias[task.end_token] = math.log(odds * (task.vocabulary_size - 1))
    tokens = {name: written(policy, task, n, answered) for name, (policy, answered) in policies.items()}
    seconds = harness.alternate(
        {name: lambda p=p, a=a: written(p, task, n, a) for name, (p, a) in policies.items()}, repeats
    )
    rows = []
    for name, found in seconds.items():
        rates = [tokens[name] / s for s in found]
        rows.append(harness.summarize("speed", "sampling", name, "tokens a second", rates))
        without = [tokens["no source"] / s for s in seconds["no source"]]
        shares = [rate / other for rate, other in zip(rates, without, strict=True)]
        if name != "no source":
            rows.append(harness.summarize("speed", "sampling", name, "of the speed without a source", shares))
    return rows


def main() -> None:
    """Measure, save, draw."""
    given = harness.parser(__doc__, seeds=3)
    given.add_argument("--budget", type=float, default=40.0, metavar="S", help="CPU-seconds of a training (40)")
    given.add_argument("--jobs", type=int, default=1, metavar="N", help="number of parallel trainings (1)")
    common = given.parse_args()
    options: dict[str, Any] = SMALL if common.quick else {}
    seeds, budget = (1, 60) if common.quick else (common.seeds, common.budget)
    names = ["no attention", "hred"] if common.quick else [BLIND, *VARIANTS]
    rows = speed(options, *((128, 2) if common.quick else (2048, 5)))
    runs: dict[str, list[Reached]] = {name: [] for name in names}
    jobs = [Job(name, seed, budget, options, common.quick) for seed in range(seeds) for name in names]
    with harness.progress(len(jobs), "chat") as advance:
        for job, reached in zip(jobs, harness.run_jobs(trained, jobs, common.jobs), strict=True):
            runs[job.variant].append(reached)
            harness.save("chat", [*summarized(runs, budget), *rows], common.output)
            advance(f"{job.variant}, seed {job.seed}")
    found = [*summarized(runs, budget), *rows]
    for row in found:
        print(f"{row.task:12s} {row.agent:10s} {row.variant:18s} {row.metric:30s} {row.value:12.2f}")
    picture(found, common.output / "chat.png")


def summarized(runs: dict[str, list[Reached]], budget: float) -> list[harness.Row]:
    """Return the rows of what has been trained so far."""
    rows = []
    for variant, found in runs.items():
        if not found:
            continue
        steps = int(np.mean([run.steps for run in found]))
        for metric, values in (
            ("test perplexity", [run.test for run in found]),
            ("validation perplexity", [run.validation for run in found]),
            ("parameters", [float(run.parameters) for run in found]),
        ):
            rows.append(harness.summarize("ChatReply", "mle", variant, metric, values, steps, budget))
    return rows


def picture(rows: list[harness.Row], path: Path) -> None:
    """Plot the perplexity and the speed of each variant."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
    for axis, metric, colour in zip(axes, ("test perplexity", "tokens a second"), ("#0072b2", "#e69f00"), strict=True):
        bars = [row for row in rows if row.metric == metric]
        spans = [[row.value - row.low for row in bars], [row.high - row.value for row in bars]]
        axis.barh([row.variant for row in bars], [row.value for row in bars], xerr=spans, color=colour, capsize=3)
        axis.invert_yaxis()
        axis.set_xlabel(metric)
        axis.grid(axis="x", alpha=0.3)
    lowest = min(row.low for row in rows if row.metric == "test perplexity")
    axes[0].set_xlim(left=0.8 * lowest)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
