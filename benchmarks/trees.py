"""The value of a tree (TreeCalc): networks that follow the tree against an LSTM that reads the expression as a string.

Every network clones (`bc`) the same 20,000 answers of the scripted expert, to trees of depth 1 to 4, for the same
CPU-seconds of one thread, gradient steps and held-out evaluations together; then it answers 2,000 fresh trees of depth
4 and of depth 6, which no training had. Of the unary operators a third of the pairs of neighbours is held out, and the
test trees have no others (`--seconds 5`, because they are small). `mean` is a bag of words: the mean of the tokens'
vectors. The tree encoders have layer normalisation, all of them gradients of norm 1 at most; options were chosen on
seed 100, those of the matrix-vector network on seeds 100 to 107.

    python -m benchmarks.trees [--quick] [--seeds 3] [--seconds 10] [--only PATTERN]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

import lhy_rl  # noqa: F401  (registers the environments)
from benchmarks.harness import Row, chosen, learned_for, load, parser, progress, save, summarize
from lhy_rl.agents import BC
from lhy_rl.core.trees import map_tree
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.envs.reasoning.expressions import CALCULI

NAME, TREE_CALC = "trees", "lhy_rl/TreeCalc-v0"
TRAINED, TESTED = (1, 4), (4, 6)
TREES, TEST_TREES = 20_000, 2_000
SPLITS = {"unary": ("train", "test")}
"""Trees of the training and of the test, for variants in which they differ."""


def tree(encoder: str, size: int) -> dict[str, Any]:
    """Return the options of a tree encoder."""
    return {"encoder": encoder, "embedding_size": size, "norm": "layer"}


def string(encoder: str, size: int) -> dict[str, Any]:
    """Return the options of a source encoder that reads the string."""
    return {"source_encoder": encoder, "source_size": size, "attention": "none", "embedding_size": 1}


NETWORKS: dict[str, dict[str, Any]] = {
    "rntn, 16 wide": tree("rntn", 16),
    "mv_rnn, 16 wide": {**tree("mv_rnn", 16), "learning_rate": 1e-2, "weight_decay": 0.5},
    "recursive, 16 wide": tree("recursive", 16),
    "recursive, 64 wide": tree("recursive", 64),
    "lstm on the string, 128 wide": string("lstm", 128),
    "mean of the string, 128 wide": string("mean", 128),
}
WANTED = {
    ("rntn, 16 wide", "accuracy at depth 4"): "wanted: 0.95",
    ("rntn, 16 wide", "accuracy at depth 6"): "wanted: 0.85",
    ("mv_rnn, 16 wide", "accuracy at depth 4"): "wanted: 0.95",
    ("mv_rnn, 16 wide", "accuracy at depth 6"): "wanted: 0.85",
    ("lstm on the string, 128 wide", "accuracy at depth 6"): "wanted: 0.2 below the tree's",
}


def make(variant: str, string_observed: bool, num_envs: int, depths: tuple[int, int], testing: bool = False) -> Any:
    """Make environments with trees of these depths."""
    split = SPLITS.get(variant, ("all", "all"))[testing]
    return gymnasium.make_vec(
        TREE_CALC, num_envs=num_envs, autoreset_mode="SameStep", variant=variant, min_depth=depths[0],
        max_depth=depths[1], split=split, observation="string" if string_observed else "table",
    )  # fmt: skip


def demonstrations(variant: str, string_observed: bool, count: int, seed: int) -> Demonstrations:
    """Record the scripted expert's answers to trees of the training depths."""
    envs = make(variant, string_observed, count, TRAINED)
    obs, _ = envs.reset(seed=seed)
    answers = envs.unwrapped.expert_action()
    rows = [map_tree(lambda x, i=i: x[[i, i]], obs) for i in range(count)]  # observations before and after the answer
    episodes = [Episode(row, answers[i : i + 1], np.ones(1), True, False) for i, row in enumerate(rows)]
    return Demonstrations(episodes, envs.single_observation_space, envs.single_action_space, {"env_id": TREE_CALC})


def accuracy(agent: Any, variant: str, string_observed: bool, depth: int, count: int) -> float:
    """Return the share of right answers on fresh trees of this depth."""
    envs = make(variant, string_observed, count, (depth, depth), testing=True)
    obs, _ = envs.reset(seed=10_000 + depth)
    answers, _ = agent.predict(obs, deterministic=True)
    return float((answers == envs.unwrapped.expert_action()).mean())


def one(variant: str, options: dict[str, Any], seed: int, seconds: float, count: int, tested: int) -> dict[str, float]:
    """Train and test one network: metric to value."""
    torch.set_num_threads(1)
    string_observed = "source_encoder" in options
    known = demonstrations(variant, string_observed, count, 1000 + seed)

    def make_agent() -> Any:
        shared = {"learning_rate": 3e-3, "max_grad_norm": 1.0, "held_out": 0.02, **options}
        shared["gradient_steps"] = 100 if seconds > 1 else 5
        return BC(make(variant, string_observed, 1, TRAINED), demonstrations=known, core=None, seed=seed, **shared)

    agent, taken = learned_for(seconds, make_agent)
    found = {f"accuracy at depth {d}": accuracy(agent, variant, string_observed, d, tested) for d in TESTED}
    weights = float(sum(p.numel() for p in agent.policy.parameters()))
    return {**found, "weights": weights, "steps": float(agent.num_timesteps), "seconds": taken}


def rows_of(variant: str, network: str, results: Sequence[dict[str, float]]) -> list[Row]:
    """Return a row for each metric."""
    steps, seconds = (float(np.mean([result[name] for result in results])) for name in ("steps", "seconds"))
    return [
        summarize(
            variant, "bc", network, metric, [result[metric] for result in results], round(steps), seconds,
            WANTED.get((network, metric), ""),
        )
        for metric in results[0]
        if metric not in ("steps", "seconds")
    ]  # fmt: skip


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--seconds", type=float, default=10.0, metavar="S", help="CPU-seconds of each training (10)")
    command.add_argument("--only", default="*", metavar="PATTERN", help="networks to run")
    command.add_argument("--variants", default="arithmetic,lists", metavar="NAMES", help="variants of the environment")
    command.add_argument("--first-seed", type=int, default=0, metavar="N", help="first seed (0)")
    args = command.parse_args()
    variants, seeds, seconds = chosen(NAME, CALCULI, args.variants, ","), args.seeds, args.seconds
    networks = {name: NETWORKS[name] for name in chosen(NAME, NETWORKS, args.only)}
    count, tested = TREES, TEST_TREES
    if args.quick:
        variants, seeds, seconds, count, tested = ["arithmetic"], 1, 0.2, 200, 100
        networks = {name: NETWORKS[name] for name in ("rntn, 16 wide", "lstm on the string, 128 wide")}
    kept = [] if args.quick else load(NAME, args.output)
    rows = [row for row in kept if row.task not in variants or row.variant not in networks]
    with progress(len(variants) * len(networks) * seeds, NAME) as advance:
        for variant in variants:
            for network, options in networks.items():
                results = []
                for seed in range(args.first_seed, args.first_seed + seeds):
                    results.append(one(variant, options, seed, seconds, count, tested))
                    numbers = ", ".join(f"{metric} {value:.4g}" for metric, value in results[-1].items())
                    print(f"{variant}, {network}, seed {seed}: {numbers}", flush=True)
                    advance(f"{variant}, {network}")
                rows += rows_of(variant, network, results)
                save(NAME, rows, args.output)
    draw(rows, args.output)


def draw(rows: Sequence[Row], folder: Path) -> None:
    """Plot each network's accuracy at both depths."""
    import matplotlib.pyplot as plt

    variants = list(dict.fromkeys(row.task for row in rows))
    networks = [network for network in NETWORKS if any(row.variant == network for row in rows)][::-1]
    figure, axes = plt.subplots(1, len(variants), figsize=(3 + 3.4 * len(variants), 3.2), sharey=True, squeeze=False)
    for ax, variant in zip(axes[0], variants, strict=True):
        for k, (depth, colour) in enumerate(zip(TESTED, ("#56b4e9", "#e69f00"), strict=True)):
            mine = [row for row in rows if row.task == variant and row.metric == f"accuracy at depth {depth}"]
            values, lows, highs = (np.array([getattr(row, name) for row in mine]) for name in ("value", "low", "high"))
            places = np.array([networks.index(row.variant) for row in mine]) + 0.4 * (0.5 - k)
            label = f"depth {depth}" + (", never trained" if depth > TRAINED[1] else "")
            ax.barh(places, values, 0.4, xerr=[values - lows, highs - values], color=colour, capsize=2, label=label)
        ax.set_yticks(np.arange(len(networks)), networks)
        ax.axvline(0.2, color="black", linewidth=0.8, linestyle=":")
        ax.set(title=variant, xlabel="share of values right", xlim=(0, 1.02))
    axes[0][0].legend(loc="lower right", fontsize=7)
    figure.tight_layout()
    figure.savefig(folder / f"{NAME}.png", dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
