"""Vision backbones: what convolutions, pooling, a spatial transformer and capsules are good for.

`MNIST-1D`: 4,000 series to learn from, 1,000 to test (Greydanus 2020). `cnn` has the three convolutions of the encoder
`cnn_series` and a layer of 100, with each kind of pooling; `cnn, bare` has no such layer, as in the paper; `mlp` has
two layers of 100. In `shuffled` the points of all series stand in another order, the same for all. Adam, 30 epochs in
batches of 100, a learning rate that rises and falls (one cycle).

`glyphs`: MNIST's 3,600 digits, each time on another place of a canvas of 40 x 40 pixels, turned by up to 45 degrees, at
half to four fifths of their size, against 1,000 others put on canvases once. A CNN of three convolutions alone, with as
many weights as the one with a spatial transformer before it, and with as many CPU-seconds.

`shifted digits`: 14 x 14 pixels, learned unmoved, and tested unmoved and moved by up to three pixels along each axis.
`capsules` have a matrix for each place (`capsule`), `capsules, shared` the same ones at all places (`capsule_shared`).
`cnn` has the convolutions of the former and as many weights, `cnn, fine` those of the latter and five times as many
weights; `cnn, fine, pooled` has the mean of each feature map instead of the layer that depends on positions.

Options were chosen on seed 100 and the digits for validation.

    python -m benchmarks.vision [--quick] [--seeds 3] [--only PATTERN]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from gymnasium.spaces import Box
from torch import Tensor, nn

from benchmarks.harness import Row, parser, run_cases, summarize
from lhy_rl.data.mnist import load_mnist
from lhy_rl.data.mnist1d import mnist1d
from lhy_rl.envs.vision.glyph_canvas import Distortion
from lhy_rl.functional.capsules import margin_loss
from lhy_rl.nn.encoders.base import EncoderOptions
from lhy_rl.nn.encoders.capsule import CapsuleEncoder, SharedCapsuleEncoder
from lhy_rl.nn.encoders.convolutional import Convolution, ConvolutionalEncoder
from lhy_rl.nn.encoders.mlp import MLPEncoder
from lhy_rl.nn.encoders.series import SeriesEncoder
from lhy_rl.nn.layers.pooling import POOLINGS

NAME = "vision"
SERIES_EPOCHS, SERIES_BATCH, SERIES_RATE = 30, 100, 0.01
GLYPHS, GLYPH_STEPS, GLYPH_BATCH, GLYPH_RATE = Distortion(), 2500, 64, 3e-3
TRANSFORMER = {"spatial_transformer": True, "crop": 0.5, "map_rate": 0.03}
DIGIT_EPOCHS, DIGIT_BATCH, DIGIT_RATE, SHIFTS = 15, 50, 2e-3, (1, 2, 3)
Batch = tuple[Tensor, Tensor]
WANTED = {
    ("MNIST-1D", "cnn, bare", "accuracy"): "wanted: 0.88; paper: 0.94",
    ("MNIST-1D", "cnn, strided", "accuracy"): "wanted: 0.88",
    ("MNIST-1D", "mlp", "accuracy"): "wanted: at most 0.75; paper: 0.68",
    ("MNIST-1D, shuffled", "cnn, bare", "accuracy"): "wanted: below the MLP; paper: 0.56",
    ("MNIST-1D, shuffled", "cnn, strided", "accuracy"): "wanted: below the MLP",
    ("MNIST-1D, shuffled", "mlp", "accuracy"): "paper: 0.68",
    ("glyphs", "spatial transformer", "error"): "wanted: at most 0.7 of the CNN's",
    ("shifted digits", "capsules", "accuracy"): "wanted: moved by up to 2, 0.05 above the CNN",
    ("shifted digits", "capsules, shared", "accuracy"): "wanted: moved by up to 2, 0.05 above the CNN",
}


class ThreeConvolutions(ConvolutionalEncoder):
    """Three convolutions, each of which halves the image."""

    name = "three convolutions"
    smallest = 8
    plan = (Convolution(16, 3, 2, 1), Convolution(32, 3, 2, 1), Convolution(32, 3, 2, 1))


class TwoConvolutions(ThreeConvolutions):
    """The convolutions of `capsules`."""

    plan = CapsuleEncoder.plan


class FineConvolutions(ThreeConvolutions):
    """The convolutions of `capsules, shared`."""

    plan = SharedCapsuleEncoder.plan


class FinePooled(FineConvolutions):
    """The same convolutions, followed by the mean of each feature map."""

    def places(self, height: int, width: int) -> int:
        return 1

    def flat(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))


def learn(
    network: nn.Module, batches: Iterator[Batch], steps: int, rate: float, loss: Callable[[Tensor, Tensor], Tensor]
) -> float:
    """Train; return the CPU-seconds."""
    optimizer, begun = torch.optim.Adam(network.parameters(), rate, fused=True), time.process_time()
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.2)
    for _ in range(steps):
        x, y = next(batches)
        value = loss(network(x), y)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    network.eval()
    return time.process_time() - begun


@torch.no_grad()
def accuracy(network: nn.Module, batch: Batch) -> float:
    """Return the share of the inputs whose class has the greatest output."""
    return float((network(batch[0]).argmax(1) == batch[1]).double().mean())


def epochs(x: Tensor, y: Tensor, size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Yield batches of shuffled inputs, epoch after epoch."""
    while True:
        for rows in torch.randperm(len(x), generator=generator).split(size):
            yield x[rows], y[rows]


def repeats(size: float) -> int:
    """Return the number of test images made from each digit."""
    return 4 if size == 1 else 1


def weights(network: nn.Module) -> float:
    """Return the number of parameters."""
    return float(sum(p.numel() for p in network.parameters()))


# ---------------------------------------------------------------------- MNIST-1D
@cache
def series(judged_by: str) -> tuple[Batch, Batch]:
    """Return the series of the training and of the split ``judged_by``."""
    data = mnist1d(4000, 1000, 1000)
    return tuple((torch.tensor(p.inputs), torch.tensor(p.labels)) for p in (data.train, getattr(data, judged_by)))  # type: ignore[return-value]


def on_series(network: str, shuffled: bool, seed: int, size: float, judged_by: str) -> dict[str, float]:
    """Train and test a network on MNIST-1D: metric to value."""
    torch.manual_seed(seed)
    space = Box(-10, 10, (40,))
    kind, _, pooling = network.partition(", ")
    bare = pooling == "bare"
    options = EncoderOptions(
        100, 2, "relu", pooling=pooling if pooling in POOLINGS else "strided", hidden_sizes=() if bare else None
    )
    encoder = MLPEncoder(space, options) if kind == "mlp" else SeriesEncoder(space, options)
    net = nn.Sequential(encoder, nn.Linear(encoder.output_size, 10))
    order = torch.randperm(40, generator=torch.Generator().manual_seed(seed)) if shuffled else torch.arange(40)
    (x, y), (tested, labels) = series(judged_by)
    batches = epochs(x[:, order], y, SERIES_BATCH, torch.Generator().manual_seed(seed))
    seconds = learn(net, batches, round(size * SERIES_EPOCHS * len(x) / SERIES_BATCH), SERIES_RATE, F.cross_entropy)
    right = accuracy(net, (tested[:, order], labels))
    return {"accuracy": right, "weights": weights(net), "seconds": seconds}


# ---------------------------------------------------------------------- glyphs
def glyphs(part: str, rng: np.random.Generator, rows: np.ndarray) -> Batch:
    """Place digits of a split on fresh canvases."""
    digits = getattr(load_mnist(), part)
    canvas, _ = GLYPHS.canvases(digits.inputs[rows], digits.inputs, rng)
    return torch.from_numpy(canvas[:, None]), torch.from_numpy(digits.labels[rows])


def fresh(seed: int) -> Iterator[Batch]:
    """Yield batches of training digits, each placed anew."""
    rng, count = np.random.default_rng(seed), len(load_mnist().train.labels)
    while True:
        yield glyphs("train", rng, rng.integers(count, size=GLYPH_BATCH))


def on_glyphs(network: str, seed: int, size: float, judged_by: str) -> dict[str, float]:
    """Train and test a network on digits placed on a canvas: metric to value."""
    torch.manual_seed(seed)
    transformer = network == "spatial transformer"
    further = TRANSFORMER if transformer else {}
    width = 128 if transformer else 66
    options = EncoderOptions(width, activation="relu", norm="batch", **further)  # type: ignore[arg-type]
    net = nn.Sequential(ThreeConvolutions(Box(0, 1, (1, GLYPHS.side, GLYPHS.side)), options), nn.Linear(width, 10))
    longer = LONGER if network == "cnn, as many seconds" else 1.0
    seconds = learn(net, fresh(seed), round(size * longer * GLYPH_STEPS), GLYPH_RATE, F.cross_entropy)
    rng, count = np.random.default_rng(10_000), len(getattr(load_mnist(), judged_by).labels)
    wrong = [1 - accuracy(net, glyphs(judged_by, rng, np.arange(count))) for _ in range(repeats(size))]
    return {"error": float(np.mean(wrong)), "weights": weights(net), "seconds": seconds}


LONGER = 1.4  # steps of a CNN in the time of a step with a spatial transformer


# ---------------------------------------------------------------------- capsules
class CapsuleLengths(nn.Module):
    """Ten capsules of 8 numbers, and their lengths."""

    def __init__(self, kind: type[CapsuleEncoder], space: Box) -> None:
        super().__init__()
        self.encoder = kind(space, EncoderOptions(80, activation="relu"))

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder.capsules(x).norm(dim=-1)


def small_digits(part: str, shift: int, rng: np.random.Generator) -> Batch:
    """Return digits of 14 x 14 pixels, moved by up to ``shift`` pixels along each axis."""
    data = getattr(load_mnist(), part)
    n, reach = len(data.labels), 2 * max(SHIFTS)
    whole = np.pad(data.inputs, ((0, 0), (reach, reach), (reach, reach)))
    at = reach - 2 * rng.integers(-shift, shift + 1, (2, n, 1, 1))
    moved = whole[np.arange(n)[:, None, None], at[0] + np.arange(28)[:, None], at[1] + np.arange(28)]
    halved = moved.reshape(n, 14, 2, 14, 2).mean((2, 4))
    return torch.from_numpy(halved[:, None]), torch.tensor(data.labels)


DIGIT_NETWORKS: dict[str, type[ConvolutionalEncoder]] = {
    "capsules": CapsuleEncoder,
    "cnn": TwoConvolutions,
    "capsules, shared": SharedCapsuleEncoder,
    "cnn, fine": FineConvolutions,
    "cnn, fine, pooled": FinePooled,
}


def on_digits(network: str, seed: int, size: float, judged_by: str) -> dict[str, float]:
    """Train and test a network on shifted digits: metric to value."""
    torch.manual_seed(seed)
    space = Box(0, 1, (1, 14, 14))
    kind = DIGIT_NETWORKS[network]
    net: nn.Module
    if issubclass(kind, CapsuleEncoder):
        net, loss = CapsuleLengths(kind, space), margin_loss
    else:
        net = nn.Sequential(kind(space, EncoderOptions(76, activation="relu")), nn.Linear(76, 10))
        loss = F.cross_entropy  # type: ignore[assignment]
    x, y = small_digits("train", 0, np.random.default_rng(0))
    batches = epochs(x, y, DIGIT_BATCH, torch.Generator().manual_seed(seed))
    seconds = learn(net, batches, round(size * DIGIT_EPOCHS * len(x) / DIGIT_BATCH), DIGIT_RATE, loss)
    rng, found = np.random.default_rng(10_000), {}
    for shift in (0, *SHIFTS):
        parts = [accuracy(net, small_digits(judged_by, shift, rng)) for _ in range(repeats(size) if shift else 1)]
        found[f"moved by up to {shift}" if shift else "accuracy"] = float(np.mean(parts))
    return found | {"weights": weights(net), "seconds": seconds}


# ---------------------------------------------------------------------- all
CNNS = ("cnn, bare", *(f"cnn, {pooling}" for pooling in POOLINGS))
Measured = Callable[[int, float, str], dict[str, float]]
MEASURED: dict[tuple[str, str], Measured] = {
    **{("MNIST-1D", n): partial(on_series, n, False) for n in (*CNNS, "mlp")},
    **{("MNIST-1D, shuffled", n): partial(on_series, n, True) for n in ("cnn, bare", "cnn, strided", "mlp")},
    **{("glyphs", n): partial(on_glyphs, n) for n in ("spatial transformer", "cnn", "cnn, as many seconds")},
    **{("shifted digits", n): partial(on_digits, n) for n in DIGIT_NETWORKS},
}


def rows_of(case: str, results: Sequence[dict[str, float]]) -> list[Row]:
    """Return a row for each metric."""
    task, network = case.split("/")
    seconds = float(np.mean([result["seconds"] for result in results]))
    return [
        summarize(
            task, "supervised", network, metric, [result[metric] for result in results], 0, seconds,
            WANTED.get((task, network, metric), ""),
        )
        for metric in results[0]
    ]  # fmt: skip


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERN", help="tasks and networks to run, such as glyphs/*")
    command.add_argument("--first-seed", type=int, default=0, metavar="N", help="first seed (0)")
    command.add_argument("--judged-by", default="test", metavar="SPLIT", help="test, or validation to choose options")
    args = command.parse_args()
    torch.set_num_threads(1)
    options = {"size": 0.04 if args.quick else 1.0, "judged_by": args.judged_by}
    run_cases(NAME, {"/".join(key): partial(measure, **options) for key, measure in MEASURED.items()}, rows_of, args)


if __name__ == "__main__":
    main()
