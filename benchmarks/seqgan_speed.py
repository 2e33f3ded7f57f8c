"""What SeqGAN costs at the paper's sizes, beside a plain loop and beside the arithmetic that it needs.

Vocabulary 5000, sentences of 20 tokens, batches of 64, 16 rollouts, a generator of 32 hidden units, the paper's
discriminator, one thread, CPU-seconds. The plain loop follows public PyTorch code: it samples with
``torch.multinomial``, but only the tokens after a prefix, reads every prefix again for every rollout, and leaves all
else to autograd. Both run in alternation in the same minutes, so that their ratio holds on any machine. The plain loop
runs on a part of the work where the whole would take minutes; its rows say so. The bound is the matrix products at the
rate of a 1024 x 1024 product and the softmax at the rate of a softmax in the cache, both measured here.

    python -m benchmarks.seqgan_speed [--quick]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import gymnasium
import matplotlib
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lhy_rl  # noqa: F401  (registers the environments)
from benchmarks.harness import Row, alternate, arguments, progress, save
from lhy_rl.agents.adversarial.seqgan import SeqGAN
from lhy_rl.agents.policy_gradient.reinforce import Reinforce
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.nn.decoding import sample
from lhy_rl.nn.discriminators.sequence import ConvolutionalDiscriminator

PEERS = "ZiJianZhao/SeqGAN-PyTorch and TextGAN-PyTorch under torch 2.13 on a quiet core of the same kind"


@dataclass(frozen=True)
class Sizes:
    """Sizes of the benchmark; ``plain`` ones are those of the part of the work that the plain loop does."""

    vocabulary: int = 5000
    length: int = 20
    batch: int = 64
    rollouts: int = 16
    sentences: int = 10_000
    hidden: int = 32
    plain_rollouts: int = 1
    plain_sampled: int = 1280
    plain_learned: int = 1280
    plain_scored: int = 1280

    @property
    def task(self) -> str:
        return f"oracle text, V={self.vocabulary}, T={self.length}"


QUICK = Sizes(300, 6, 8, 2, 128, plain_sampled=64, plain_learned=64, plain_scored=64)


class PlainGenerator(nn.Module):
    """Embedding, LSTM, softmax."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.vocabulary, sizes.hidden)
        self.lstm = nn.LSTM(sizes.hidden, sizes.hidden, batch_first=True)
        self.output = nn.Linear(sizes.hidden, sizes.vocabulary)

    def forward(
        self, tokens: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, state = self.lstm(self.embedding(tokens), state)
        return self.output(h), state

    @torch.no_grad()
    def write(self, n: int, length: int, prefix: Tensor | None = None) -> Tensor:
        """Sample sentences token by token from the beginning: a given prefix is read, and the rest is sampled."""
        given = [] if prefix is None else prefix.split(1, 1)
        token, state, written = torch.zeros(n, 1, dtype=torch.int64), None, []
        for t in range(length):
            logits, state = self(token, state)
            probabilities = F.softmax(logits[:, 0], -1)
            token = given[t] if t < len(given) else torch.multinomial(probabilities, 1)
            written.append(token)
        return torch.cat(written, 1)


class PlainDiscriminator(nn.Module):
    """Convolutions, max over time, a highway layer with one shared matrix (as in the ports), one logit."""

    def __init__(self, sizes: Sizes, filters: list[tuple[int, int]]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.vocabulary, 64)
        self.convolutions = nn.ModuleList(nn.Conv2d(1, maps, (width, 64)) for width, maps in filters)
        features = sum(maps for _, maps in filters)
        self.highway, self.dropout, self.output = (
            nn.Linear(features, features),
            nn.Dropout(0.25),
            nn.Linear(features, 1),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)[:, None]
        maps = [F.relu(convolution(x))[..., 0] for convolution in self.convolutions]
        pooled = torch.cat([F.max_pool1d(m, m.shape[2])[..., 0] for m in maps], 1)
        highway = self.highway(pooled)
        mixed = torch.sigmoid(highway) * F.relu(highway) + (1 - torch.sigmoid(highway)) * pooled
        return self.output(self.dropout(mixed))[:, 0]


class Plain:
    """The work as a plain loop."""

    def __init__(self, sizes: Sizes, real: Tensor, filters: list[tuple[int, int]]) -> None:
        self.sizes, self.real = sizes, real
        self.generator, self.discriminator = PlainGenerator(sizes), PlainDiscriminator(sizes, filters)
        self.optimizer = torch.optim.Adam(self.generator.parameters(), lr=1e-2)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=1e-4)

    def rollouts(self) -> None:
        s = self.sizes
        rewards = torch.zeros(s.batch, s.length)
        self.discriminator.eval()
        with torch.no_grad():
            for _ in range(s.plain_rollouts):
                for t in range(1, s.length + 1):
                    prefix = self.real[: s.batch, :t]
                    finished = self.generator.write(s.batch, s.length, prefix) if t < s.length else prefix
                    rewards[:, t - 1] += torch.sigmoid(self.discriminator(finished)) / s.plain_rollouts

    def write_and_learn(self) -> None:
        tokens = self.generator.write(self.sizes.batch, self.sizes.length)
        self.descend(tokens, torch.rand(tokens.shape))

    def descend(self, tokens: Tensor, weight: Tensor) -> None:
        inputs = torch.cat([torch.zeros_like(tokens[:, :1]), tokens[:, :-1]], 1)
        logits, _ = self.generator(inputs)
        nll = F.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none")
        self.optimizer.zero_grad()
        (nll * weight.flatten()).mean().backward()
        self.optimizer.step()

    def sample(self) -> None:
        for _ in range(self.sizes.plain_sampled // self.sizes.batch):
            self.generator.write(self.sizes.batch, self.sizes.length)

    def mle_epoch(self) -> None:
        for tokens in self.real[: self.sizes.plain_learned].split(self.sizes.batch):
            self.descend(tokens, torch.ones(tokens.shape))

    def discriminator_epoch(self) -> None:
        self.discriminator.train()
        half = self.sizes.batch // 2
        for tokens in self.real[: self.sizes.plain_scored].split(half):
            both = torch.cat([tokens, tokens.flip(1)])
            target = torch.cat([torch.ones(len(tokens)), torch.zeros(len(tokens))])
            self.discriminator_optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(self.discriminator(both), target).backward()
            self.discriminator_optimizer.step()


def make_agent(s: Sizes) -> SeqGAN:
    """Make an agent that is ready for adversarial rounds and has a maximum-likelihood part."""
    env = gymnasium.make_vec(
        "lhy_rl/OracleText-v0", num_envs=s.batch, reward="none", vocabulary_size=s.vocabulary, max_length=s.length,
        train_size=s.sentences, validation_size=s.batch, test_size=s.batch,
    )  # fmt: skip
    options = {"hidden_size": s.hidden, "embedding_size": s.hidden, "rollouts": s.rollouts}
    agent = SeqGAN(env, pretrain_epochs=1e-9, discriminator_pretrain_steps=0, pretrain_batch_size=s.batch, **options)
    while agent.preparing:
        agent.update()
    return agent


def rates() -> tuple[float, float]:
    """Measure the FLOP/s of a matrix product and the softmax entries/s in the cache, the best of several seconds."""
    a, b, out = torch.randn(1024, 1024), torch.randn(1024, 1024), torch.empty(1024, 1024)
    logits, probabilities = torch.randn(64, 5000), torch.empty(64, 5000)

    def best(run: Callable[[], object]) -> float:
        seconds = []
        for _ in range(20):
            begun = time.process_time()
            run()
            seconds.append(time.process_time() - begun)
        return min(seconds)

    product = best(lambda: torch.mm(a, b, out=out))
    softmax = best(lambda: [torch.softmax(logits, -1, out=probabilities) for _ in range(20)])
    return 2 * 1024**3 / product, 20 * logits.numel() / softmax


def needed(s: Sizes, network: ConvolutionalDiscriminator) -> dict[str, tuple[float, float]]:
    """Return the FLOP in matrix products and the softmax entries of each piece of work, done in the best known way."""
    e, features = network.embedding.embedding_dim, network.output.in_features
    convolution = sum(2 * maps * width * e * (s.length - width + 1) for width, maps in network.windows)
    winners = sum(2 * maps * width * e for width, maps in network.windows)  # only the maxima have a gradient
    top = 2 * features * 2 * features + 2 * features
    table = sum(2 * maps * width * e * s.vocabulary for width, maps in network.windows)
    cell = 2 * 4 * s.hidden * 2 * s.hidden
    softmax = 2 * s.hidden * s.vocabulary
    steps = s.batch * (s.rollouts * s.length * (s.length - 1) // 2 + s.length)
    scored = s.batch * (s.rollouts * (s.length - 1) + 1)
    update = s.batch * s.length * 3 * (cell + softmax)
    tokens = s.sentences * s.length
    return {
        "generator step": (
            steps * (cell + softmax) + min(table, scored * convolution) + scored * top + update,
            (steps + s.batch * s.length) * s.vocabulary,
        ),
        "sampling": (tokens * (cell + softmax), tokens * s.vocabulary),
        "MLE epoch": (tokens * 3 * (cell + softmax), tokens * s.vocabulary),
        "discriminator epoch": (2 * s.sentences * (convolution + 2 * winners + 3 * top), 0),
    }


REFERENCES = {
    "generator step": f"wanted: 6; 46 to 50 in {PEERS}",
    "sampling": f"wanted: 3; 24 to 28 in {PEERS}",
    "MLE epoch": f"wanted: 5; 7.5 to 9 in {PEERS}",
    "discriminator epoch": (
        f"wanted: 20; 37 to 42 in {PEERS}. Our highway layer has the paper's two matrices (eq. 9), the "
        "ports' one: 27 MFLOP a sentence forward, not 21"
    ),
}


def timing(
    task: str, repeats: int, variant: str, metric: str, values: list[float], value: float, reference: str
) -> Row:
    """Return a row of several repeats."""
    spent = value if metric == "CPU-seconds" else None
    return Row(task, "seqgan", variant, metric, value, min(values), max(values), repeats, None, spent, reference)


def measure(s: Sizes, repeats: int) -> list[Row]:
    """Return all rows: CPU-seconds (the minimum of the repeats), ratios, bounds."""
    torch.manual_seed(0)
    agent = make_agent(s)
    network = agent.discriminator.network
    assert isinstance(network, ConvolutionalDiscriminator) and agent.likelihood is not None
    plain = Plain(s, torch.as_tensor(agent.task.sequences("train").tokens), network.windows)
    fake = TokenSequences(*(getattr(agent.task.sequences("train"), name) for name in ("tokens", "lengths")))
    likelihood, discriminator = agent.likelihood, agent.discriminator
    work: dict[str, tuple[str, float, Callable[[], object], Callable[[], object]]] = {
        "generator step": (
            f"B={s.batch}, {s.rollouts} rollouts, scored, with its update", s.rollouts / s.plain_rollouts,
            lambda: Reinforce.update(agent), plain.rollouts,
        ),
        "sampling": (
            f"{s.sentences:,} sentences", s.sentences / s.plain_sampled,
            lambda: sample(agent.policy, agent.task, s.sentences, agent.generator), plain.sample,
        ),
        "MLE epoch": (
            f"{s.sentences:,} sentences", s.sentences / s.plain_learned,
            lambda: likelihood.update(likelihood.steps_per_epoch), plain.mle_epoch,
        ),
        "discriminator epoch": (
            f"{s.sentences:,} real and {s.sentences:,} written sentences", s.sentences / s.plain_scored,
            lambda: discriminator.train_on(fake), plain.discriminator_epoch,
        ),
    }  # fmt: skip
    bounds, rows = needed(s, network), []
    with progress(len(work), "seqgan speed") as advance:
        for name, (what, scale, ours, plainly) in work.items():
            task, reference = f"{name}: {what} ({s.task})", REFERENCES[name] if s == Sizes() else ""
            flop_rate, softmax_rate = rates()
            once = plain.write_and_learn if name == "generator step" else lambda: None  # the part that is not scaled
            seconds = alternate({"lhy_rl": ours, "plain": plainly, "once": once}, repeats)
            again = rates()
            flop_rate, softmax_rate = max(flop_rate, again[0]), max(softmax_rate, again[1])
            loop = f"plain loop (scaled from 1/{scale:.3g})" if scale != 1 else "plain loop"
            slow = [scale * x + y for x, y in zip(seconds["plain"], seconds["once"], strict=True)]
            fast = seconds["lhy_rl"]
            ratios = [a / b for a, b in zip(slow, fast, strict=True)]
            flop, entries = bounds[name]
            bound = flop / flop_rate + entries / softmax_rate
            arithmetic = f"{flop / 1e9:.0f} GFLOP at {flop_rate / 1e9:.0f} GFLOP/s"
            if entries:
                arithmetic += f" and {entries / 1e9:.2g}e9 softmax entries at {softmax_rate / 1e9:.2f}e9/s"

            row = partial(timing, task, repeats)
            rows += [
                row("lhy_rl", "CPU-seconds", fast, min(fast), reference),
                row(loop, "CPU-seconds", slow, min(slow), ""),
                row("arithmetic bound", "CPU-seconds", [bound], bound, arithmetic),
                row("lhy_rl over plain loop", "times faster", ratios, median(ratios), ""),
                row("bound / lhy_rl", "share", [bound / x for x in fast], bound / min(fast), ""),
            ]
            if name == "generator step":
                scored = s.batch * (s.rollouts * (s.length - 1) + 1)
                speeds = [scored / x for x in fast]
                wanted = f"wanted: 3000; 410 in {PEERS}" if s == Sizes() else ""
                rows.append(row("lhy_rl", "scored rollouts/s", speeds, max(speeds), wanted))
            advance(name)
    return rows


def draw(rows: list[Row], path: Path) -> None:
    """Plot bars of the seconds: the plain loop, ours, the bound."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    seconds = [row for row in rows if row.metric == "CPU-seconds"]
    tasks = list(dict.fromkeys(row.task for row in seconds))
    figure, axis = plt.subplots(figsize=(7.5, 3.6))
    for shift, variant in enumerate(("plain loop", "lhy_rl", "arithmetic bound")):
        values = [next(r.value for r in seconds if r.task == t and r.variant.startswith(variant)) for t in tasks]
        bars = axis.barh([i + 0.27 * shift for i in range(len(tasks))], values, 0.25, label=variant)
        axis.bar_label(bars, fmt="%.3g", fontsize=8, padding=2)
    axis.set_yticks([i + 0.27 for i in range(len(tasks))], [task.split(":")[0] for task in tasks])
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("CPU-seconds, one thread, less is better")
    axis.legend(fontsize=8)
    axis.margins(x=0.12)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measure, save, draw."""
    options = arguments(__doc__, seeds=5)
    torch.set_num_threads(1)
    rows = measure(QUICK if options.quick else Sizes(), 1 if options.quick else options.seeds)
    save("seqgan_speed", rows, options.output)
    draw(rows, options.output / "seqgan_speed.png")
    for row in rows:
        print(f"{row.task.split(':')[0]:20s} {row.variant:34s} {row.value:9.3f} {row.metric}  {row.reference}")


if __name__ == "__main__":
    main()
