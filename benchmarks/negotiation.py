"""Negotiation: PPO against each scripted bot, beside a random player and the bot itself, and the speed of the games.

PPO learns with configs/ppo/negotiation against one bot, on the training contexts, and then plays deterministically
with the same bot on all training contexts and on the held-out ones, which no training has seen, from both seats. So do
a player of random allowed moves, and the bot. The exact optima of the same contexts come from enumeration.

Speed is in moves per CPU-second of one thread, without the time of the random players: 1,024 games at once in the
batch for self-play, in moves and word by word, one game in PettingZoo's loop, and one game of OpenSpiel's bargaining,
written in C++ and called from Python (where open_spiel is installed). Each move's time includes the observation and the
action mask of the next player.

    python -m benchmarks.negotiation [--quick] [--seeds 3] [--only speed]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from lhy_rl.core.errors import pip_install
from lhy_rl.core.trees import State, take
from lhy_rl.envs.dialogue import negotiation_v0
from lhy_rl.envs.dialogue.negotiation import Negotiation
from lhy_rl.envs.dialogue.negotiation_bots import partners
from lhy_rl.envs.dialogue.negotiation_tokens import NegotiationTokens
from lhy_rl.envs.dialogue.negotiation_vs_bot import NegotiationVsBot
from lhy_rl.envs.game import BatchedGame, GameBatch
from lhy_rl.experiment import build, config

CONFIG = "ppo/negotiation"
BOTS = ("linear", "boulware", "bayesian", "hard", "random")
SPLITS = {"held_out": "held-out contexts", "train": "training contexts"}
OWN, PARTNER, JOINT = "own points", "partner's points", "joint points"
AGREED, OF_DEALS, PARETO = "agreements", "own points of a deal", "Pareto-optimal deals"
WANTED = {"linear": "wanted: 6.9"}
OPENSPIEL = "one game of OpenSpiel's bargaining, in C++"
NAMES = {"joint": "joint", "nash": "nash", "egalitarian": "egalitarian", "random_joint": "random division"}
Act = Callable[[NegotiationVsBot, State], np.ndarray]
"""A function of (environment, states in which it is the learner's turn) that returns actions."""


def played(act: Act, partner: str, split: str, games: int) -> dict[str, float]:
    """Return the mean results of a player with a bot."""
    env = NegotiationVsBot(games, partner=partner, split=split)
    rng = np.random.default_rng(2017)
    state, ends = env.initial(games, rng), []
    while len(state["seat"]):
        state = env.transition(state, act(env, state), rng)
        over = env.terminal(state)
        ends.append(env.final_info(take(state, np.flatnonzero(over))))
        state = take(state, np.flatnonzero(~over))
    final = {key: np.concatenate([end[key] for end in ends]).astype(float) for key in ends[0]}
    deals = final["agreement"] > 0
    return {
        OWN: final["own"].mean(),
        PARTNER: final["partner"].mean(),
        JOINT: final["joint"].mean(),
        AGREED: deals.mean(),
        OF_DEALS: final["own"][deals].mean(),
        PARETO: final["pareto"][deals].mean(),
    }


def bot(name: str) -> Act:
    """Return the policy of a bot in the learner's seat."""
    plays, rng = partners.get(name), np.random.default_rng(1)
    return lambda env, state: plays(env.game, state, state["seat"], rng)


def policy(agent: Any) -> Act:
    """Return the policy of an agent's most probable actions."""
    return lambda env, state: agent.predict(env.observation(state), deterministic=True)[0]


def trained(partner: str, seed: int, quick: bool) -> tuple[Any, int, float]:
    """Train an agent against a bot; return it with its number of steps and its CPU-seconds."""
    options: dict[str, Any] = {"env.partner": partner, "seed": seed, "device": "cpu", "threads": 1}
    chosen = config.load(CONFIG, options | ({"total_timesteps": 8_000} if quick else {}))
    begun = time.process_time()
    agent = build.make_agent(chosen, build.make_environment(chosen)).learn(chosen.values["total_timesteps"])
    return agent, agent.num_timesteps, time.process_time() - begun


def against(partner: str, seeds: int, quick: bool, advance: Callable[[str], None]) -> list[harness.Row]:
    """Return the rows of one bot."""
    task, games = f"against {partner}", 400 if quick else 10_000
    found = []
    agents = []
    for seed in range(seeds):
        agents.append(trained(partner, seed, quick))
        advance(task)
    steps, seconds = agents[0][1], float(np.mean([cost for _, _, cost in agents]))
    for split, variant in SPLITS.items():
        runs = [played(policy(agent), partner, split, games) for agent, _, _ in agents]
        for metric in runs[0]:
            wanted = WANTED.get(partner, "") if metric == OWN and split == "held_out" else ""
            values = [run[metric] for run in runs]
            found.append(harness.summarize(task, "ppo", variant, metric, values, steps, seconds, wanted))
        for name in dict.fromkeys(("random", partner)):
            player = name if name == "random" else f"{name} itself"
            for metric, value in played(bot(name), partner, split, games).items():
                found.append(harness.summarize(task, player, variant, metric, [value]))
    return found


def optima() -> list[harness.Row]:
    """Return rows of the best divisions, found by enumeration, and of the mean over random divisions."""
    found = []
    for split, variant in SPLITS.items():
        best = Negotiation(split=split).contexts.optima()
        for key, name in NAMES.items():
            found.append(harness.summarize("optimum", name, variant, JOINT, [best[key]]))
    return found


def moves_a_second(game: BatchedGame, games: int, steps: int) -> float:
    """Measure the batch for self-play, without the time of the random players."""
    batch, draw = GameBatch(game, games), np.random.default_rng(0)
    mask, spent = batch.reset(seed=0)["action_mask"], 0.0
    for _ in range(steps):
        actions = (draw.random(mask.shape, np.float32) * mask).argmax(1)
        begun = time.process_time()
        mask = batch.step(actions)[0]["action_mask"]
        spent += time.process_time() - begun
    return games * steps / spent


def pettingzoo_moves_a_second(steps: int) -> float:
    """Measure one game in PettingZoo's own loop, with its wrappers."""
    env, rng = negotiation_v0.env(), np.random.default_rng(0)
    made, spent = 0, 0.0
    while made < steps:
        begun = time.process_time()
        env.reset(seed=made)
        for _ in env.agent_iter():
            obs, _, terminated, truncated, _ = env.last()
            spent += time.process_time() - begun
            over = terminated or truncated
            action = None if over else int((rng.random(121) * obs["action_mask"]).argmax())
            made += not over
            begun = time.process_time()
            env.step(action)
        spent += time.process_time() - begun
    return made / spent


def openspiel_moves_a_second(steps: int) -> float:
    """Measure one game of OpenSpiel's bargaining, whose actions have the same numbers as ours."""
    import pyspiel

    game, rng = pyspiel.load_game("bargaining"), np.random.default_rng(0)
    made, spent = 0, 0.0
    while made < steps:
        begun = time.process_time()
        state = game.new_initial_state()
        state.apply_action(int(rng.integers(1000)))
        while not state.is_terminal():
            mask, _ = np.array(state.legal_actions_mask()), np.array(state.observation_tensor(), np.float32)
            spent += time.process_time() - begun
            action = int((rng.random(121) * mask).argmax())
            made += 1
            begun = time.process_time()
            state.apply_action(action)
        state.returns()
        spent += time.process_time() - begun
    return made / spent


def speed(quick: bool) -> list[harness.Row]:
    """Return the rows of the speeds."""
    repeats, steps = (2, 30) if quick else (5, 300)
    ways: dict[str, Callable[[], float]] = {
        "1,024 games": lambda: moves_a_second(Negotiation(), 1024, steps),
        "1,024 games, words": lambda: moves_a_second(NegotiationTokens(), 1024, steps),
        "one game in PettingZoo's loop": lambda: pettingzoo_moves_a_second(10 * steps),
    }
    wanted = {"1,024 games": "wanted: 200,000"}
    if util.find_spec("pyspiel"):
        ways[OPENSPIEL] = lambda: openspiel_moves_a_second(100 * steps)
    else:
        print(f"OpenSpiel is not installed, so its bargaining is left out: {pip_install('open_spiel')}")
    values: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, measure in ways.items():
            values[name].append(measure())
    metric = "moves a CPU-second"
    return [
        harness.Row("speed", whose(name), name, metric, max(v), min(v), max(v), repeats, reference=wanted.get(name, ""))
        for name, v in values.items()
    ]


def whose(way: str) -> str:
    """Return the package that a measured speed belongs to."""
    return f"open_spiel {metadata.version('open_spiel')}" if way == OPENSPIEL else "lhy_rl"


def main() -> None:
    """Measure, save, draw."""
    made = harness.parser(__doc__, seeds=3)
    made.add_argument("--only", choices=["speed"], help="part to measure; the stored rows of others are kept")
    common = made.parse_args()
    torch.set_num_threads(1)
    if common.only:
        others = [row for row in harness.load("negotiation", common.output) if row.task != "speed"]
        place = sum(row.task == "optimum" for row in others)
        rows = others[:place] + speed(common.quick) + others[place:]
        harness.save("negotiation", rows, common.output)
        show([row for row in rows if row.task == "speed"])
        return
    bots, seeds = (("random",), 1) if common.quick else (BOTS, common.seeds)
    rows = optima() + speed(common.quick)
    with harness.progress(len(bots) * seeds, "negotiation") as advance:
        for partner in bots:
            rows += against(partner, seeds, common.quick, advance)
            harness.save("negotiation", rows, common.output)  # finished rows are kept
    show(rows)
    picture(rows, common.output / "negotiation.png")


def show(rows: list[harness.Row]) -> None:
    """Print the most important rows."""
    for row in rows:
        if row.metric in (OWN, JOINT, "moves a CPU-second"):
            print(f"{row.task:18s} {row.agent:16s} {row.variant:44s} {row.metric:18s} {row.value:12,.2f}")


def picture(rows: list[harness.Row], path: Path) -> None:
    """Plot the own points on held-out contexts against each bot, of PPO, of the bot itself, and of a random player."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    selected = [row for row in rows if row.metric == OWN and row.variant == SPLITS["held_out"]]
    tasks = list(dict.fromkeys(row.task for row in selected))
    figure, axis = plt.subplots(figsize=(7, 3.4))
    kinds = {"random": ("random legal moves", "0.7"), "itself": ("the bot itself", "#e69f00")}
    kinds["ppo"] = ("PPO", "#0072b2")
    for k, (kind, (label, colour)) in enumerate(kinds.items()):
        mine = {row.task: row for row in selected if row.agent.endswith(kind)}
        places = [i + 0.27 * (k - 1) for i, task in enumerate(tasks) if task in mine]
        bars = [mine[task] for task in tasks if task in mine]
        spans = [[row.value - row.low for row in bars], [row.high - row.value for row in bars]]
        axis.bar(places, [row.value for row in bars], 0.25, yerr=spans, color=colour, label=label)
    axis.set_xticks(range(len(tasks)), [task.removeprefix("against ") for task in tasks])
    axis.set_xlabel("partner")
    axis.set_ylim(0, 10)
    axis.set_ylabel("own points of 10, held-out contexts")
    axis.legend(fontsize=8, ncols=3, loc="upper center")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
