"""Each memory on the task that it suits, beside an LSTM.

* reverse: up to 10 letters are read and written backwards (``lhy_rl/Reverse-v0``, REINFORCE with +-1/n for each letter,
  a discount of 0); the share of strings that are right as a whole, at 10, 20 and 40 letters.
* autoencode: POPGym's AutoencodeEasy, all 52 cards backwards. It is trained in POPGym's own environment with decks cut
  to 2 to 10 cards, never 52; the return on whole decks as POPGym has them.
* dyck: up to 10 open brackets of three kinds are closed (``lhy_rl/Dyck-v0``); the share that is right at 20.
* copy: up to 10 words of 6 bits are read and written again, by maximum likelihood; the share of strings without one
  wrong bit, at 10, 20 and 30.
* repeat copy: up to 5 words of 6 bits and a number up to 5 are read, and the words are written that often and then an
  end, by maximum likelihood; the share without one wrong bit at 5 words 5 times, with more words and more often.

A run ends after its CPU-seconds, or when its target is reached. Results that exist already are not computed again.

    python -m benchmarks.memory_networks [--quick] [--seeds 3] [--only reverse]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, MultiBinary

from benchmarks import harness
from benchmarks.strings import BITS, Clock, Scores, Strings, repeated, share, supervised, words, written
from lhy_rl.agents import Reinforce
from lhy_rl.rollouts.full_episodes import collect_episodes

LONGEST = 10
WORDS = 5  # most words, and most repetitions, of repeat copy
LOCATIONS = 128  # rows of the memory: with 40, addressing by content depends on how much of it is written


# ---------------------------------------------------------------------- by reinforcement
def whole(agent: Reinforce, env: Any, perfect: float = 1.0) -> tuple[float, float]:
    """Return the share of greedy episodes with the full return, and the mean return."""
    agent.policy.eval()
    returns = collect_episodes(env, agent.policy, 7, agent.predict_generator, True).rewards.sum(0)
    return float((returns > perfect - 1e-3).float().mean()), float(returns.mean())


def reinforced(
    core: str, seed: int, clock: Clock, train: Any, look: Callable[[Reinforce], Scores], goal: str
) -> Scores:
    """Train by REINFORCE without a curriculum until the goal has been 0.99 twice, or the seconds are spent."""
    agent = Reinforce(
        train, core=core, embedding_size=16, hidden_size=32, learning_rate=0.005, gamma=0.0, baseline="critic",
        critic="shared", entropy_coef=0.01, max_grad_norm=1.0, seed=seed,
    )  # fmt: skip
    scores: Scores = {}
    solved = 0
    while not scores or (not clock.over and solved < 2):
        agent.learn(100 * 64 * 12, reset_num_timesteps=False, callback=lambda *_: not clock.over)
        scores = clock.paused(lambda: look(agent))
        solved = solved + 1 if scores[goal] >= 0.99 else 0
    return {**scores, "parameters": sum(p.numel() for p in agent.policy.parameters()), "steps": agent.num_timesteps}


def exact_at(agent: Reinforce, tests: dict[int, Any]) -> Scores:
    """Return the share of right strings at each size."""
    return {f"exact at {n}": whole(agent, env)[0] for n, env in tests.items()}


def reverse(core: str, seed: int, clock: Clock) -> Scores:
    def make(least: int, most: int) -> Any:
        return gymnasium.make_vec("lhy_rl/Reverse-v0", num_envs=64, min_length=least, max_length=most, num_symbols=4)

    tests = {n: make(n, n) for n in (10, 20, 40)}
    return reinforced(core, seed, clock, make(1, 10), lambda agent: exact_at(agent, tests), "exact at 40")


def dyck(core: str, seed: int, clock: Clock) -> Scores:
    def make(least: int, most: int) -> Any:
        return gymnasium.make_vec(
            "lhy_rl/Dyck-v0", num_envs=64, min_depth=least, max_depth=most, max_pairs=5, num_kinds=3
        )

    tests = {n: make(n, n) for n in (10, 20)}
    return reinforced(core, seed, clock, make(1, 10), lambda agent: exact_at(agent, tests), "exact at 20")


def autoencode(core: str, seed: int, clock: Clock) -> Scores:
    from popgym.envs.autoencode import AutoencodeEasy

    class CutDeck(AutoencodeEasy):  # type: ignore[misc]
        """POPGym's game with the first 2 to 10 cards of the deck; the best return is still 1."""

        def reset(self, **options: Any) -> Any:
            begun = super().reset(**options)
            self.cards = int(self.np_random.integers(2, LONGEST, endpoint=True))
            self.deck.deck_len = self.cards - 1  # one card lies on the table
            return begun

        def step(self, action: Any) -> Any:
            obs, reward, *rest = super().step(action)
            return obs, reward * self.deck.num_cards / self.cards, *rest

    def make(kind: Any) -> Any:
        return gymnasium.vector.SyncVectorEnv([kind] * 64, autoreset_mode="SameStep")

    full = make(AutoencodeEasy)
    return reinforced(
        core, seed, clock, make(CutDeck), lambda agent: {"return on 52 cards": whole(agent, full)[1]},
        "return on 52 cards",
    )  # fmt: skip


# ---------------------------------------------------------------------- by maximum likelihood
def memory_of(core: str) -> dict[str, Any] | None:
    """Return the options of a network with rows of memory."""
    return {"locations": LOCATIONS} if core == "ntm" else None


def copy(core: str, seed: int, clock: Clock) -> Scores:
    spaces = MultiBinary(BITS + 1), MultiBinary(BITS)
    policy, steps = supervised(core, seed, clock, spaces, words, LONGEST, memory_of(core))

    def look() -> Scores:
        scores: Scores = {}
        for n in (10, 20, 30):
            test = words(n, 64, np.random.default_rng(1))
            scores[f"exact at {n}"] = share((written(policy, test) == test.answers).all(-1), test.asked)
        return scores

    return {**clock.paused(look), "parameters": sum(p.numel() for p in policy.parameters()), "steps": steps}


def repeat_copy(core: str, seed: int, clock: Clock) -> Scores:
    spaces = Box(0.0, np.inf, (BITS + 1,)), MultiBinary(BITS + 1)
    options, hidden_size = ({"locations": 64}, 100) if core == "ntm" else (None, 70)  # about as many weights

    def draw(n: int, batch: int, rng: np.random.Generator) -> Strings:  # first the maximum, which sets the length
        return repeated(n, batch, rng, 1, max(rng.integers(1, WORDS, 2, endpoint=True)))

    policy, steps = supervised(
        core, seed, clock, spaces, draw, WORDS, options,
        fresh=repeated, hidden_size=hidden_size, batch=32, curriculum=False,
    )  # fmt: skip

    def look() -> Scores:
        scores: Scores = {}
        for n, times in ((WORDS, WORDS), (2 * WORDS, WORDS), (WORDS, WORDS + 1), (WORDS, 2 * WORDS)):
            test = repeated(n, 128, np.random.default_rng(1), times, times)
            scores[f"exact at {n} x {times}"] = share((written(policy, test) == test.answers).all(-1), test.asked)
        return scores

    return {**clock.paused(look), "parameters": sum(p.numel() for p in policy.parameters()), "steps": steps}


CELLS: list[tuple[str, str, Callable[[str, int, Clock], Scores], float]] = [
    ("reverse", "stack_rnn", reverse, 25.0),
    ("copy", "ntm", copy, 60.0),
    ("reverse", "lstm", reverse, 15.0),
    ("dyck", "stack_rnn", dyck, 30.0),
    ("copy", "lstm", copy, 60.0),
    ("dyck", "lstm", dyck, 20.0),
    ("repeat copy", "ntm", repeat_copy, 200.0),
    ("repeat copy", "lstm", repeat_copy, 200.0),
    ("autoencode", "stack_rnn", autoencode, 90.0),
    ("autoencode", "lstm", autoencode, 60.0),
]


def picture(rows: list[harness.Row], path: Path) -> None:
    """Plot a bar for each network and score, with the interval over the seeds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    scores = [row for row in rows if row.metric != "parameters"]
    tasks = list(dict.fromkeys(row.task for row in scores))
    figure, axes = plt.subplots(1, len(tasks), figsize=(4.2 * len(tasks), 3.2), squeeze=False)
    for axis, name in zip(axes[0], tasks, strict=True):
        bars = [row for row in scores if row.task == name]
        labels = [f"{row.agent}\n{row.metric.replace('exact ', '')}" for row in bars]
        spans = [[row.value - row.low for row in bars], [row.high - row.value for row in bars]]
        colours = ["0.7" if row.agent == "lstm" else "#0072b2" for row in bars]
        axis.bar(labels, [row.value for row in bars], yerr=spans, color=colours, capsize=3)
        axis.set_title(name, fontsize=10)
        axis.tick_params(axis="x", labelsize=6)
        axis.set_ylim(min(0.0, *(row.low for row in bars)), 1.05)
    axes[0, 0].set_ylabel("share that is right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Run the cells without stored results, and save after each."""
    parser = harness.parser(__doc__, seeds=3)
    parser.add_argument("--only", choices=sorted({name for name, *_ in CELLS}), help="task to run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = 1 if options.quick else options.seeds
    rows = [] if options.quick else harness.load("memory_networks", options.output)
    cells = [cell for cell in CELLS if options.only in (None, cell[0])]
    if options.quick:
        cells = [cell for cell in cells if cell[0] != "autoencode" and cell[1] in ("stack_rnn", "ntm")]
    for name, network, run, budget in cells:
        if any((row.task, row.agent) == (name, network) for row in rows):
            continue
        found: dict[str, list[float]] = {}
        seconds = []
        for seed in range(seeds):
            clock = Clock(0.2 if options.quick else budget)
            scores = run(network, seed, clock)
            seconds.append(clock.spent)
            for metric, value in scores.items():
                found.setdefault(metric, []).append(value)
            print(f"{name:10s} {network:10s} seed {seed} {clock.spent:5.1f} s", scores, flush=True)
        steps = int(np.mean(found.pop("steps"))) if "steps" in found else None
        for metric, values in found.items():
            variant = "" if metric == "parameters" else "seeds: " + ", ".join(f"{value:.3g}" for value in values)
            rows.append(harness.summarize(name, network, variant, metric, values, steps, float(np.mean(seconds))))
        harness.save("memory_networks", rows, options.output)
        picture(rows, options.output / "memory_networks.png")


if __name__ == "__main__":
    main()
