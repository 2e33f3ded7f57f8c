"""What each memory is for: the task on which it is the right network, and an LSTM beside it.

* reverse: up to 10 letters are read and written backwards (``lhy_rl/Reverse-v0``, REINFORCE with +-1/n for each letter,
  a discount of 0); the share of strings that are right as a whole, at 10, 20 and 40 letters.
* autoencode: POPGym's AutoencodeEasy, all 52 cards backwards. It is trained in POPGym's own environment with decks cut
  to 2 to 10 cards, never 52; the return on whole decks as POPGym has them.
* dyck: up to 10 open brackets of three kinds are closed (``lhy_rl/Dyck-v0``); the share that is right at 20.
* copy: up to 10 words of 6 bits are read and written again, by maximum likelihood; the share of strings without one
  wrong bit, at 10, 20 and 30.

A run ends at its CPU-seconds, or where what it is for is reached. A cell that is in the results already is not run
again.

    python -m benchmarks.memory_networks [--quick] [--seeds 3] [--only reverse]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import MultiBinary, Space
from torch import Tensor, nn

from benchmarks import harness
from lhy_rl.agents import Reinforce
from lhy_rl.core.trees import map_tree
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.full_episodes import collect_episodes

Scores = dict[str, float]
Look = Callable[[], Scores]
BITS, LONGEST = 6, 10
RATE, LEARNED = 3e-3, 2e-4  # and nats a bit, of fresh strings, at which nothing is left to learn
LOCATIONS = 128  # of the memory: with 40, what a head finds by content depends on how much of it is written


class Clock:
    """CPU-seconds of the training alone."""

    def __init__(self, budget: float) -> None:
        self.budget, self.spent, self.begun = budget, 0.0, time.process_time()

    @property
    def over(self) -> bool:
        return self.share >= 1

    @property
    def share(self) -> float:
        """Of the seconds that are gone."""
        return (self.spent + time.process_time() - self.begun) / self.budget

    def paused(self, look: Look) -> Scores:
        """What a look at the network sees, which costs it nothing."""
        self.spent += time.process_time() - self.begun
        scores = look()
        self.begun = time.process_time()
        return scores


# ---------------------------------------------------------------------- by reinforcement
def whole(agent: Reinforce, env: Any, perfect: float = 1.0) -> tuple[float, float]:
    """The share of greedy episodes that get all there is, and the mean return."""
    agent.policy.eval()
    returns = collect_episodes(env, agent.policy, 7, agent.predict_generator, True).rewards.sum(0)
    return float((returns > perfect - 1e-3).float().mean()), float(returns.mean())


def reinforced(
    core: str, seed: int, clock: Clock, train: Any, look: Callable[[Reinforce], Scores], goal: str
) -> Scores:
    """REINFORCE without a curriculum until the goal is 0.99 twice, or the seconds are over."""
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
    """The shares at each size."""
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
        """POPGym's game with the first 2 to 10 cards of the deck, rewards adding up to 1 at best all the same."""

        def reset(self, **options: Any) -> Any:
            begun = super().reset(**options)
            self.cards = int(self.np_random.integers(2, LONGEST, endpoint=True))
            self.deck.deck_len = self.cards - 1  # one lies on the table
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
class Strings(NamedTuple):
    """Strings to read and to write: observations and answers (T, B, ...), and (T, B) which answers are asked for."""

    obs: Tensor
    answers: Tensor
    asked: Tensor


def words(n: int, batch: int, rng: np.random.Generator) -> Strings:
    """n words of bits, a mark, n steps that ask for them."""
    bits = rng.integers(0, 2, (n, batch, BITS))
    obs = np.zeros((2 * n + 1, batch, BITS + 1), np.float32)
    obs[:n, :, :BITS], obs[n, :, BITS] = bits, 1.0
    asked, answers = np.zeros((2 * n + 1, batch), bool), np.zeros((2 * n + 1, batch, BITS), np.int64)
    asked[n + 1 :], answers[n + 1 :] = True, bits
    return Strings(torch.as_tensor(obs), torch.as_tensor(answers), torch.as_tensor(asked))


def supervised(
    core: str,
    seed: int,
    clock: Clock,
    spaces: tuple[Space[Any], Space[Any]],
    draw: Callable[..., Strings],
    longest: int,
) -> tuple[ActorCritic, int]:
    """Maximum likelihood on strings of up to 3, then more and more, up to ``longest``; a policy and its gradient steps.

    A training that has not learned it after half of the seconds begins anew, with other weights, as Joulin and Mikolov
    (2015) begin theirs anew. In each half the learning rate falls to nothing, gradients are cut short, and what counts
    are the weights that were best on fresh strings of the longest.
    """
    torch.manual_seed(seed)
    rng, now, recent, steps, learned, half = np.random.default_rng(seed), 3, [9.0], 0, 0, 0
    memory = {"locations": LOCATIONS} if core == "ntm" else None

    def begin() -> tuple[ActorCritic, torch.optim.Adam]:
        policy = ActorCritic(*spaces, core=core, core_options=memory, hidden_size=100, encoder_layers=0, critic="none")
        return policy, torch.optim.Adam(policy.parameters(), RATE)

    policy, optimizer = begin()
    best, kept = float("inf"), policy.state_dict()

    def nll(strings: Strings) -> Tensor:  # nats a number that is asked for
        obs, answers, asked = strings
        start = torch.zeros_like(asked)
        start[0] = True
        evaluated = policy.evaluate(obs, answers, policy.initial_state(asked.shape[1]), start, asked)
        return -evaluated.log_prob.sum() / answers[asked].numel()

    while not steps or not clock.over:
        if half == 0 and clock.share > 0.5:
            (policy, optimizer), now, recent, half = begin(), 3, [9.0], 1
        optimizer.param_groups[0]["lr"] = RATE * max(0.02, 1 + half - 2 * clock.share)
        loss = nll(draw(int(rng.integers(1, now, endpoint=True)), 16, rng))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        steps += 1
        recent.append(float(loss.detach()))
        if now < longest and len(recent) > 30 and np.mean(recent[-30:]) < 0.05:
            now, recent = now + 1, [9.0]
        if steps % 100 == 0 or clock.over:
            with torch.no_grad():
                found = float(nll(draw(longest, 128, rng)))
            if found < best:
                best, kept = found, map_tree(torch.clone, dict(policy.state_dict()))
            learned = learned + 1 if now == longest and found < LEARNED else 0
            if learned == 3:
                break
    policy.load_state_dict(kept)
    return policy.eval(), steps


@torch.no_grad()
def written(policy: ActorCritic, strings: Strings) -> Tensor:
    """(T, B, ...) the most probable answer at each step; none depends on another."""
    state, answers = policy.initial_state(strings.asked.shape[1]), []
    for obs in strings.obs:
        answer, state = policy.act(obs, state, None, deterministic=True)
        answers.append(answer)
    return torch.stack(answers)


def share(right: Tensor, asked: Tensor) -> float:
    """The share of strings that are right, (T, B), wherever they are asked for."""
    return float((right | ~asked).all(0).float().mean())


def copy(core: str, seed: int, clock: Clock) -> Scores:
    policy, steps = supervised(core, seed, clock, (MultiBinary(BITS + 1), MultiBinary(BITS)), words, LONGEST)

    def look() -> Scores:
        scores: Scores = {}
        for n in (10, 20, 30):
            test = words(n, 64, np.random.default_rng(1))
            scores[f"exact at {n}"] = share((written(policy, test) == test.answers).all(-1), test.asked)
        return scores

    return {**clock.paused(look), "parameters": sum(p.numel() for p in policy.parameters()), "steps": steps}


CELLS: list[tuple[str, str, Callable[[str, int, Clock], Scores], float]] = [
    ("reverse", "stack_rnn", reverse, 25.0),
    ("copy", "ntm", copy, 60.0),
    ("reverse", "lstm", reverse, 15.0),
    ("dyck", "stack_rnn", dyck, 30.0),
    ("copy", "lstm", copy, 60.0),
    ("dyck", "lstm", dyck, 20.0),
    ("autoencode", "stack_rnn", autoencode, 90.0),
    ("autoencode", "lstm", autoencode, 60.0),
]


def picture(rows: list[harness.Row], path: Path) -> None:
    """A bar for each network and score, with the interval over the seeds."""
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
    """Run the cells that are not there yet; save after each."""
    parser = harness.parser(__doc__, seeds=3)
    parser.add_argument("--only", choices=sorted({name for name, *_ in CELLS}), help="this task alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = 1 if options.quick else options.seeds
    path = options.output / "memory_networks.json"
    rows = harness.load("memory_networks", options.output) if path.exists() and not options.quick else []
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
