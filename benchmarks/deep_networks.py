"""Networks of many layers: highway layers and a grid LSTM against plain layers.

`digits`: 50 hidden layers of 50 units, scikit-learn's digits (1,000 to learn from, 397 to test), Adam, 10 epochs in
batches of 32. Each network has the learning rate out of {3e-3, 1e-3, 3e-4} with which seed 100 had the best accuracy on
the 400 digits for validation. `default` is torch's initialisation.

`parity`: whether the number of ones among 24 bits is odd, all bits presented at once as -1 and 1. A grid LSTM of 48
layers that share their weights reads them in one step; the multilayer perceptrons have as many weights (half of the
grid's are along time, where there is one step), in 48 layers and in 12. All learn for the same CPU-seconds of one
thread from fresh strings, short ones at first: how many bits there are is drawn from 1 to n, the others are 0, and n
grows by one from 2 to 24 whenever the running accuracy is above 0.9. When n is 24 half of the strings have all 24 bits.
Accuracy is that on 4,000 strings of 24 bits. The options were chosen on seeds 100 to 102.

    python -m benchmarks.deep_networks [--quick] [--seeds 3] [--seconds 40] [--only PATTERN]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from gymnasium.spaces import Box
from torch import Tensor, nn

from benchmarks.harness import Row, chosen, load, parser, progress, save, summarize
from lhy_rl.data.digits import load_digits
from lhy_rl.data.splits import LabelledData
from lhy_rl.nn.backbones.grid_lstm import GridCell
from lhy_rl.nn.encoders.base import EncoderOptions
from lhy_rl.nn.encoders.mlp import MLPEncoder

NAME = "deep_networks"
DEPTH, WIDTH, EPOCHS, BATCH, RATES, TUNED_ON = 50, 50, 10, 32, (3e-3, 1e-3, 3e-4), 100
BITS, LAYERS, SIZE, PARITY_BATCH, TESTED = 24, 48, 32, 32, 4000
SHORT, MASTERED = 2, 0.9  # bits of the first strings, and the accuracy at which a bit is added

PLAIN = {"activation": "relu", "initialization": "default"}
NETWORKS: dict[str, dict[str, str]] = {
    "highway, relu": {**PLAIN, "dense_layers": "highway"},
    "highway, tanh": {**PLAIN, "dense_layers": "highway", "activation": "tanh"},
    "plain, relu, He": {**PLAIN, "initialization": "he"},
    "plain, relu, orthogonal": {**PLAIN, "initialization": "orthogonal"},
    "plain, relu, batch norm, He": {**PLAIN, "norm": "batch", "initialization": "he"},
    "plain, relu, default": PLAIN,
    "plain, selu": {**PLAIN, "activation": "selu"},
    "plain, sigmoid, default": {**PLAIN, "activation": "sigmoid"},
    "plain, tanh, orthogonal": {**PLAIN, "activation": "tanh", "initialization": "orthogonal"},
}
WANTED = {
    ("digits", "highway, relu"): "wanted: 0.75, and 0.1 above plain",
    ("parity of 24 bits", "grid_lstm, tied"): "wanted: 0.98",
    ("parity of 24 bits", "mlp, 48 layers"): "wanted: at most 0.6",
}


def encoder(size: int, depth: int, width: int, options: dict[str, str]) -> MLPEncoder:
    """Make dense layers like those of our policies; orthogonal weights have gain sqrt(2) for relu and 1 for tanh."""
    activation = options["activation"]
    known = "relu" if activation == "sigmoid" else activation  # no policy has a sigmoid in its dense layers
    chosen = EncoderOptions(
        width, depth, known, options.get("norm", "none"), dense_layers=options.get("dense_layers", "plain")
    )
    made = MLPEncoder(Box(0.0, 1.0, (size,)), chosen)
    gain = nn.init.calculate_gain("relu") if known == "relu" else 1.0
    for place, layer in enumerate(made.layers):
        if isinstance(layer, nn.Linear) and options["initialization"] != "default":
            if options["initialization"] == "he":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)
        if activation == "sigmoid" and isinstance(layer, nn.ReLU):
            made.layers[place] = nn.Sigmoid()
    return made


def tensors(part: LabelledData) -> tuple[Tensor, Tensor]:
    """Convert to images (N, 64) and digits (N,)."""
    return torch.tensor(part.inputs).flatten(1), torch.tensor(part.labels)


def digits(options: dict[str, str], rate: float, seed: int, depth: int, epochs: int, judged_by: str) -> float:
    """Train a network and return its accuracy on the split ``judged_by``."""
    return accuracy(trained(options, rate, seed, depth, epochs), *tensors(getattr(load_digits(), judged_by)))


def trained(options: dict[str, str], rate: float, seed: int, depth: int, epochs: int) -> nn.Sequential:
    """Train a network of so many layers for these epochs, and return it in evaluation mode."""
    torch.manual_seed(seed)
    network = nn.Sequential(encoder(64, depth, WIDTH, options), nn.Linear(WIDTH, 10))
    optimizer = torch.optim.Adam(network.parameters(), rate, fused=True)
    pictures, labels = tensors(load_digits().train)
    for _ in range(epochs):
        for rows in torch.randperm(len(pictures)).split(BATCH):
            descend(network, optimizer, pictures[rows], labels[rows])
    return network.eval()


def descend(network: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    """Take a gradient step on the cross-entropy; return the logits before it."""
    logits: Tensor = network(x)
    optimizer.zero_grad()
    F.cross_entropy(logits, y).backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return logits


@torch.no_grad()
def accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the share of the inputs whose class has the greatest logit."""
    return float((network(x).argmax(1) == y).float().mean())


class AtOnce(nn.Module):
    """A grid LSTM of one time step, in which the outputs along time are unused, and the logits of two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.core = GridCell(BITS, SIZE, LAYERS, tied=True)
        self.output = nn.Linear(SIZE, 2)

    def forward(self, x: Tensor) -> Tensor:
        h_time = self.core.initial_state(len(x))[0].transpose(0, 1)
        h, m = self.core.project(x).chunk(2, -1)
        return self.output(self.core.rise(h, m, h_time)[-1])  # type: ignore[no-any-return]


def perceptron(layers: int, width: int) -> nn.Module:
    """Make plain layers with He's initialisation, and the logits of two classes."""
    return nn.Sequential(encoder(BITS, layers, width, NETWORKS["plain, relu, He"]), nn.Linear(width, 2))


PARITY: dict[str, tuple[Callable[[], nn.Module], float]] = {  # network, learning rate; weights are about equal
    "grid_lstm, tied": (AtOnce, 3e-3),
    "mlp, 48 layers": (lambda: perceptron(LAYERS, 19), 1e-3),
    "mlp, 12 layers": (lambda: perceptron(12, 39), 3e-3),
}


def strings(lengths: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw strings (N, 24) of -1 and 1, padded with zeros after their ``lengths`` (N, 1), and their parity (N,)."""
    bits = torch.randint(2, (len(lengths), BITS), generator=generator)
    there = torch.arange(BITS) < lengths
    return ((2 * bits - 1) * there).float(), (bits * there).sum(1) % 2


def parity(name: str, seed: int, seconds: float) -> dict[str, float]:
    """Train for so many CPU-seconds, with a decaying learning rate in the last third: metric to value."""
    torch.manual_seed(seed)
    make, rate = PARITY[name]
    generator, network = torch.Generator().manual_seed(seed), make()
    optimizer = torch.optim.Adam(network.parameters(), rate, fused=True)
    begun, steps, running, longest = time.process_time(), 0, 0.5, SHORT
    while (spent := (time.process_time() - begun) / seconds) < 1:
        optimizer.param_groups[0]["lr"] = rate * min(1.0, 3 * (1 - spent) + 0.01)
        lengths = torch.randint(1, longest + 1, (PARITY_BATCH, 1), generator=generator)
        if longest == BITS:
            lengths[: PARITY_BATCH // 2] = BITS
        x, y = strings(lengths, generator)
        right = (descend(network, optimizer, x, y).argmax(1) == y).float().mean().item()
        running, steps = 0.95 * running + 0.05 * right, steps + 1
        if running > MASTERED and longest < BITS:
            longest, running = longest + 1, running - 0.03
    x, y = strings(torch.full((TESTED, 1), BITS), torch.Generator().manual_seed(10_000))
    weights = float(sum(p.numel() for p in network.parameters()))
    return {"accuracy": accuracy(network, x, y), "bits reached": longest, "weights": weights, "steps": steps}


def rows_of(task: str, network: str, results: Sequence[dict[str, float]], seconds: float) -> list[Row]:
    """Return a row for each metric; ``steps`` are gradient steps."""
    steps = round(np.mean([result["steps"] for result in results]))
    return [
        summarize(
            task, "supervised", network, metric, [result[metric] for result in results], steps, seconds,
            WANTED.get((task, network), "") if metric == "accuracy" else "",
        )
        for metric in results[0]
        if metric != "steps"
    ]  # fmt: skip


def digit_rows(name: str, seeds: Sequence[int], depth: int, epochs: int, rates: Sequence[float]) -> list[Row]:
    """Choose a learning rate on a separate seed, then run the others with it."""
    options = NETWORKS[name]
    tried = {rate: digits(options, rate, TUNED_ON, depth, epochs, "validation") for rate in rates}
    rate = max(tried, key=lambda rate: tried[rate])
    results, begun = [], time.process_time()
    for seed in seeds:
        right = digits(options, rate, seed, depth, epochs, "test")
        results.append({"accuracy": right, "learning rate": rate, "steps": epochs * -(-1000 // BATCH)})
        print(f"digits, {name}, learning rate {rate:g}, seed {seed}: accuracy {right:.4g}", flush=True)
    return rows_of("digits", name, results, (time.process_time() - begun) / len(seeds))


def parity_rows(name: str, seeds: Sequence[int], seconds: float) -> list[Row]:
    """Run all seeds."""
    results = []
    for seed in seeds:
        results.append(parity(name, seed, seconds))
        numbers = ", ".join(f"{metric} {value:.4g}" for metric, value in results[-1].items())
        print(f"parity, {name}, seed {seed}: {numbers}", flush=True)
    return rows_of(f"parity of {BITS} bits", name, results, seconds)


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--seconds", type=float, default=40.0, metavar="S", help="CPU-seconds on parity (40)")
    command.add_argument(
        "--only", default="*", metavar="PATTERN", help="tasks and networks to run, such as digits/highway*"
    )
    command.add_argument("--first-seed", type=int, default=0, metavar="N", help="first seed (0)")
    args = command.parse_args()
    torch.set_num_threads(1)
    seeds = range(args.first_seed, args.first_seed + (1 if args.quick else args.seeds))
    depth, epochs, rates, seconds = DEPTH, EPOCHS, RATES, args.seconds
    if args.quick:
        depth, epochs, rates, seconds = 6, 2, (1e-3,), 0.3
    names = [*(f"digits/{name}" for name in NETWORKS), *(f"parity/{name}" for name in PARITY)]
    names = chosen(NAME, names, args.only)
    rows = [] if args.quick else load(NAME, args.output)
    with progress(len(names), NAME) as advance:
        for name in names:
            task, network = name.split("/")
            made = digit_rows(network, seeds, depth, epochs, rates) if task == "digits" else []
            made = made or parity_rows(network, seeds, seconds)
            replaced = {(row.task, row.variant) for row in made}
            rows = [row for row in rows if (row.task, row.variant) not in replaced] + made
            save(NAME, rows, args.output)
            advance(name)


if __name__ == "__main__":
    main()
