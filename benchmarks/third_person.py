"""Third-person imitation (Stadie et al. 2017): an expert is watched from another view, and the learner acts in its own.

Every agent has the budget of its configuration (configs/third_person) and is judged by its final policy, whose most
probable actions play 200 fresh episodes; nothing is chosen by its result. `score` is (R - random) / (expert - random),
with the returns of the random policy and of the scripted expert in the learner's own domain; `success` is the share of
episodes that end at the target. PPO acts on the state; only the discriminator sees frames.

    true reward        PPO on the task's own reward
    first person       videos in the learner's own domain, and nobody's failures: what the view costs
    third person       the configuration
    domain of all      as in the paper, the domain head compares all frames, and not random behaviour only
    no reversal        reversal 0
    no failures        no videos of failures in the expert's view
    raw pixels         two dense layers read the frames, without reversal
    random videos      the "expert" acts at random

`domain accuracy` is that of a fresh probe: logistic regression on the frozen features of frames of random behaviour in
both views, tested on other episodes (0.5 is chance); the head that was trained along has adapted to what it fights.

The options were chosen on seeds 100 to 102.

    python -m benchmarks.third_person [--quick] [--seeds 10] [--only PATTERN] [--tasks point,pendulum,reacher]
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

from benchmarks.harness import Row, load, parser, progress, save, summarize
from lhy_rl.agents import PPO, agents
from lhy_rl.agents.adversarial.filmed_videos import filmed_videos
from lhy_rl.agents.common.construction import defaults_of
from lhy_rl.experiment import config
from lhy_rl.rollouts.evaluate_policy import SEED

NAME = "third_person"
EPISODES, FILMED = 200, 16
ARMS: dict[str, dict[str, Any]] = {
    "true reward": {"name": "ppo"},
    "first person": {"expert_videos": "scripted:own", "failure_videos": None, "reversal": 0.0},
    "third person": {},
    "domain of all": {"domain_pairs": "all"},
    "no reversal": {"reversal": 0.0},
    "no failures": {"failure_videos": None},
    "raw pixels": {"discriminator_encoder": "mlp", "reversal": 0.0},
    "random videos": {"expert_videos": "random:"},
}
WANTED = {
    ("point", "third person", "score"): "wanted: 0.85",
    ("point", "third person", "success"): "wanted: 0.6",
    ("point", "random videos", "score"): "wanted: at most 0.15",
}


def play(env_id: str, act: Any) -> tuple[float, float]:
    """Mean return and success of 200 episodes; ``act`` gives actions for (environment, observations)."""
    env: Any = gymnasium.make_vec(env_id, num_envs=EPISODES, autoreset_mode="Disabled")
    obs, _ = env.reset(seed=SEED)
    returns, truncated = np.zeros(EPISODES), np.zeros(1, bool)
    while not truncated.any():
        obs, reward, _, truncated, info = env.step(act(env, obs))
        returns += reward
    env.close()
    return float(returns.mean()), float(info["success"].mean())


def references(env_id: str) -> tuple[float, float]:
    """The returns of a random policy and of the scripted expert."""
    rng = np.random.default_rng(SEED)
    low, _ = play(env_id, lambda env, obs: rng.uniform(-1, 1, env.action_space.shape).astype(np.float32))
    high, _ = play(env_id, lambda env, obs: env.unwrapped.expert_action())
    return low, high


def made(task: str, arm: str, seed: int) -> Any:
    """The agent of an arm."""
    values = config.load(f"third_person/{task}").values
    options = {**values["agent"], **ARMS[arm], "seed": seed, "device": "cpu"}
    if options.get("expert_videos") == "random:":
        options["expert_videos"] = options["failure_videos"]
    kind = agents.get(options.pop("name"))
    options |= {"encoder": "state"} if kind is PPO else {}
    known = defaults_of(kind)
    return kind(values["env"]["id"], **{name: value for name, value in options.items() if name in known})


def probed(agent: Any, domain: str) -> float:
    """The accuracy of a fresh probe of the domain on the discriminator's features."""
    from sklearn.linear_model import LogisticRegression

    features, labels = [], []
    for label, name in enumerate(("own", domain)):
        for part in range(2):  # to learn from, and to test
            films = filmed_videos("random", agent.env, {"domain": name}, FILMED, 5_000_000 + part)
            features.append(agent.discriminator.network.read(torch.as_tensor(films.frames)).numpy())
            labels.append(np.full(len(films.frames), label))
    probe = LogisticRegression(max_iter=1000)
    scale = np.concatenate([features[0], features[2]]).std(0) + 1e-6
    probe.fit(np.concatenate([features[0], features[2]]) / scale, np.concatenate([labels[0], labels[2]]))
    tested = np.concatenate([features[1], features[3]]) / scale
    return float(probe.score(tested, np.concatenate([labels[1], labels[3]])))


def one(task: str, arm: str, seed: int, steps: int | None, bounds: tuple[float, float]) -> dict[str, float]:
    """Train and judge one agent; metric to value."""
    torch.set_num_threads(1)
    values = config.load(f"third_person/{task}").values
    begun = time.process_time()
    agent = made(task, arm, seed)
    agent.learn(steps or values["total_timesteps"])
    seconds = time.process_time() - begun
    low, high = bounds
    ret, success = play(values["env"]["id"], lambda env, obs: agent.predict(obs, deterministic=True)[0])
    found = {"score": (ret - low) / (high - low), "return": ret, "success": success, "seconds": seconds}
    if arm not in ("true reward", "first person"):
        found["domain accuracy"] = probed(agent, values["agent"]["expert_videos"].partition(":")[2])
    return found


def rows_of(task: str, arm: str, results: Sequence[dict[str, float]], steps: int) -> list[Row]:
    """A row for each metric."""
    seconds = float(np.mean([result["seconds"] for result in results]))
    return [
        summarize(
            task, arm, "", metric, [result[metric] for result in results], steps, seconds,
            WANTED.get((task, arm, metric), ""),
        )
        for metric in results[0]
        if metric != "seconds"
    ]  # fmt: skip


def difference(task: str, ours: Sequence[float], others: Sequence[float], steps: int) -> Row:
    """Third person minus no reversal, seed by seed: the mean gain in score and its bootstrap interval."""
    gains = np.array(ours) - np.array(others)
    drawn = gains[np.random.default_rng(0).integers(len(gains), size=(2000, len(gains)))].mean(1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    metric, wanted = "score minus no reversal's", "wanted: above 0"
    return Row(task, "third person", "", metric, float(gains.mean()), low, high, len(gains), steps, 0.0, wanted)


def main() -> None:
    command = parser(__doc__, seeds=10)
    command.add_argument("--only", default="*", metavar="PATTERN", help="arms like this")
    command.add_argument("--tasks", default="point,pendulum,reacher", metavar="NAMES")
    args = command.parse_args()
    tasks, seeds, steps = args.tasks.split(","), args.seeds, None
    if args.quick:
        tasks, seeds, steps = ["point"], 1, 3200
    arms = [arm for arm in ARMS if fnmatch(arm, args.only)]
    if args.quick:
        arms = ["true reward", "third person"]
    path = args.output / f"{NAME}.json"
    kept = load(NAME, args.output) if path.exists() and not args.quick else []
    rows = [row for row in kept if row.task not in tasks or row.agent not in arms]
    with progress(len(tasks) * len(arms) * seeds, NAME) as advance:
        for task in tasks:
            budget = steps or config.load(f"third_person/{task}").values["total_timesteps"]
            bounds = references(config.load(f"third_person/{task}").values["env"]["id"])
            scores: dict[str, list[float]] = defaultdict(list)
            for arm in arms:
                results = []
                for seed in range(seeds):
                    results.append(one(task, arm, seed, steps, bounds))
                    scores[arm].append(results[-1]["score"])
                    advance(f"{task}, {arm}: {results[-1]['score']:.2f}")
                rows += rows_of(task, arm, results, budget)
                save(NAME, rows, args.output)
            if {"third person", "no reversal"} <= scores.keys():
                rows.append(difference(task, scores["third person"], scores["no reversal"], budget))
                save(NAME, rows, args.output)
    draw(rows, args.output)


def draw(rows: Sequence[Row], folder: Path) -> None:
    """The scores of all arms, task by task."""
    import matplotlib.pyplot as plt

    scores = [row for row in rows if row.metric == "score"]
    tasks = list(dict.fromkeys(row.task for row in scores))
    figure, axes = plt.subplots(1, len(tasks), figsize=(1.5 + 3.4 * len(tasks), 3.2), sharey=True, squeeze=False)
    for ax, task in zip(axes[0], tasks, strict=True):
        mine = [row for row in scores if row.task == task][::-1]
        values, lows, highs = (np.array([getattr(row, name) for row in mine]) for name in ("value", "low", "high"))
        ax.barh([row.agent for row in mine], values, xerr=[values - lows, highs - values], color="#56b4e9", capsize=3)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set(title=task, xlabel="score: 0 random, 1 expert")
    figure.tight_layout()
    figure.savefig(folder / f"{NAME}.png", dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
