"""The experts of the shipped demonstrations: trained, recorded, and scored beside a random policy.

    python -m benchmarks.experts                        # all: most of the time goes to the three of MuJoCo
    python -m benchmarks.experts --tasks cartpole       # some
    python -m benchmarks.experts --quick                # a test of the script, which ships nothing

What has been trained in runs/experts is not trained again. PPO is ours with the configurations in configs/ppo, the best
checkpoint of one seed by its evaluations; SAC is Stable-Baselines3's; MountainCar's expert is planned
(lhy_rl.rollouts.scripted_controllers). Experts act deterministically, except CartPole's, which samples its actions: the
most probable actions alone may follow one narrow path that drifts away, and then one episode does not teach enough (as
with the expert that was shipped at first). The scores are those of the recorded episodes themselves; the random policy
plays 100 others.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import lhy_rl  # noqa: F401  (registers the environments)
from benchmarks.harness import RESULTS, Row, progress, save
from lhy_rl.benchmark.results import write_text
from lhy_rl.data import shipped
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.data.npz import write_npz
from lhy_rl.rollouts.demonstrators import trained_policy
from lhy_rl.rollouts.record_episodes import Act, random_policy, record
from lhy_rl.rollouts.scripted_controllers import EXPERTS

SEED = 1  # seed of the training
EPISODES_SEED = 100  # seed of the recorded episodes, which no training uses
RANDOM_EPISODES = 100
RUNS = Path("runs/experts")


@dataclass(frozen=True)
class Task:
    """One expert.

    Attributes:
        env_id: Id of its environment.
        algorithm: ``ppo`` (configs/ppo/<name>.yaml), ``sac`` or ``planned``.
        episodes: Number of shipped episodes.
        checkpoint: Checkpoint of the PPO run.
        stored: Type of the numbers in the file.
        drawn: Whether it samples its actions instead of taking the most probable ones.
    """

    env_id: str
    algorithm: str = "ppo"
    episodes: int = 50
    checkpoint: str = "best"
    stored: type[np.floating[Any]] = np.float32
    drawn: bool = False


TASKS = {
    "cartpole": Task("CartPole-v1", drawn=True),
    "pendulum": Task("Pendulum-v1", "sac"),
    "acrobot": Task("Acrobot-v1", checkpoint="newest"),
    "mountaincar": Task("MountainCar-v0", "planned"),
    "lunarlander": Task("LunarLander-v3", episodes=40),
    "hopper": Task("Hopper-v5", episodes=20, stored=np.float16),
    "halfcheetah": Task("HalfCheetah-v5", episodes=20, stored=np.float16),
    "walker2d": Task("Walker2d-v5", episodes=20, stored=np.float16),
}
SAC = {"learning_rate": 1e-3, "policy_kwargs": {"net_arch": [64, 64]}, "seed": SEED, "device": "cpu"}
SAC_STEPS = 15_000


def expert(name: str, task: Task, runs: Path, quick: bool, as_is: bool) -> tuple[Act, str, int]:
    """Train the expert, unless it is trained already; return its policy, its name and its number of training steps."""
    if task.algorithm == "planned":
        planned = EXPERTS[task.env_id]()
        return (lambda obs, state, start, masks: (planned(obs), None)), "a planner", 0
    found = _sac(name, task, runs, quick) if task.algorithm == "sac" else _ppo(name, task, runs, quick, as_is)
    policy, words, steps = found
    return trained_policy(policy, not task.drawn, masks=False), words, steps


def _ppo(name: str, task: Task, runs: Path, quick: bool, as_is: bool) -> tuple[Any, str, int]:
    from lhy_rl.experiment import config, start_run

    folder = runs / name
    stopped = (folder / "config.yaml").is_file() and not (folder / "result.json").is_file()
    if stopped and as_is:
        newest = start_run.load(folder)
        agent = start_run.load(folder, task.checkpoint).agent
        return agent, "PPO, stopped early", newest.agent.num_timesteps
    if stopped:
        start_run.resume(folder)
    elif not (folder / "result.json").is_file():
        overrides = {"seed": SEED, "run.folder": str(folder), "run.tracker": "none", "run.plots": False}
        if quick:
            overrides |= {"total_timesteps": 6_000, "run.evaluation_interval": 4, "run.evaluation_episodes": 5}
        start_run.train(config.load(f"ppo/{name}", overrides))
    score = json.loads((folder / "result.json").read_text("utf-8"))
    agent = start_run.load(folder, task.checkpoint).agent
    return agent, "PPO", int(score["timesteps"])


def _sac(name: str, task: Task, runs: Path, quick: bool) -> tuple[Any, str, int]:
    from stable_baselines3 import SAC as Learner

    from lhy_rl.interop.sb3 import load_expert

    path, steps = runs / f"{name}_sac.zip", 500 if quick else SAC_STEPS
    if not path.is_file():
        model = Learner("MlpPolicy", task.env_id, **SAC).learn(steps)
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
    policy = load_expert(path, task.env_id, policy_kwargs=SAC["policy_kwargs"])
    return policy, "Stable-Baselines3's SAC", steps


def demonstrate(name: str, task: Task, runs: Path, quick: bool, as_is: bool) -> tuple[Demonstrations, dict[str, Any]]:
    """Record the expert's episodes; return them and its row in the table."""
    act, who, steps = expert(name, task, runs, quick, as_is)
    options = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": "SameStep"}}
    env = gymnasium.make_vec(task.env_id, num_envs=10, **options)
    random_returns = record(
        env, random_policy(env.single_action_space, 0), 20 if quick else RANDOM_EPISODES, seed=EPISODES_SEED
    ).returns
    about = {
        "env_id": task.env_id,
        "expert": who,
        "trained_steps": steps,
        "seed": EPISODES_SEED,
        "random_return": round(float(random_returns.mean()), 3),
    }
    demonstrations = record(env, act, 10 if quick else task.episodes, seed=EPISODES_SEED, about=about)
    env.close()
    returns = demonstrations.returns
    score = {
        "env_id": task.env_id,
        "expert": who,
        "trained_steps": steps,
        "episodes": len(demonstrations),
        "steps": int(demonstrations.lengths.sum()),
        "mean": round(float(returns.mean()), 2),
        "std": round(float(returns.std()), 2),
        "min": round(float(returns.min()), 2),
        "random_mean": round(float(random_returns.mean()), 2),
        "random_std": round(float(random_returns.std()), 2),
        "seed": EPISODES_SEED,
    }
    return demonstrations, score


def rows(scores: dict[str, dict[str, Any]]) -> list[Row]:
    """Return rows of means with an interval of two standard errors; ``seeds`` is the number of episodes."""
    found = []
    for score in scores.values():
        for who, mean, std, count in (
            (score["expert"], score["mean"], score["std"], score["episodes"]),
            ("random", score["random_mean"], score["random_std"], RANDOM_EPISODES),
        ):
            wide = 2 * std / count**0.5
            trained = who != "random"
            found.append(
                Row(
                    score["env_id"],
                    who,
                    "expert" if trained else "random policy",
                    "mean return",
                    mean,
                    round(mean - wide, 2),
                    round(mean + wide, 2),
                    count,
                    steps=score["trained_steps"] if trained else None,
                )
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two small ones, under a minute; the tests run this")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FOLDER", help=f"default: {RESULTS}")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), help="tasks to run (default: all)")
    parser.add_argument(
        "--as-is", action="store_true", help="use interrupted runs as they are; otherwise they are resumed"
    )
    parser.add_argument(
        "--runs", type=Path, default=RUNS, metavar="FOLDER", help=f"folder of the trained experts ({RUNS})"
    )
    options = parser.parse_args()
    quick = options.quick
    names = options.tasks or (["cartpole", "mountaincar"] if quick else list(TASKS))
    place = options.output / "expert" if quick or options.output != RESULTS else shipped.FOLDER
    runs = options.output / "runs" if quick else options.runs
    known = place / "scores.json"
    scores = json.loads(known.read_text("utf-8")) if known.is_file() else {}
    with progress(len(names), "experts") as advance:
        for name in names:
            task = TASKS[name]
            demonstrations, score = demonstrate(name, task, runs, quick, options.as_is)
            write_npz(demonstrations, place / f"{name}-expert.npz", stored=task.stored)
            scores[f"{name}-expert"] = score
            order = [f"{task}-expert" for task in TASKS if f"{task}-expert" in scores]
            write_text(known, json.dumps({key: scores[key] for key in order}, indent=1) + "\n")
            advance(f"{name}: {score['mean']:,.1f} (random {score['random_mean']:,.1f})")
    save("experts", rows({key: scores[key] for key in order}), options.output)


if __name__ == "__main__":
    main()
