"""Claims about losses and layers, measured with `lhy_rl.diagnostics`.

`batch norm`: ten hidden layers of 50 rectifiers with torch's initialisation, scikit-learn's digits (1,000 to learn
from, 397 to test), Adam, 10 epochs in batches of 32, with batch normalisation and without, at a learning rate of 0.001
and at ten times that (Ioffe and Szegedy 2015: with it networks train that otherwise do not, and higher learning rates
are possible). The greatest eigenvalue of the Hessian, the gradient's noise and the share of dead units are those after
the training, on all 1,000.

`layers`: the outputs of 50 hidden layers of 200 units before any training, on the digits brought to mean 0 and variance
1 (Klambauer et al. 2017: SELU keeps both, the better the wider the layers); and the accuracy of 10 layers of 50 units
after 10 epochs, with the learning rate out of {3e-3, 1e-3, 3e-4} with which seed 100 had the best accuracy on the 400
digits for validation. `benchmarks.deep_networks` measures what 50 layers learn.

`saddle`: linear networks (Baldi and Hornik 1989). One number in, one out, y = 2 x, squared error: with two layers the
Hessian at the origin has the eigenvalues 2 and -2, with three it is zero. Five numbers through two and back, with two
layers and three: gradient descent from the origin and a disturbance of 0.01 is compared with the best that any linear
map of rank 2 can do, which principal components give.

`random labels`: 64 inputs, 256 rectifiers, 10 classes, 500 digits with their labels or with labels drawn at random
(Zhang et al. 2017), Adam at 0.001 in batches of 50 until all 500 are right.

    python -m benchmarks.diagnostics [--quick] [--seeds 3] [--only PATTERN]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.deep_networks import (
    EPOCHS,
    NETWORKS,
    RATES,
    TUNED_ON,
    accuracy,
    descend,
    digits,
    encoder,
    tensors,
    trained,
)
from benchmarks.harness import Row, chosen, load, parser, progress, save, summarize
from lhy_rl.data.digits import load_digits
from lhy_rl.diagnostics.activations import LayerStatistics, layer_statistics
from lhy_rl.diagnostics.hessian import extreme_eigenvalues, noise_of, whole_hessian
from lhy_rl.diagnostics.subject import Subject, prepared

NAME = "diagnostics"
WIDTH, WIDE, TEN, FIFTY = 50, 200, 10, 50
PRODUCTS = 30
NORMS = {
    "without": NETWORKS["plain, relu, default"],
    "batch norm": {**NETWORKS["plain, relu, default"], "norm": "batch"},
}
LAYERS = ("plain, selu", "plain, relu, He", "plain, relu, default", "plain, tanh, orthogonal")
LABELLED, HIDDEN, MOST_EPOCHS = 500, 256, 400
WANTED = {
    ("batch norm", "batch norm, learning rate 0.001", "accuracy"): "wanted: 0.9",
    ("batch norm", "batch norm, learning rate 0.01", "accuracy"): "wanted: 0.9",
    ("batch norm", "without, learning rate 0.001", "accuracy"): "wanted: at most 0.6",
    ("layers", "plain, selu", "greatest mean"): "wanted: at most 0.2",
    ("layers", "plain, selu", "smallest variance"): "wanted: 0.7",
    ("layers", "plain, selu", "greatest variance"): "wanted: at most 1.5",
    ("layers", "plain, selu", "accuracy"): "wanted: 0.9",
    ("layers", "plain, relu, He", "accuracy"): "wanted: 0.9",
    ("saddle", "1-1-1", "negative eigenvalues at the origin"): "closed form: 1",
    ("saddle", "1-1-1-1", "greatest entry of the Hessian at the origin"): "closed form: 0",
    ("saddle", "5-2-5", "loss above the optimum"): "wanted: at most 0.0001",
    ("saddle", "5-2-2-5", "loss above the optimum"): "wanted: at most 0.0001",
    ("random labels", "random labels", "learned accuracy"): "wanted: 1",
    ("random labels", "random labels", "test accuracy"): "wanted: 0.07 to 0.13",
    ("random labels", "random labels", "epochs by those of true labels"): "wanted: 3",
}
Numbers = dict[str, float]


def subject_of(network: nn.Module, x: Tensor, y: Tensor) -> Subject:
    """Return the cross-entropy on all of x and y as the subject of the diagnostics."""
    prepared(network)
    x = x.double()

    def loss(rows: Any) -> Tensor:
        return F.cross_entropy(network(x if rows is None else x[rows]), y if rows is None else y[rows])

    return Subject(network, loss, len(x))


def batch_norm(seed: int, quick: bool) -> dict[str, Numbers]:
    """Variant to metric to value."""
    found = {}
    x, y = tensors(load_digits().train)
    for name, options in NORMS.items():
        for rate in (1e-3, 1e-2):
            network = trained(options, rate, seed, 4 if quick else TEN, 1 if quick else EPOCHS)
            right = accuracy(network, *tensors(load_digits().test))
            case = subject_of(network, x, y)
            generator = torch.Generator().manual_seed(seed)
            eigenvalues = extreme_eigenvalues(case, 4 if quick else PRODUCTS, generator).eigenvalues
            layers = layer_statistics(network, lambda network=network: network(x.double()))
            found[f"{name}, learning rate {rate:g}"] = {
                "accuracy": right,
                "greatest eigenvalue": float(eigenvalues[-1]),
                "dead units": float(np.mean([layer.dead for layer in layers])),
                "gradient noise scale": noise_of(case, 10, generator).scale,
            }
    return found


def first_outputs(name: str, seed: int, depth: int) -> list[LayerStatistics]:
    """Return the statistics of the layers before any training."""
    torch.manual_seed(seed)
    network = encoder(64, depth, WIDE, NETWORKS[name]).eval()
    x, _ = tensors(load_digits().train)
    x = (x - x.mean()) / x.std()
    return layer_statistics(network, lambda: network(x))


def layers(seed: int, quick: bool) -> dict[str, Numbers]:
    """Variant to metric to value."""
    found: dict[str, Numbers] = {}
    depth, epochs, rates = (3, 1, RATES[:1]) if quick else (TEN, EPOCHS, RATES)
    for name in LAYERS:
        of = first_outputs(name, seed, FIFTY)
        found[name] = {
            "greatest mean": max(abs(layer.mean) for layer in of),
            "smallest variance": min(layer.variance for layer in of),
            "greatest variance": max(layer.variance for layer in of),
        }
        if name not in chosen_rates:
            tried = {rate: digits(NETWORKS[name], rate, TUNED_ON, depth, epochs, "validation") for rate in rates}
            chosen_rates[name] = max(tried, key=lambda rate: tried[rate])
        found[name]["accuracy"] = digits(NETWORKS[name], chosen_rates[name], seed, depth, epochs, "test")
    return found


chosen_rates: dict[str, float] = {}
"""The learning rate with which a network was best on seed 100; each is tried once."""


def linear_network(sizes: Sequence[int], deviation: float, generator: torch.Generator) -> nn.Sequential:
    """Make linear layers without biases, with normal weights of this standard deviation."""
    made = [nn.Linear(a, b, bias=False) for a, b in pairwise(sizes)]
    for layer in made:
        with torch.no_grad():
            layer.weight.copy_(deviation * torch.randn(layer.weight.shape, generator=generator))
    network = nn.Sequential(*made)
    prepared(network)
    return network


def squared_error(network: nn.Module, x: Tensor, y: Tensor) -> Subject:
    """Return half of the mean squared length of the error as the subject of the diagnostics."""
    return Subject(network, lambda _: 0.5 * (network(x) - y).square().sum(1).mean(), len(x))


def saddle(seed: int, quick: bool) -> dict[str, Numbers]:
    """Variant to metric to value."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.tensor([[1.0], [-1.0]]).double()
    found: dict[str, Numbers] = {}
    for sizes in ((1, 1, 1), (1, 1, 1, 1)):
        hessian = whole_hessian(squared_error(linear_network(sizes, 0.0, generator), x, 2 * x))
        eigenvalues = torch.linalg.eigvalsh(hessian)
        found["-".join(map(str, sizes))] = {
            "negative eigenvalues at the origin": float((eigenvalues < -1e-12).sum()),
            "smallest eigenvalue at the origin": float(eigenvalues[0]),
            "greatest entry of the Hessian at the origin": float(hessian.abs().max()),
        }
    scales = torch.tensor([2.0, 1.5, 1.0, 0.7, 0.4]).double()
    data = torch.randn(200, 5, generator=generator, dtype=torch.float64) * scales
    data = data - data.mean(0)
    optimum = 0.5 * float(torch.linalg.eigvalsh(data.T @ data / len(data))[:3].sum())  # best loss of rank 2
    for sizes in ((5, 2, 5), (5, 2, 2, 5)):
        network = linear_network(sizes, 0.01, generator)
        case = squared_error(network, data, data)
        eigenvalues = extreme_eigenvalues(case, 20, generator).eigenvalues
        optimizer = torch.optim.SGD(network.parameters(), 0.1)
        steps, most, waited = 0, 200 if quick else 20_000, 0
        while steps < most and (loss := float(case.loss(None).detach())) - optimum > 1e-4 / 2:
            waited += loss > 0.99 * 0.5 * float(data.square().sum(1).mean())  # still at the saddle
            optimizer.zero_grad()
            case.loss(None).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            steps += 1
        found["-".join(map(str, sizes))] = {
            "smallest eigenvalue at the beginning": float(eigenvalues[0]),
            "gradient steps near the saddle": float(waited),
            "gradient steps": float(steps),
            "loss above the optimum": float(case.loss(None).detach()) - optimum,
        }
    return found


def random_labels(seed: int, quick: bool) -> dict[str, Numbers]:
    """Variant to metric to value."""
    x, y = (part[: 60 if quick else LABELLED] for part in tensors(load_digits().train))
    torch.manual_seed(seed)
    labels = {"true labels": y, "random labels": torch.randint(10, y.shape)}
    found: dict[str, Numbers] = {}
    for name, given in labels.items():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
        optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)
        epochs = 0
        while epochs < (3 if quick else MOST_EPOCHS) and accuracy(network, x, given) < 1:
            for rows in torch.randperm(len(x)).split(50):
                descend(network, optimizer, x[rows], given[rows])
            epochs += 1
        found[name] = {
            "learned accuracy": accuracy(network, x, given),
            "test accuracy": accuracy(network, *tensors(load_digits().test)),
            "epochs": float(epochs),
        }
    ratio = found["random labels"]["epochs"] / max(1.0, found["true labels"]["epochs"])
    found["random labels"]["epochs by those of true labels"] = ratio
    return found


TASKS: dict[str, Callable[[int, bool], dict[str, Numbers]]] = {
    "batch norm": batch_norm,
    "layers": layers,
    "saddle": saddle,
    "random labels": random_labels,
}


def run(task: str, seeds: Sequence[int], quick: bool) -> list[Row]:
    """Run all seeds of a task."""
    begun = time.process_time()
    results = [TASKS[task](seed, quick) for seed in seeds]
    seconds = (time.process_time() - begun) / len(seeds)
    rows = []
    for variant, first in results[0].items():
        for metric in first:
            values = [found[variant][metric] for found in results]
            print(f"{task}, {variant}, {metric}: {', '.join(f'{value:.4g}' for value in values)}", flush=True)
            reference = WANTED.get((task, variant, metric), "")
            rows.append(summarize(task, "supervised", variant, metric, values, None, seconds, reference))
    return rows


def draw(path: Path) -> None:
    """Plot the mean and the variance of each of fifty layers before any training."""
    import matplotlib
    from matplotlib.figure import Figure

    from lhy_rl.reporting.plots import COLOURS, DPI, STYLE

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 3.2))
        axes = figure.subplots(1, 2)
        for colour, name in zip(COLOURS, LAYERS, strict=False):
            of = first_outputs(name, 0, FIFTY)
            place = np.arange(1, len(of) + 1)
            axes[0].plot(place, [layer.mean for layer in of], color=colour, label=name.removeprefix("plain, "))
            axes[1].plot(place, [layer.variance for layer in of], color=colour)
        axes[0].set(xlabel="layer", ylabel="mean of its outputs")
        axes[1].set(xlabel="layer", ylabel="variance of its outputs", yscale="log", ylim=(1e-6, 10))
        axes[0].legend(fontsize=8.5)
        figure.savefig(path, dpi=DPI)


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERN", help="tasks to run, such as saddle")
    args = command.parse_args()
    torch.set_num_threads(1)
    seeds = range(1 if args.quick else args.seeds)
    rows = [] if args.quick else load(NAME, args.output)
    tasks = chosen(NAME, TASKS, args.only)
    with progress(len(tasks), NAME) as advance:
        for task in tasks:
            rows = [row for row in rows if row.task != task] + run(task, seeds, args.quick)
            save(NAME, rows, args.output)
            advance(task)
    draw(args.output / f"{NAME}.png")


if __name__ == "__main__":
    main()
