"""Generative models against what is known: closed forms for autoencoders, the modes of mixtures for adversarial nets.

`digits`: scikit-learn's digits (8 x 8 from -1 to 1, 1,000 to learn from, 397 to test), eight numbers a code. A linear
variational autoencoder's bound, of 200 draws a digit, beside the likelihood of probabilistic principal components
(Tipping and Bishop 1999), on the digits learned from; an autoencoder's squared error over that of principal components
with as many numbers (Baldi and Hornik 1989), the components being those of the digits learned from.

`Ring-v0`, `Grid25-v0`: eight and 25 narrow Gaussians. `modes`: the number of Gaussians with 20 or more good samples out
of 2,500; `good`: the share of samples within three standard deviations of the nearest mean, 0.989 for real samples.
Each objective has the options below. `ebgan, nothing pulls away` is without the pulling-away term; in `one stage`
generator and discriminator learn from the same pass.

    python -m benchmarks.generative [--quick] [--seeds 3] [--only PATTERN] [--ring 25] [--grid 180]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import Row, learned_for, parser, run_cases, summarize
from lhy_rl.agents import GAN, VAE, Autoencoder
from lhy_rl.functional.variational import pca_error, principal_subspace, probabilistic_pca_log_likelihood
from lhy_rl.rollouts.vector_envs import make_vec

NAME = "generative"
CODE = 8
LINEAR = {"network": "linear", "batch_size": 250, "learning_rate": 5e-3, "decay": 0.7}
DEEP = {"network": "mlp", "hidden_size": 256, "batch_size": 100}
AUTOENCODERS: dict[str, tuple[type[Any], dict[str, Any], int]] = {  # agent, options, gradient steps
    "linear vae": (VAE, {**LINEAR, "likelihood": "gaussian"}, 10_000),
    "linear autoencoder": (Autoencoder, LINEAR, 10_000),
    "deep autoencoder": (Autoencoder, DEEP, 3_000),
}
DRAWS = 200  # samples per digit for the bound

POINTS = {"network": "mlp", "hidden_size": 128, "layers": 2, "code_size": 2}
CRITIC = {"discriminator_steps": 5, "batch_size": 64}
APART = {"code_size": 32, "pulling_away": 1.0, "discriminator_learning_rate": 3e-4, "decay": 1.0}
RING: dict[str, dict[str, Any]] = {
    "gan": POINTS,
    "gan, one stage": {**POINTS, "one_stage": True},
    "lsgan": POINTS,
    "lsgan, one stage": {**POINTS, "one_stage": True},
    "wgan_gp": {**POINTS, **CRITIC},
    "ebgan": {**POINTS, **APART, "objective_options": {"margin": 0.3}},
    "ebgan, nothing pulls away": {**POINTS, **APART, "objective_options": {"margin": 0.3}, "pulling_away": 0.0},
}
WIDER = {"batch_size": 128, "discriminator_steps": 3, "beta2": 0.9, "decay": 1.0, "objective_options": {"penalty": 0.1}}
GRID: dict[str, dict[str, Any]] = {"gan": POINTS, "wgan_gp": {**POINTS, **WIDER}}
TASKS: dict[str, dict[str, dict[str, Any]]] = {"Ring-v0": RING, "Grid25-v0": GRID}
SAMPLES, LEAST = 2500, 20  # number of samples, and the least number of good ones for a mode to count as found
WANTED = {
    ("digits", "linear vae", "below the closed form"): "wanted: at most 0.05",
    ("digits", "linear autoencoder", "error over PCA"): "wanted: at most 1.02",
    ("digits", "deep autoencoder", "error over PCA, held out"): "wanted: at most 0.8",
    ("Ring-v0", "ebgan", "modes"): "wanted: 7",
    ("Grid25-v0", "wgan_gp", "modes"): "wanted: 22",
    ("Grid25-v0", "gan", "modes"): "17.3 of 25 in Lin et al. 2018",
}


def autoencoder(name: str, seed: int, quick: bool) -> dict[str, float]:
    """Train an autoencoder: metric to value."""
    kind, options, steps = AUTOENCODERS[name]
    env = make_vec("lhy_rl/Digits-v0", 8, pictures="optical")
    agent = kind(
        env, seed=seed, device="cpu", num_envs=8, film=0, code_size=CODE, gradient_steps=20 if quick else 100, **options
    )
    begun = time.process_time()
    agent.learn((40 if quick else steps) * agent.batch_size)
    found = {"steps": agent.num_timesteps // agent.batch_size, "seconds": time.process_time() - begun}
    train, test = (agent.split(split).samples for split in ("train", "test"))
    if kind is VAE:
        bound = agent.elbo(agent.data, len(train), 5 if quick else DRAWS)
        known = probabilistic_pca_log_likelihood(train.flatten(1), CODE)
        return {"bound": bound, "closed form": known, "below the closed form": known - bound, **found}
    basis, _ = principal_subspace(train.flatten(1), CODE)
    left = test.flatten(1) - train.flatten(1).mean(0)
    unseen = float((left - left @ basis @ basis.T).square().mean())
    return {
        "error over PCA": drawn_again(agent, train) / pca_error(train.flatten(1), CODE),
        "error over PCA, held out": drawn_again(agent, test) / unseen,
        **found,
    }


@torch.no_grad()
def drawn_again(agent: Autoencoder, x: Tensor) -> float:
    """Return the mean squared error of the reconstruction, per number."""
    nothing = torch.zeros(len(x), dtype=torch.int64)
    return float((agent.decode_tensor(agent.encoder(x, nothing), nothing) - x).square().mean())


def mixture(task: str, objective: str, seed: int, seconds: float) -> dict[str, float]:
    """Train a GAN on a mixture of Gaussians: metric to value."""
    env = make_vec(f"lhy_rl/{task}", 8)
    options = {
        "objective": objective.split(",")[0],
        "num_envs": 8,
        "film": 0,
        "gradient_steps": 100,
        **TASKS[task][objective],
    }
    options |= {"gradient_steps": 5} if seconds < 1 else {}
    agent, spent = learned_for(seconds, lambda: GAN(env, seed=seed, device="cpu", **options))
    modes, good = coverage(agent)
    return {"modes": modes, "good": good, "steps": agent.num_timesteps, "seconds": spent}


def coverage(agent: GAN) -> tuple[int, float]:
    """Return the number of modes that the generator finds, and the share of good samples."""
    task: Any = agent.env.unwrapped
    drawn, _ = agent.predict(np.zeros(SAMPLES, np.int64))
    modes, good = task.nearest(drawn)
    return int((np.bincount(modes[good], minlength=len(task.means)) >= LEAST).sum()), float(good.mean())


def rows_of(case: str, results: Sequence[dict[str, float]]) -> list[Row]:
    """Return a row for each metric."""
    task, name = case.split("/")
    steps, seconds = (float(np.mean([result[metric] for result in results])) for metric in ("steps", "seconds"))
    agent = "gan" if task in TASKS else name.split()[1]
    return [
        summarize(
            task, agent, name, metric, [result[metric] for result in results], round(steps), seconds,
            WANTED.get((task, name, metric), ""),
        )
        for metric in results[0]
        if metric not in ("steps", "seconds")
    ]  # fmt: skip


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERN", help="rows to run, such as 'Ring-v0/*'")
    command.add_argument("--ring", type=float, default=25.0, metavar="S", help="CPU-seconds of a run on the ring (25)")
    command.add_argument(
        "--grid", type=float, default=180.0, metavar="S", help="CPU-seconds of a run on the grid (180)"
    )
    args = command.parse_args()
    torch.set_num_threads(1)
    seconds = {"Ring-v0": 0.05, "Grid25-v0": 0.05} if args.quick else {"Ring-v0": args.ring, "Grid25-v0": args.grid}
    cases: dict[str, Callable[[int], dict[str, float]]] = {}
    for name in AUTOENCODERS:
        cases[f"digits/{name}"] = lambda seed, name=name: autoencoder(name, seed, args.quick)
    for task, objectives in TASKS.items():
        for name in objectives:
            cases[f"{task}/{name}"] = lambda seed, task=task, name=name: mixture(task, name, seed, seconds[task])
    run_cases(NAME, cases, rows_of, args)


if __name__ == "__main__":
    main()
