"""What the objectives of adversarial nets measure, beside what is known exactly.

`lines` (Arjovsky et al. 2017, example 1): real points lie evenly on a line of length one, generated ones on a parallel
line at a distance. The Jensen-Shannon divergence is log 2 wherever they do not touch, so its gradient is 0; the
earth mover's distance is the distance, and its gradient is 1. Measured: a discriminator's divergence, log 2 - L_D / 2
of the objective `gan`, a critic's difference of means of `wgan_gp`, and the gradient of either along the distance,
after training the network at that distance.

`critic` (Ring-v0): a `wgan_gp`'s generator is stopped after some steps, and only its critic learns on. Then the
critic's difference of means, divided by the mean norm of its gradient at the points of the penalty, is compared with
the earth mover's distance of the same 1,000 and 1,000 points (an assignment, by scipy), in the units of the networks.

`began` (Ring-v0): Spearman's correlation, over a training, of the convergence measure (Berthelot et al. 2017, section
3.4.1; mean of an update) with the earth mover's distance of 500 generated and 500 real points; and the diversity of
1,000 samples at the end, for each gamma: their mean distance from each other, divided by that of real ones.

    python -m benchmarks.wasserstein [--quick] [--seeds 3] [--only PATTERN]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import spearmanr
from torch import Tensor, nn

from benchmarks.harness import Row, parser, run_cases, summarize
from lhy_rl.agents import GAN
from lhy_rl.functional.adversarial import objective
from lhy_rl.functional.adversarial_penalties import gradient_penalty
from lhy_rl.rollouts.vector_envs import make_vec

NAME = "wasserstein"
APART = (0.25, 0.5, 1.0)
LINE_STEPS, LINE_BATCH = 1500, 256
LINE_OBJECTIVES = {"gan": "Jensen-Shannon divergence", "wgan_gp": "earth mover's distance"}
STOPPED = (0, 300, 1000)  # gradient steps of a generator before only its critic learns
CRITIC = {"objective": "wgan_gp", "code_size": 2, "discriminator_steps": 5, "decay": 0.0}
CRITIC_STEPS, COMPARED = 2000, 1000
BEGAN = {"objective": "began", "code_size": 32, "energy_code_size": 4, "discriminator_learning_rate": 3e-4}
GAMMAS, LAMBDA_K = (0.3, 0.5, 0.7), 0.05
BEGAN_STEPS, BETWEEN, FEW = 2500, 125, 500
WANTED = {
    "error": "wanted: at most 0.1",
    "Spearman of convergence and distance": "wanted: 0.7",
}


def w1(first: Tensor, second: Tensor) -> float:
    """Return the earth mover's distance between two sets of equally many points, (N, D)."""
    cost = torch.cdist(first.double(), second.double()).numpy()
    return float(cost[linear_sum_assignment(cost)].mean())


# ------------------------------------------------------------------ two lines
def lines(name: str, apart: float, seed: int, steps: int) -> dict[str, float]:
    """Train a network to distinguish the lines; return its estimate of the distance, and the gradient."""
    torch.manual_seed(seed)
    chosen, generator = objective(name), torch.Generator().manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1), nn.Flatten(0)
    )
    optimizer = torch.optim.Adam(network.parameters(), 2e-3, (0.5, 0.9), fused=True)

    def line(x: Tensor | float) -> Tensor:
        y = torch.rand(LINE_BATCH, 1, generator=generator)
        return torch.cat([torch.zeros_like(y) + x, y], 1)

    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1.0, 2 * (1 - step / steps))
        real, fake = line(0.0), line(apart)
        loss = chosen.discriminator_loss(network(real), network(fake))
        if chosen.penalty_weight:
            loss = loss + chosen.penalty_weight * gradient_penalty(network, real, fake, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    place = torch.tensor(apart, requires_grad=True)
    loss = torch.stack([chosen.discriminator_loss(network(line(0.0)), network(line(place))) for _ in range(8)]).mean()
    value = -loss if name == "wgan_gp" else math.log(2) - loss / 2
    (grad,) = torch.autograd.grad(value, place)
    return {"measured": float(value.detach()), "gradient": float(grad)}


# ------------------------------------------------------------------ a critic
def critic(stopped: int, seed: int, steps: int) -> dict[str, float]:
    """Stop a generator, continue to train its critic, and compare the distances."""
    env = make_vec("lhy_rl/Ring-v0", 8)
    agent = GAN(env, seed=seed, device="cpu", num_envs=8, film=0, gradient_steps=100, **CRITIC)
    if stopped:
        agent.learn(stopped * agent.batch_size)
    data = agent.data
    assert data is not None
    with torch.no_grad():
        everything = agent.generate(torch.zeros(20 * COMPARED, dtype=torch.int64))
    for step in range(steps):
        for optimizer, rate in agent.optimizers.values():
            optimizer.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - step / steps))
        x, c = data.rows(agent.draw_rows())
        places = torch.randint(len(everything), (len(x),), generator=agent.generator)
        agent.train_discriminator(x, everything[places], c)
    real, _ = data.rows(torch.randperm(len(data), generator=agent.generator)[: 2 * COMPARED])
    fake, nothing = everything[:COMPARED], torch.zeros(COMPARED, dtype=torch.int64)
    with torch.no_grad():
        raw = float((agent.discriminator(real[:COMPARED], nothing) - agent.discriminator(fake, nothing)).mean())
    size = gradient_size(agent, real[:COMPARED], fake)
    exact = w1(real[:COMPARED], fake)
    return {
        "exact": exact,
        "estimate": raw / size,
        "error": abs(raw / size - exact) / exact,
        "unscaled estimate": raw,
        "gradient": size,
        "two real samples": w1(real[:COMPARED], real[COMPARED:]),
    }


def gradient_size(agent: GAN, real: Tensor, fake: Tensor) -> float:
    """Return the critic's mean gradient norm between real and generated points."""
    u = torch.rand(len(real), 1, generator=agent.generator)
    between = (u * real + (1 - u) * fake).requires_grad_()
    scores = agent.discriminator(between, torch.zeros(len(real), dtype=torch.int64))
    (gradient,) = torch.autograd.grad(scores.sum(), between)
    return float(gradient.norm(dim=1).mean())


# ------------------------------------------------------------------ began
def began(gamma: float, seed: int, steps: int) -> dict[str, float]:
    """Train a BEGAN and compare its convergence measure with the distance."""
    env = make_vec("lhy_rl/Ring-v0", 8)
    options = {**BEGAN, "objective_options": {"gamma": gamma, "lambda_k": LAMBDA_K}}
    agent = GAN(env, seed=seed, device="cpu", num_envs=8, film=0, gradient_steps=BETWEEN, **options)
    data = agent.data
    assert data is not None
    real, found = data.samples[:COMPARED].flatten(1), []

    def watch(agent: GAN, metrics: dict[str, Any]) -> None:
        found.append((metrics["train/convergence"], w1(real[:FEW], drawn(agent, FEW))))

    agent.learn(steps * agent.batch_size, callback=watch)
    measure, distance = zip(*found, strict=True)
    spread = float(torch.pdist(drawn(agent, COMPARED)).mean() / torch.pdist(real).mean())
    correlation = float(spearmanr(measure, distance).statistic)
    return {
        "Spearman of convergence and distance": correlation,
        "diversity": spread,
        "distance at first": distance[0],
        "distance at the end": distance[-1],
    }


@torch.no_grad()
def drawn(agent: GAN, n: int) -> Tensor:
    """Draw (n, D) samples in the units of the networks."""
    return agent.generate(torch.zeros(n, dtype=torch.int64)).flatten(1)


# ------------------------------------------------------------------ the table
def cases(quick: bool) -> dict[str, Any]:
    """Return the name (task/variant) of each case, and its function of a seed."""
    made: dict[str, Any] = {}
    for name in LINE_OBJECTIVES:
        for apart in APART:
            steps = 50 if quick else LINE_STEPS
            made[f"lines/{name}, {apart:g} apart"] = lambda seed, name=name, apart=apart, steps=steps: lines(
                name, apart, seed, steps
            )
    for stopped in STOPPED[:1] if quick else STOPPED:
        steps = 30 if quick else CRITIC_STEPS
        made[f"critic/after {stopped} steps"] = lambda seed, stopped=stopped, steps=steps: critic(stopped, seed, steps)
    for gamma in GAMMAS[-1:] if quick else GAMMAS:
        steps = 2 * BETWEEN if quick else BEGAN_STEPS
        made[f"began/gamma {gamma:g}"] = lambda seed, gamma=gamma, steps=steps: began(gamma, seed, steps)
    return made


def rows_of(name: str, results: Sequence[dict[str, float]]) -> list[Row]:
    """Return a row for each metric."""
    seconds = sum(result["seconds"] for result in results) / len(results)
    task, variant = name.split("/")
    agent = variant.split(",")[0] if task == "lines" else "gan"
    reference = dict(WANTED)
    if task == "lines":
        earth = variant.startswith("wgan")
        known = variant.split()[1] if earth else f"{math.log(2):.3g} (log 2)"
        reference = {"measured": f"closed form: {known}", "gradient": f"closed form: {int(earth)}"}
    return [
        summarize(
            task, agent, variant, metric, [result[metric] for result in results], None, seconds,
            reference.get(metric, ""),
        )
        for metric in results[0]
        if metric != "seconds"
    ]  # fmt: skip


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERN", help="rows to run, such as 'lines/*'")
    args = command.parse_args()
    torch.set_num_threads(1)
    run_cases(NAME, cases(args.quick), rows_of, args)


if __name__ == "__main__":
    main()
