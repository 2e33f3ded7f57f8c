"""Answers from stories (BabiRoom): a memory network of one to three hops against an LSTM.

Every network clones (`bc`) the same 10,000 stories of the scripted expert, as bags of words, for the same CPU-seconds
of one thread, and answers the questions of 1,000 held-out stories. Options were chosen on seed 100.

The picture shows what each hop reads in a story of three facts: the attention to each sentence at the last question.

    python -m benchmarks.babi [--quick] [--seeds 3] [--only PATTERN] [--facts 1,2,3]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

import lhy_rl  # noqa: F401  (registers the environments)
from benchmarks.drive import recorded
from benchmarks.harness import chosen, learned_for, load, parser, progress, save, summarize
from lhy_rl.agents import BC
from lhy_rl.nn.backbones.memory_network import MemoryNetwork

NAME, BABI_ROOM = "babi", "lhy_rl/BabiRoom-v0"
STORIES, TEST_STORIES = 10_000, 1_000
SECONDS = {1: 3.0, 2: 8.0, 3: 12.0}
"""Number of facts to the CPU-seconds of a training."""


def memory(hops: int) -> dict[str, Any]:
    """Return the options of a memory network."""
    options = {"core": "memory_network", "num_layers": hops, "hidden_size": 32, "learning_rate": 0.01}
    return options | {"encoder_layers": 0}


LSTM: dict[str, Any] = {"core": "lstm", "hidden_size": 64, "learning_rate": 3e-3, "encoder_layers": 0}
NETWORKS: dict[int, dict[str, dict[str, Any]]] = {
    1: {"memory_network, 1 hop": memory(1), "lstm": LSTM},
    2: {"memory_network, 1 hop": memory(1), "memory_network, 2 hops": memory(2), "lstm": LSTM},
    3: {"memory_network, 2 hops": memory(2), "memory_network, 3 hops": memory(3), "lstm": LSTM},
}
WANTED = {
    (1, "memory_network, 1 hop"): "wanted: 0.99",
    (2, "memory_network, 2 hops"): "wanted: 0.95",
    (2, "memory_network, 1 hop"): "wanted: at most 0.7",
    (2, "lstm"): "wanted: 0.2 below two hops",
    (3, "memory_network, 3 hops"): "wanted: 0.8",
}


def options_of(facts: int) -> dict[str, Any]:
    """Return the options of the environment."""
    return {"num_facts": facts, "observation": "bag"}


def accuracy(agent: Any, facts: int, count: int) -> float:
    """Return the share of right answers in held-out stories."""
    envs = gymnasium.make_vec(
        BABI_ROOM, num_envs=count, autoreset_mode="SameStep", split="test", **options_of(facts)
    )  # fmt: skip
    obs, _ = envs.reset(seed=10_000)
    memory, start, over = None, np.ones(count, bool), np.zeros(1, bool)
    while not over.any():
        answers, memory = agent.predict(obs, memory, start, deterministic=True)
        obs, _, over, _, infos = envs.step(answers)
        start = np.zeros(count, bool)
    return float(infos["final_info"]["accuracy"].mean())


def train(facts: int, options: dict[str, Any], seed: int, seconds: float, count: int) -> tuple[Any, float]:
    """Train an agent; return it and the CPU-seconds of its training."""
    torch.set_num_threads(1)
    known = recorded(BABI_ROOM, count, 1000 + seed, **options_of(facts))

    def make_agent() -> Any:
        shared = {"batch_size": 640, "max_grad_norm": 1.0, "held_out": 0.02, "embedding_size": 32, **options}
        shared["gradient_steps"] = 50 if seconds > 1 else 5
        env = gymnasium.make_vec(BABI_ROOM, num_envs=1, autoreset_mode="SameStep", **options_of(facts))
        return BC(env, demonstrations=known, seed=seed, **shared)

    return learned_for(seconds, make_agent)


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERN", help="networks to train")
    command.add_argument(
        "--facts", default="1,2,3", metavar="NUMBERS", help="tasks to train on, by their numbers of facts"
    )
    command.add_argument("--first-seed", type=int, default=0, metavar="N", help="first seed (0)")
    args = command.parse_args()
    tasks = [int(facts) for facts in chosen(NAME, [str(facts) for facts in NETWORKS], args.facts, ",")]
    seeds, count, tested = args.seeds, STORIES, TEST_STORIES
    if args.quick:
        tasks, seeds, count, tested = [2], 1, 100, 50
    networks = chosen(NAME, dict.fromkeys(network for facts in tasks for network in NETWORKS[facts]), args.only)
    cells = [
        (facts, network, options)
        for facts in tasks
        for network, options in NETWORKS[facts].items()
        if network in networks
    ]
    kept = [] if args.quick else load(NAME, args.output)
    made = {(task_of(facts), network) for facts, network, _ in cells}
    rows = [row for row in kept if (row.task, row.variant) not in made]
    with progress(len(cells) * seeds, NAME) as advance:
        for facts, network, options in cells:
            seconds = 0.2 if args.quick else SECONDS[facts]
            found, steps, taken = [], [], []
            for seed in range(args.first_seed, args.first_seed + seeds):
                agent, spent = train(facts, options, seed, seconds, count)
                found.append(accuracy(agent, facts, tested))
                steps.append(agent.num_timesteps)
                taken.append(spent)
                print(f"{task_of(facts)}, {network}, seed {seed}: {found[-1]:.4f}, {spent:.1f} s", flush=True)
                advance(f"{task_of(facts)}, {network}")
                if seed == args.first_seed and network.startswith("memory") and facts in (3, tasks[-1]):
                    draw(agent, facts, args.output)  # the last one has the most hops
            wanted = WANTED.get((facts, network), "")
            mean_steps, mean_taken = round(float(np.mean(steps))), float(np.mean(taken))
            rows.append(summarize(task_of(facts), "bc", network, "accuracy", found, mean_steps, mean_taken, wanted))
            rows.sort(key=lambda row: (row.task, row.variant))
            save(NAME, rows, args.output)


def task_of(facts: int) -> str:
    """Return the name of a task."""
    return f"{facts} fact{'s' if facts > 1 else ''}"


def reading(agent: Any, facts: int, seed: int) -> tuple[list[str], np.ndarray, str]:
    """Return a story's lines, the right answer, and the attention (hops, lines) of the question, the last line, to the
    lines before it."""
    envs = gymnasium.make_vec(BABI_ROOM, num_envs=1, split="test", text=True, **options_of(facts))
    obs, infos = envs.reset(seed=seed)
    lines, observed, over = [], [], np.zeros(1, bool)
    while not over.any():
        lines.append(str(infos["text"][0]))
        observed.append(torch.as_tensor(obs))
        answer = int(envs.unwrapped.expert_action()[0])  # type: ignore[attr-defined]
        obs, _, over, _, infos = envs.step(np.array([answer]))
    core = agent.policy.trunk.core
    assert isinstance(core, MemoryNetwork)
    start = torch.zeros(len(lines), 1, dtype=torch.bool)
    with torch.no_grad():
        x = agent.policy.trunk.encoder(torch.stack(observed))
        _, weights, _ = core.attend(x, core.initial_state(1), start)
    return lines, weights[:, -1, 0].numpy(), envs.unwrapped._names[answer]  # type: ignore[attr-defined]


def draw(agent: Any, facts: int, folder: Path) -> None:
    """Plot the attention of each hop in two stories."""
    import matplotlib.pyplot as plt

    stories: Sequence[int] = (0, 1)
    figure, axes = plt.subplots(1, len(stories), figsize=(6.4 * len(stories), 5.2))
    for ax, seed in zip(axes, stories, strict=True):
        lines, weights, answer = reading(agent, facts, seed)
        ax.imshow(weights.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        ax.set_yticks(np.arange(len(lines) - 1), lines[:-1], fontsize=8)
        ax.set_xticks(np.arange(len(weights)), [f"hop {k + 1}" for k in range(len(weights))])
        for line, hop in zip(*np.nonzero(weights.T > 0.1), strict=True):
            ink = "white" if weights[hop, line] > 0.5 else "black"
            ax.text(hop, line, f"{weights[hop, line]:.2f}", ha="center", va="center", fontsize=8, color=ink)
        ax.set_title(f"{lines[-1]} ({answer})", fontsize=10)
    figure.tight_layout()
    figure.savefig(folder / f"{NAME}.png", dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
