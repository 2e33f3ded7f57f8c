"""What a gradient step of a GAN costs, beside a plain PyTorch loop of the same networks, batches and steps.

The loops run in alternation on one thread; a value is the minimum of the repeats. A step is one of the discriminator
and one of the generator, of the non-saturating GAN, 64 real and 64 generated samples, Adam. `plain loop` draws rows of
a tensor; `plain loop, DataLoader` reads a `torch.utils.data.DataLoader` as tutorials do. The plain loop shows the
discriminator real and generated samples one after the other, and shows it the generated ones again, with gradient, for
the generator's loss; both losses are read at the end of each step, as ours are logged. `one stage` is the agent's
option of that name, which is another order of the same steps; `plain loop, one stage` is that order in a plain loop.

    python -m benchmarks.gan_speed [--quick] [--seeds 5]
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.harness import Row, alternate, arguments, progress, save
from lhy_rl.agents import GAN
from lhy_rl.nn.generative.sample_networks import LeakyLayers
from lhy_rl.rollouts.vector_envs import make_vec

NAME = "gan_speed"
TASKS = {"Ring-v0": ("two layers of 128", 400), "Digits-v0": ("convolutions of 16, 32 and 64 maps", 100)}
BATCH, CODE, RATE, BETAS = 64, 32, 1e-3, (0.5, 0.999)
OURS, ONE_STAGE, PLAIN = "lhy_rl", "lhy_rl, one stage", "plain loop"
PLAIN_ONE_STAGE, PLAIN_LOADER = "plain loop, one stage", "plain loop, DataLoader"
PRODUCTS = "matrix products alone"


def our_agent(task: str, **options: Any) -> GAN:
    """Make our agent for the task."""
    env = make_vec(f"lhy_rl/{task}", 8)
    return GAN(env, device="cpu", num_envs=8, batch_size=BATCH, code_size=CODE, film=0, learning_rate=RATE, **options)


def plain_modules(network: nn.Module) -> nn.Module:
    """Return a copy that consists of torch's own modules."""
    made = copy.deepcopy(network)
    return nn.Sequential(*made) if isinstance(made, LeakyLayers) else made


def drawn(samples: Tensor) -> Iterator[Tensor]:
    """Draw batches as rows of the tensor."""
    while True:
        yield samples[torch.randint(len(samples), (BATCH,))]


def loaded(samples: Tensor) -> Iterator[Tensor]:
    """Draw batches from a data loader, epoch after epoch."""
    loader = DataLoader(TensorDataset(samples), BATCH, shuffle=True, drop_last=True)
    while True:
        for (batch,) in loader:
            yield batch


def plain_loop(agent: GAN, batches: Iterator[Tensor], steps: int, one_stage: bool = False) -> Callable[[], None]:
    """Return a training loop of the same GAN as tutorials write it, or in one stage (Shen et al. 2021)."""
    generator = plain_modules(agent.policy.actor.generator)
    reader = agent.discriminator.reader
    inner = getattr(reader, "layers", None) or reader.network
    discriminator = plain_modules(inner)  # type: ignore[arg-type]
    bce, ones, zeros = nn.BCEWithLogitsLoss(), torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
    ours = torch.optim.Adam(generator.parameters(), RATE, BETAS)
    theirs = torch.optim.Adam(discriminator.parameters(), RATE, BETAS)

    def loop() -> None:
        for _ in range(steps):
            real, fake = next(batches), generator(torch.randn(BATCH, CODE))
            theirs.zero_grad()
            if one_stage:
                shown = fake.detach().requires_grad_()
                scores = discriminator(shown)
                loss = bce(discriminator(real), ones) + bce(scores, zeros)
                loss.backward()
                ratio = -torch.exp(-scores.detach()).view(-1, *[1] * (fake.dim() - 1))
                ours.zero_grad()
                fake.backward(shown.grad * ratio)
                theirs.step()
                ours.step()
                loss.item(), bce(scores.detach(), ones).item()
                continue
            loss = bce(discriminator(real), ones) + bce(discriminator(fake.detach()), zeros)
            loss.backward()
            theirs.step()
            ours.zero_grad()
            loss_of_generator = bce(discriminator(fake), ones)
            loss_of_generator.backward()
            ours.step()
            loss.item(), loss_of_generator.item()

    return loop


def our_loop(agent: GAN, steps: int) -> Callable[[], None]:
    """Return a function that updates the agent, including all logging."""
    agent.gradient_steps = steps
    return lambda: agent.update()


def products(agent: GAN, steps: int) -> Callable[[], None]:
    """Return a function that computes only the matrix products of the steps of dense networks."""
    generator, discriminator = (
        [layer.weight.detach() for layer in network.modules() if isinstance(layer, nn.Linear)]
        for network in (agent.policy.actor.generator, agent.discriminator.reader)
    )
    pairs: list[tuple[Tensor, Tensor]] = []
    for weights, rows, trained in (
        (generator, BATCH, True),
        (discriminator, 2 * BATCH, True),
        (discriminator, BATCH, False),
    ):
        for place, weight in enumerate(weights):
            x, grad = torch.randn(rows, weight.shape[1]), torch.randn(rows, weight.shape[0])
            pairs.append((x, weight.T))
            pairs += [(grad.T, x)] if trained else []
            pairs += [(grad, weight)] if place or not trained else []

    @torch.no_grad()
    def loop() -> None:
        for _ in range(steps):
            for first, second in pairs:
                torch.mm(first, second)

    return loop


def compare(task: str, steps: int, repeats: int) -> list[Row]:
    """Return rows of the milliseconds per step, and ratios."""
    agent = our_agent(task)
    assert agent.data is not None
    samples = agent.data.samples
    candidates = {
        OURS: our_loop(agent, steps),
        ONE_STAGE: our_loop(our_agent(task, one_stage=True), steps),
        PLAIN: plain_loop(agent, drawn(samples), steps),
        PLAIN_ONE_STAGE: plain_loop(agent, drawn(samples), steps, one_stage=True),
        PLAIN_LOADER: plain_loop(agent, loaded(samples), steps),
    }
    if task == "Ring-v0":
        candidates[PRODUCTS] = products(agent, steps)
    seconds = alternate(candidates, repeats)
    best = {way: 1000 * min(times) / steps for way, times in seconds.items()}
    name = f"{task}, {TASKS[task][0]}"
    rows = [Row(name, "gan", way, "milliseconds a step", best[way], best[way], best[way], repeats) for way in best]
    for ours, theirs in ((OURS, PLAIN), (OURS, PLAIN_LOADER), (ONE_STAGE, PLAIN), (ONE_STAGE, PLAIN_ONE_STAGE)):
        ratio, wanted = best[theirs] / best[ours], "" if theirs == PLAIN_ONE_STAGE else "wanted: 1.5"
        variant = f"{ours} over {theirs}"
        rows.append(Row(name, "gan", variant, "times faster", ratio, ratio, ratio, repeats, None, None, wanted))
    return rows


def main() -> None:
    args = arguments(__doc__, seeds=7)
    torch.set_num_threads(1)
    rows: list[Row] = []
    with progress(len(TASKS), NAME) as advance:
        for task, (_, steps) in TASKS.items():
            rows += compare(task, 3 if args.quick else steps, 1 if args.quick else args.seeds)
            advance(task)
    for row in rows:
        print(f"{row.task}: {row.variant}, {row.metric} {row.value:.3f}", flush=True)
    save(NAME, rows, args.output)


if __name__ == "__main__":
    main()
