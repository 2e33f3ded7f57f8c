"""Dialogue: rules, random play and our agents in SlotFilling, TwentyQuestions and ChatBandit.

SlotFilling is played in settings of PyDial's benchmark, and with 6 and 11 slots, by the hand-crafted policies, by
random legal acts, and by PPO (configs/ppo/slotfilling). TwentyQuestions is played by its best policy, at random, by
DAgger (configs/dagger/twentyquestions) with a GRU and without a memory, and by PPO, which sees all answers, with masks
(configs/ppo/twentyquestions) and without; ChatBandit at random and by REINFORCE with and without a baseline
(configs/reinforce/chatbandit*, five seeds). Agents play their most probable actions. Every number is the mean of 10,000
episodes, for learning agents 10,000 with each seed.

    python -m benchmarks.dialogue [--quick] [--seeds 3] [--jobs 1] [--only 'SlotFilling, ppo, 15 %, 11 slots']
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks import harness
from lhy_rl.envs.dialogue.slots.domain import PYDIAL
from lhy_rl.envs.dialogue.slots.policies import POLICIES
from lhy_rl.experiment import build, config

SLOTS, QUESTIONS, CHAT = "SlotFilling", "TwentyQuestions", "ChatBandit"
WORDS = {
    "env1": "no errors",
    "env2": "no errors, no masks",
    "env3": "15 % errors",
    "env5": "15 %, unfriendly",
    "env6": "30 %",
}
SETTINGS: dict[str, dict[str, Any]] = {
    f"{name}, {WORDS[name]}": {
        f"env.{k}": v for k, v in zip(("error_rate", "action_masks", "user_model"), PYDIAL[name], strict=True)
    }
    for name in WORDS
} | {f"15 %, {slots} slots": {"env.num_slots": slots} for slots in (6, 11)}
NAMES = {"success": "success", "turns": "turns", "right": "success", "questions": "questions", "score": "score"}
SHORTENED = {"ppo/slotfilling": 20_000, "dagger/twentyquestions": 2_500}
Act = Callable[[Any, Any, dict[str, Any], np.ndarray], np.ndarray]
"""A function of (environment, observations, infos, starts of episodes) that returns actions."""


class Training(NamedTuple):
    """An agent to train, its place in the results, and its number of steps (None: the configuration's)."""

    task: str
    variant: str
    configuration: str
    options: dict[str, Any]
    seed: int
    steps: int | None
    episodes: int

    @property
    def row(self) -> tuple[str, str, str]:
        """The task, agent and variant of its row."""
        return self.task, self.configuration.partition("/")[0], self.variant


def played(env: Any, act: Act) -> dict[str, float]:
    """Return means over the first episode of each instance of the environment."""
    obs, infos = env.reset(seed=2017)
    n = env.num_envs
    total, going, start, found = np.zeros(n), np.ones(n, bool), np.ones(n, bool), dict[str, np.ndarray]()
    while going.any():
        obs, rewards, ended, _, infos = env.step(act(env, obs, infos, start))
        total += rewards * going
        first = ended & going
        for key in NAMES.keys() & infos.get("final_info", {}).keys():
            values = infos["final_info"][key]
            found[key] = np.where(first, values, found.get(key, np.zeros(n)))
        going, start = going & ~ended, ended
    return {"return": float(total.mean())} | {NAMES[k]: float(found[k].mean()) for k in NAMES if k in found}


def chance() -> Act:
    """Return a policy that draws allowed actions uniformly."""
    rng = np.random.default_rng(0)

    def act(env: Any, obs: Any, infos: dict[str, Any], start: np.ndarray) -> np.ndarray:
        mask = infos.get("action_mask", np.ones((env.num_envs, env.single_action_space.n)))
        actions: np.ndarray = (rng.random(mask.shape, np.float32) * mask).argmax(1)
        return actions

    return act


def rule(policy: str) -> Act:
    """Return a hand-crafted policy of SlotFilling."""
    return lambda env, obs, infos, start: env.unwrapped.handcrafted_action(obs, policy)


def scripted(env: Any, obs: Any, infos: dict[str, Any], start: np.ndarray) -> np.ndarray:
    """Return the actions of the environment's expert."""
    actions: np.ndarray = env.unwrapped.expert_action()
    return actions


def policy(agent: Any) -> Act:
    """Return the policy of an agent's most probable actions, with its state within an episode."""
    memory: Any = None

    def act(env: Any, obs: Any, infos: dict[str, Any], start: np.ndarray) -> np.ndarray:
        nonlocal memory
        masks = infos.get("action_mask")
        actions, memory = agent.predict(obs, memory, start, deterministic=True, action_masks=masks)
        found: np.ndarray = actions
        return found

    return act


def trained(job: Training) -> tuple[dict[str, float], int, float]:
    """Train an agent; return its results, the steps that it learned from, and its CPU-seconds."""
    torch.set_num_threads(1)
    options = job.options | {"seed": job.seed, "device": "cpu", "threads": 1}
    chosen = config.load(job.configuration, options | ({"total_timesteps": job.steps} if job.steps else {}))
    begun = time.process_time()
    agent = build.make_agent(chosen, build.make_environment(chosen)).learn(chosen.values["total_timesteps"])
    seconds = time.process_time() - begun
    return played(build.make_environment(chosen, job.episodes), policy(agent)), agent.num_timesteps, seconds


def untrained(quick: bool, episodes: int) -> list[harness.Row]:
    """Return the rows of policies that do not learn."""
    players: list[tuple[str, str, str, str, dict[str, Any], Act]] = []
    for variant, options in SETTINGS.items():
        if quick and not variant.startswith(("env1", "env3")):
            continue
        rules = {} if variant.startswith("env2") else {name: rule(name) for name in POLICIES}
        for name, act in (rules | {"random": chance()}).items():
            players.append((SLOTS, name, variant, "ppo/slotfilling", options, act))
    players.append((QUESTIONS, "optimum", "", "dagger/twentyquestions", {}, scripted))
    players.append((QUESTIONS, "random", "", "dagger/twentyquestions", {}, chance()))
    players.append((CHAT, "random", "", "reinforce/chatbandit", {}, chance()))
    rows = []
    for task, name, variant, configuration, options, act in players:
        env = build.make_environment(config.load(configuration, options), episodes)
        rows += [harness.summarize(task, name, variant, key, [value]) for key, value in played(env, act).items()]
    return rows


def trainings(quick: bool, seeds: int, episodes: int) -> list[list[Training]]:
    """Return all trainings, grouped by the row of the results, with one for each seed."""
    groups: list[list[Training]] = []

    def plan(task: str, variant: str, configuration: str, options: dict[str, Any], runs: int) -> None:
        steps = SHORTENED.get(configuration) if quick else None
        jobs = [Training(task, variant, configuration, options, seed, steps, episodes) for seed in range(runs)]
        groups.append(jobs)

    for variant in ["env3, 15 % errors"] if quick else SETTINGS:
        plan(SLOTS, variant, "ppo/slotfilling", SETTINGS[variant], seeds)
    for core in ("gru", None):
        plan(QUESTIONS, core or "no memory", "dagger/twentyquestions", {"agent.core": core}, seeds)
    if not quick:
        plan(QUESTIONS, "sees all answers", "ppo/twentyquestions", {}, seeds)
        options = {"env.action_masks": False, "agent.entropy_coef": 0.1, "total_timesteps": 2_000_000}
        plan(QUESTIONS, "sees all answers, no masks", "ppo/twentyquestions", options, seeds)
    for suffix, variant in (("", "mean as baseline"), ("_no_baseline", "no baseline")):
        plan(CHAT, variant, f"reinforce/chatbandit{suffix}", {}, 1 if quick else 5)
    return groups


def place(row: harness.Row) -> int:
    """Return the sort key of a row: SlotFilling by setting, then the other tasks in their order."""
    if row.task == SLOTS:
        return list(SETTINGS).index(row.variant)
    return len(SETTINGS) + (row.task == CHAT)


def main() -> None:
    """Measure, save, draw."""
    made = harness.parser(__doc__, seeds=3)
    made.add_argument("--jobs", type=int, default=1, metavar="N", help="number of parallel trainings (1)")
    made.add_argument(
        "--only", metavar="PATTERN", help="'TASK, AGENT, VARIANT' to train; the stored rows of others are kept"
    )
    common = made.parse_args()
    torch.set_num_threads(1)
    episodes = 250 if common.quick else 10_000
    groups = trainings(common.quick, 1 if common.quick else common.seeds, episodes)
    if common.only:
        names = harness.chosen("dialogue", [", ".join(group[0].row) for group in groups], common.only)
        groups = [group for group in groups if ", ".join(group[0].row) in names]
        again = {group[0].row for group in groups}
        rows = [r for r in harness.load("dialogue", common.output) if (r.task, r.agent, r.variant) not in again]
    else:
        rows = untrained(common.quick, episodes)
    jobs = [job for group in groups for job in group]
    results = harness.run_jobs(trained, jobs, common.jobs)
    with harness.progress(len(jobs), "dialogue") as advance:
        for group in groups:
            runs = []
            for job in group:
                runs.append(next(results))
                advance(f"{job.task}, {job.variant}")
            seconds = float(np.mean([run[2] for run in runs]))
            for metric in runs[0][0]:
                values = [run[0][metric] for run in runs]
                rows.append(harness.summarize(*group[0].row, metric, values, runs[0][1], seconds))
            rows.sort(key=place)
            harness.save("dialogue", rows, common.output)  # finished rows are kept
    for row in rows:
        print(f"{row.task:16s} {row.agent:12s} {row.variant:26s} {row.metric:10s} {row.value:8.3f}")
    picture(rows, common.output / "dialogue.png")


def picture(rows: list[harness.Row], path: Path) -> None:
    """Plot the returns of the rules and PPO in SlotFilling, returns in TwentyQuestions, and scores in ChatBandit."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (slots, questions, chat) = plt.subplots(1, 3, figsize=(11, 3.8), width_ratios=(3.8, 2.6, 1.4))
    colours = {"handcrafted": "#e69f00", "lenient": "#009e73", "cautious": "#cc79a7", "hasty": "0.5"}
    colours |= {"ppo": "#0072b2"}
    selected = {(row.agent, row.variant): row for row in rows if row.task == SLOTS and row.metric == "return"}
    settings = [name for name in SETTINGS if {("ppo", name), ("hasty", name)} <= selected.keys()]
    for k, (name, colour) in enumerate(colours.items()):
        points = [selected[name, setting] for setting in settings]
        places = [i + 0.12 * (k - 2) for i in range(len(points))]
        spans = [[row.value - row.low for row in points], [row.high - row.value for row in points]]
        style: dict[str, Any] = {"fmt": "D" if name == "ppo" else "o", "color": colour, "markersize": 7, "capsize": 3}
        label = "PPO" if name == "ppo" else name
        slots.errorbar(places, [row.value for row in points], yerr=spans, label=label, **style)
    slots.set_xticks(range(len(settings)), [name.replace(", ", "\n") for name in settings], fontsize=8)
    slots.set_ylabel("return")
    slots.grid(axis="y", alpha=0.3)
    slots.legend(fontsize=8, loc="lower left")
    titles = {"gru": "DAgger\nGRU", "no memory": "DAgger\nno mem.", "sees all answers": "PPO\nmasks"}
    titles["sees all answers, no masks"] = "PPO, no\nmasks"
    bars = [row for row in rows if row.task == QUESTIONS and row.metric == "return"]
    draw(questions, bars, ["#009e73", "0.7", *["#0072b2"] * (len(bars) - 2)])
    questions.set_xticks(range(len(bars)), [titles.get(row.variant, row.agent) for row in bars], fontsize=8)
    questions.axhline(0, color="0.3", linewidth=0.8)
    questions.set_ylabel("return")
    bars = [row for row in rows if row.task == CHAT and row.metric == "score" and row.agent != "random"]
    draw(chat, bars, ["#0072b2"] * 2)
    chat.set_xticks(range(len(bars)), ["mean as\nbaseline", "no\nbaseline"], fontsize=8)
    chat.set_ylabel("score: 0 random, 1 best")
    chat.set_ylim(0, 1)
    for axis, title in zip((slots, questions, chat), (SLOTS, QUESTIONS, CHAT), strict=True):
        axis.set_title(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw(axis: Any, bars: list[harness.Row], colours: list[str]) -> None:
    """Plot bars with their intervals."""
    spans = [[row.value - row.low for row in bars], [row.high - row.value for row in bars]]
    axis.bar(range(len(bars)), [row.value for row in bars], 0.7, yerr=spans, color=colours, capsize=3)


if __name__ == "__main__":
    main()
