"""Steps to learn to catch the ball in Catch with a pretrained encoder of the pixels.

Random episodes of Catch (easy, 36 x 36 pixels) give frames, from which an autoencoder or a variational one learns
without a reward. PPO then begins with its encoder, frozen or fine-tuned, and two layers of 64 on top; it is compared
with the same network trained from random weights, and with the CNN of `configs/ppo/catch.yaml`. In `vae of the cnn` the
encoder is that CNN, of which PPO takes the convolutions, with that file's layer on top. All have that file's
options, with a learning rate that would be 0 at 100,000 steps. Every four updates 200 episodes are played with the most
probable actions; a run ends at the second mean of 0.9 in a row, and counts as the steps of the first. The frames that
an encoder learned from are steps of the environment, too, and are counted.

`loss on the ball` is the squared error of the ball's pixels in other frames that are drawn again, as a share of what it
is if no ball is drawn: 1 means that the ball is lost. `left or right` is how often layers of 64 and 64, trained on
4,000 codes, are right about whether the ball is left of, above or right of the paddle in other frames.

Settings were chosen on seed 100.

    python -m benchmarks.pretrained_encoder [--quick] [--seeds 3] [--jobs 1] [--only PATTERN]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.harness import Row, chosen, load, parser, progress, run_jobs, save, summarize
from lhy_rl.agents import PPO, VAE, Autoencoder
from lhy_rl.envs.memory.catch import BALL, FIELD
from lhy_rl.nn.generative.saved_encoder import read
from lhy_rl.rollouts.evaluate_policy import play
from lhy_rl.rollouts.vector_envs import make_vec

NAME, TASK = "pretrained_encoder", "lhy_rl/Catch-v0"
PLAYER: dict[str, Any] = {"num_envs": 32, "critic": "shared", "n_steps": 24, "batch_size": 128, "n_epochs": 6}
PLAYER |= {"learning_rate": 1e-3, "learning_rate_schedule": "linear", "entropy_coef": 0.01}
SHARED = {"code_size": 32, "width": 8, "learning_rate": 2e-3, "film": 0}
VARIATIONAL = {**SHARED, "likelihood": "gaussian"}
LEARNERS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "vae": (VAE, VARIATIONAL),
    "vae of the cnn": (VAE, {**VARIATIONAL, "network": "cnn"}),
    "autoencoder": (Autoencoder, SHARED),
}
FEATURES = {"vae of the cnn": {"features": True, "hidden_sizes": [32]}}
"""Encoder options of PPO with a learner that has the cnn; with the others it takes the code, under its own layers."""
SCRATCH = ("cnn", "vae")  # encoders that are also trained from random weights
JOBS = [(kind, False) for kind in SCRATCH] + [(kind, True) for kind in LEARNERS]
WANTED = 0.9  # mean return that counts as solved
REFERENCE = "wanted: at most half of the cnn's"


class Sizes(NamedTuple):
    """Sizes of the benchmark."""

    frames: int = 6_000
    samples: int = 128_000  # training samples of an autoencoder, with repetition
    steps: int = 100_000  # steps of the cnn
    fewer: int = 50_000  # steps of networks that are not this cnn
    probed: int = 4_000  # codes on which the probe is trained
    updates: int = 4  # updates between two evaluations
    episodes: int = 200  # episodes of each evaluation
    probing: int = 1_000  # gradient steps of the probe


QUICK = Sizes(200, 128, 768, 768, 200, 1, 20, 50)


def frames(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 36, 36, 1) frames of random play, and (N,) where the ball is: 0, 1, 2 for left, above, right."""
    env = gymnasium.make_vec(TASK, 64)
    env.action_space.seed(seed)
    pictures, sides = [env.reset(seed=seed)[0]], []
    while True:
        state = env.unwrapped.snapshot()["state"]  # type: ignore[attr-defined]
        sides.append(1 + np.sign(state["ball"][:, 1] - state["paddle"]))
        if len(pictures) * len(pictures[0]) >= n:
            break
        pictures.append(env.step(env.action_space.sample())[0])
    return np.concatenate(pictures)[:n].transpose(0, 2, 3, 1), np.concatenate(sides)[:n]


def pretrained(kind: str, place: Path, sizes: Sizes, seed: int) -> dict[str, float]:
    """Train an autoencoder and save it; return how much of the ball its codes keep."""
    learner, options = LEARNERS[kind]
    pictures, _ = frames(sizes.frames, seed)
    data = place.with_suffix(".npz")
    np.savez(data, pictures=pictures)
    begun = time.process_time()
    agent = learner(make_vec("lhy_rl/Digits-v0", 2, pictures=str(data)), seed=seed, **options)
    agent.learn(sizes.samples).save(place)
    return {"CPU-seconds": time.process_time() - begun, **kept(agent, sizes, seed)}


def kept(agent: Any, sizes: Sizes, seed: int) -> dict[str, float]:
    """Measure how much of the ball the codes keep in frames that were not used for training."""
    others, sides = frames(2 * sizes.probed, 10_000 + seed)
    pictures = others.astype(np.float32) / 127.5 - 1
    codes, again = [], []
    for part in np.array_split(pictures, len(pictures) // 100):
        codes.append(agent.encode(part))
        again.append(agent.decode(codes[-1]))
    ball = others == BALL
    error = ((np.concatenate(again) - pictures)[ball] ** 2).mean() / (2 * (BALL - FIELD) / 255) ** 2
    return {"loss on the ball": float(error), "left or right": probe(np.concatenate(codes), sides, sizes, seed)}


def probe(codes: np.ndarray, sides: np.ndarray, sizes: Sizes, seed: int) -> float:
    """Return the accuracy of a small network that is trained on the first codes and tested on the others."""
    torch.manual_seed(seed)
    n = sizes.probed
    x, y = torch.tensor(codes), torch.tensor(sides).long()
    x = (x - x[:n].mean(0)) / (x[:n].std(0) + 1e-6)
    network = nn.Sequential(nn.Linear(x.shape[1], 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 3))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3, fused=True)
    for _ in range(sizes.probing):
        rows = torch.randint(n, (256,))
        optimizer.zero_grad()
        F.cross_entropy(network(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return float((network(x[n:]).argmax(1) == y[n:]).float().mean())


def caught(sizes: Sizes, seed: int, steps: int, **encoder: Any) -> dict[str, float]:
    """Return the steps until PPO catches the ball, or all steps if it never does, and the best mean return."""
    begun = time.process_time()
    agent = PPO(TASK, seed=seed, **PLAYER, **encoder)
    env = gymnasium.make_vec(TASK, 50)
    returns: list[tuple[int, float]] = []

    def evaluate(agent: Any, metrics: dict[str, float]) -> bool:
        if agent.num_updates % sizes.updates == 0:
            greedy = play(
                lambda obs, state, start, _: agent.predict(obs, state, start, True), env, sizes.episodes, 10_000
            )
            returns.append((agent.num_timesteps, float(greedy[0].mean())))
        over = [value >= WANTED for _, value in returns[-2:]] == [True, True]
        return not over and agent.num_timesteps < steps

    agent.learn(sizes.steps, callback=evaluate)
    over = [value >= WANTED for _, value in returns]
    reached = len(over) > 1 and over[-1] and over[-2]
    found = {"steps": float(returns[-2][0] if reached else agent.num_timesteps), "solved": float(reached)}
    found["return"] = max(value for _, value in returns)
    return found | {"CPU-seconds": time.process_time() - begun}


def untrained(kind: str, place: Path) -> dict[str, Any]:
    """Return the options of an encoder of the same kind with random weights."""
    learner, options = LEARNERS[kind]
    np.savez(place.with_suffix(".npz"), pictures=frames(100, 0)[0])
    learner(make_vec("lhy_rl/Digits-v0", 2, pictures=str(place.with_suffix(".npz"))), **options).save(place)
    return {"encoder": "saved", "encoder_options": {"architecture": read(place)[0]}}


def measure(job: tuple[str, bool, int], sizes: Sizes) -> dict[str, dict[str, float]]:
    """Run a job (kind of encoder, whether it is pretrained, seed): variant to metric to value."""
    torch.set_num_threads(1)
    kind, learns, seed = job
    if kind == "cnn":
        return {"cnn, from scratch": caught(sizes, seed, sizes.steps, encoder="cnn")}
    with tempfile.TemporaryDirectory() as folder:
        place, found = Path(folder) / "encoder.zip", {}
        if not learns:
            return {"the same network, from scratch": caught(sizes, seed, sizes.fewer, **untrained(kind, place))}
        learned = pretrained(kind, place, sizes, seed)
        steps, activation = (sizes.steps, "relu") if kind in FEATURES else (sizes.fewer, "auto")
        for frozen in (True, False):
            options = {"frozen": frozen, **FEATURES.get(kind, {})}
            encoder = {"encoder": str(place), "encoder_options": options, "activation": activation}
            numbers = caught(sizes, seed, steps - sizes.frames, **encoder)
            numbers["steps"] += sizes.frames
            numbers["CPU-seconds"] += learned["CPU-seconds"]
            found[f"{kind}, {'frozen' if frozen else 'tuned'}"] = {**learned, **numbers}
            print(kind, "frozen" if frozen else "tuned", seed, numbers, flush=True)
        return found


def rows_of(found: dict[str, list[dict[str, float]]], sizes: Sizes) -> list[Row]:
    """Return a row for each variant and metric."""
    rows = []
    for variant, runs in found.items():
        seconds = float(np.mean([numbers["CPU-seconds"] for numbers in runs]))
        for metric in sorted(runs[0], key="steps".__ne__):
            if metric != "CPU-seconds":
                values = [numbers[metric] for numbers in runs]
                wanted = REFERENCE if metric == "steps" and variant.startswith("vae") else ""
                rows.append(summarize(TASK, "ppo", variant, metric, values, sizes.steps, seconds, wanted))
    return rows


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument(
        "--only",
        default="*",
        metavar="PATTERN",
        help="jobs to run, such as 'vae True'; True stands for pretrained",
    )
    command.add_argument("--first-seed", type=int, default=0, metavar="N", help="first seed (0)")
    command.add_argument("--jobs", type=int, default=1, metavar="N", help="number of processes (1)")
    args = command.parse_args()
    sizes = QUICK if args.quick else Sizes()
    seeds = range(args.first_seed, args.first_seed + (1 if args.quick else args.seeds))
    names = chosen(NAME, [f"{kind} {learned}" for kind, learned in JOBS], args.only)
    tasks = [(*job, seed) for seed in seeds for job in JOBS if f"{job[0]} {job[1]}" in names]
    rows = [] if args.quick else load(NAME, args.output)
    found: dict[str, list[dict[str, float]]] = {}
    results = run_jobs(partial(measure, sizes=sizes), tasks, args.jobs)
    with progress(len(tasks), NAME) as advance:
        for (kind, _, seed), measured in zip(tasks, results, strict=True):
            for variant, numbers in measured.items():
                print(f"{variant}, seed {seed}: {', '.join(f'{k} {v:.4g}' for k, v in numbers.items())}", flush=True)
                found.setdefault(variant, []).append(numbers)
            advance(kind)
            rows = [row for row in rows if row.variant not in found] + rows_of(found, sizes)
            save(NAME, rows, args.output)


if __name__ == "__main__":
    main()
