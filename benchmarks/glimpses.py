"""GlyphGlimpse: does a policy look where the digit is, and how much does the look help?

A blurred digit of MNIST stands somewhere on a canvas, and is sharp only around the place that was looked at last.
DAgger learns from the scripted expert, which knows the digit and looks at it once. It is compared with the same
training with the look at a random place (`random place`), at the middle (`middle`), without a look (`no look`), and
with everything sharp (`all sharp`). PPO learns from the rewards alone, from the same network's random weights, with
five times as many steps. 2,000 episodes with test digits, most probable actions; `nearest place`: how often the first
look was at the place nearest to the digit. Options were chosen on seed 100 and the digits for validation.

    python -m benchmarks.glimpses [--quick] [--seeds 3] [--only PATTERN]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Row, parser, run_cases, summarize
from lhy_rl.agents import PPO, DAgger
from lhy_rl.envs.vision.glyph_glimpse import CLASSES, GlyphGlimpse

NAME, TESTED = "glimpses", 2000
NETWORK = {"encoder": "cnn_small", "core": None, "embedding_size": 128, "norm": "batch"}
ASKED = {"learning_rate": 2e-3, "batch_size": 128, "n_steps": 64, "gradient_steps": 100}
REWARDED = {"learning_rate": 1e-3, "batch_size": 256, "n_steps": 16, "n_epochs": 3, "gamma": 0.99}
STEPS = {"dagger": 20_480, "ppo": 102_400}
WITHOUT = {"look where it is": {}, "random place": {}, "middle": {"places": 1}, "no look": {"looks": 0}}
WITHOUT |= {"all sharp": {"places": 0}}
WANTED = {("ppo", "look where it is"): "random actions: 0.07; expert: 0.98"}


class LooksAnywhere(GlyphGlimpse):
    """The task with an expert that does not know where the digit is."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.places_drawn = np.random.default_rng(0)

    def expert_action(self) -> np.ndarray:
        drawn = CLASSES + self.places_drawn.integers(self.places**2, size=self.num_envs)
        return np.where(self.snapshot()["state"]["looks"] == 0, drawn, super().expert_action())


def environment(variant: str, difficulty: str, num_envs: int, split: str = "train") -> GlyphGlimpse:
    """Make the environment of a variant."""
    kind, mode = LooksAnywhere if variant == "random place" else GlyphGlimpse, "SameStep" if split == "train" else None
    return kind(num_envs, difficulty, split, autoreset_mode=mode or "NextStep", **WITHOUT[variant])


def judged(agent: Any, variant: str, difficulty: str, count: int, split: str) -> dict[str, float]:
    """Evaluate over so many episodes: metric to value."""
    envs = environment(variant, difficulty, count, split)
    obs, _ = envs.reset(seed=10_000)
    rng, over = np.random.default_rng(10_000), np.zeros(count, bool)
    total, looks, right, nearest = (np.zeros(count) for _ in range(4))
    best = GlyphGlimpse.expert_action(envs)
    for step in range(envs.looks + 2):
        actions = np.asarray(agent.predict(obs, deterministic=True)[0])
        if variant == "random place" and step == 0:
            actions = CLASSES + rng.integers(envs.places**2, size=count)
        state = envs.snapshot()["state"]
        right += ~over & (actions == state["label"])
        looks += ~over & (actions >= CLASSES)
        if step == 0:
            nearest = (actions == best) & (actions >= CLASSES)
        obs, rewards, terminated, _, _ = envs.step(actions)
        total += np.where(over, 0, rewards)
        over |= terminated
    envs.close()
    found = {"accuracy": right, "return": total, "looks": looks, "nearest place": nearest}
    return {metric: float(values.mean()) for metric, values in found.items()}


def run(agent: str, variant: str, difficulty: str, seed: int, size: float, split: str) -> dict[str, float]:
    """Train and evaluate an agent: metric to value."""
    make: Callable[..., Any] = PPO if agent == "ppo" else DAgger
    options: dict[str, Any] = REWARDED if agent == "ppo" else ASKED | {"stochastic": variant == "random place"}
    if size < 1:
        options |= {"n_steps": 16, "batch_size": 64} | ({} if agent == "ppo" else {"gradient_steps": 5})
    begun = time.process_time()
    options = NETWORK | ({"norm": "layer"} if agent == "ppo" else {}) | options
    learner = make(environment(variant, difficulty, 64), seed=seed, device="cpu", **options)
    learner.learn(max(1024, round(size * STEPS[agent])))
    seconds = time.process_time() - begun
    return judged(learner, variant, difficulty, TESTED if size == 1 else 100, split) | {"seconds": seconds}


RUNS = [
    *((f"glimpses, {difficulty}", "dagger", variant) for difficulty in ("easy", "medium") for variant in WITHOUT),
    ("glimpses, easy", "ppo", "look where it is"),
]


def rows_of(case: str, results: Sequence[dict[str, float]]) -> list[Row]:
    """Return a row for each metric."""
    task, agent, variant = case.split("/")
    seconds, wanted = float(np.mean([result["seconds"] for result in results])), WANTED.get((agent, variant), "")
    return [
        summarize(
            task, agent, variant, metric, [result[metric] for result in results], STEPS[agent], seconds,
            wanted if metric == "return" else "",
        )
        for metric in results[0]
    ]  # fmt: skip


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERN", help="cases to run, such as *easy/ppo/*")
    command.add_argument("--first-seed", type=int, default=0, metavar="N", help="first seed (0)")
    command.add_argument("--judged-by", default="test", metavar="SPLIT", help="test, or validation to choose options")
    args = command.parse_args()
    torch.set_num_threads(1)
    size = 0.01 if args.quick else 1.0
    cases = {
        "/".join([task, agent, variant]): partial(
            run, agent, variant, task.split(", ")[1], size=size, split=args.judged_by
        )
        for task, agent, variant in RUNS
        if task.endswith("easy") or not args.quick
    }
    run_cases(NAME, cases, rows_of, args)


if __name__ == "__main__":
    main()
