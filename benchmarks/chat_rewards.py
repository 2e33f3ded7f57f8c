"""ChatReply: a reward for every token beside the same reward at the end.

REINFORCE, from random weights, learns to reply to chatterbot-english in words that belong to those of the question
(`reward="relevance"`), which is given with the last token, or token by token as the difference that the token makes.
The sums are the same, and so is the best policy. Both with the mean of the batch as a baseline, at the same learning
rates. A return is the mean over the last tenth of the training's episodes so far.

    python -m benchmarks.chat_rewards [--quick] [--seeds 3]
"""

from __future__ import annotations

import time
from pathlib import Path

import gymnasium
import numpy as np
import torch

import lhy_rl  # noqa: F401  (registers)
from benchmarks import harness
from lhy_rl.agents import Reinforce

TASK, THRESHOLD = "ChatReply", 0.2
RATES = (0.003, 0.01)
PLACES = {"end": "reward at the end", "token": "reward for every token"}
SIZES = {"core": "gru", "hidden_size": 64, "embedding_size": 32, "source_encoder": "mean", "attention": "none"}


def curve(place: str, rate: float, seed: int, steps: int) -> np.ndarray:
    """Train, and return (U, 3) steps, mean return and CPU-seconds after each update."""
    env = gymnasium.make_vec(
        "lhy_rl/ChatReply-v0", num_envs=32, corpus="chatterbot-english", vocabulary_size=200, drop_unknown=False,
        reward="relevance", reward_at=place,
    )  # fmt: skip
    agent = Reinforce(env, seed=seed, learning_rate=rate, critic="none", **SIZES)  # type: ignore[arg-type]
    found, begun = [], time.process_time()
    while agent.num_timesteps < steps:
        metrics = agent.update()
        found.append((agent.num_timesteps, metrics["rollout/ep_rew_mean"], time.process_time() - begun))
    return np.array(found)


def smoothed(found: np.ndarray) -> np.ndarray:
    """Return (U,) the mean over the last tenth of the updates so far."""
    width = max(len(found) // 10, 1)
    padded = np.concatenate([np.full(width - 1, found[0, 1]), found[:, 1]])
    return np.convolve(padded, np.full(width, 1 / width), "valid")


def main() -> None:
    """Measure, save, draw."""
    common = harness.arguments(__doc__, seeds=3)
    torch.set_num_threads(1)
    seeds, steps = (1, 3_000) if common.quick else (common.seeds, 240_000)
    curves = {
        (place, rate): [curve(place, rate, seed, steps) for seed in range(seeds)] for rate in RATES for place in PLACES
    }
    rows = []
    for (place, rate), found in curves.items():
        agent, means = f"reinforce, learning rate {rate:g}", [smoothed(one) for one in found]
        seconds = float(np.mean([one[-1, 2] for one in found]))
        for share in (0.1, 0.25, 1.0):
            at = [mean[np.searchsorted(one[:, 0], share * steps) - 1] for one, mean in zip(found, means, strict=True)]
            metric = f"return after {share * steps:,.0f} steps"
            rows.append(harness.summarize(TASK, agent, PLACES[place], metric, at, int(share * steps), seconds))
        reached = [
            float(one[int((mean > THRESHOLD).argmax()), 0]) if (mean > THRESHOLD).any() else float(steps)
            for one, mean in zip(found, means, strict=True)
        ]
        rows.append(
            harness.summarize(TASK, agent, PLACES[place], f"steps to {THRESHOLD}", reached, int(steps), seconds)
        )
    harness.save("chat_rewards", rows, common.output)
    for row in rows:
        print(f"{row.agent:32s} {row.variant:24s} {row.metric:28s} {row.value:10.3f} [{row.low:.3f}, {row.high:.3f}]")
    picture(curves, common.output / "chat_rewards.png")


def picture(curves: dict[tuple[str, float], list[np.ndarray]], path: Path) -> None:
    """Plot the return during training, with a line for each seed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(RATES), figsize=(9, 3.6), sharey=True)
    for axis, rate in zip(axes, RATES, strict=True):
        for place, colour in zip(PLACES, ("#e69f00", "#0072b2"), strict=True):
            for k, found in enumerate(curves[place, rate]):
                label = PLACES[place] if k == 0 else None
                axis.plot(found[:, 0], smoothed(found), color=colour, label=label, linewidth=1.2)
        axis.set_title(f"learning rate {rate:g}")
        axis.set_xlabel("tokens")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("return")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
