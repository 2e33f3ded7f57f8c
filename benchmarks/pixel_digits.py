"""Handwritten digits written pixel by pixel: bits a pixel, and what is drawn.

PixelDigits: scikit-learn's digits, 8 x 8 pixels of ink or paper; 1,000 for training, 397 for testing (van den Oord et
al. 2016 for pictures as sentences). Bits a pixel are the mean of -log2 p(pixel | the pixels before it).

`independent`: how often each pixel is ink, whatever the others are. `logistic`: a logistic regression for each pixel on
all before it, whose penalty is the one out of seven with the fewest bits on the 400 digits for validation. `lstm` and
`grid_lstm_2d`: maximum likelihood as in `configs/mle/pixel_digits.yaml`, a memory along the sentence and one over both
axes of the picture; of each run the weights are kept that had the fewest bits on the digits for validation. Options
were chosen on seed 100 and those digits.

    python -m benchmarks.pixel_digits [--quick] [--seeds 3] [--only PATTERN]
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Row, chosen, load, parser, progress, save, summarize
from lhy_rl.agents import MLE
from lhy_rl.envs.vision.pixel_digits import pixels
from lhy_rl.nn.decoding import nll_per_token, sample

NAME, TASK, SIDE, DRAWN = "pixel_digits", "PixelDigits-v0", 8, 40
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # C of scikit-learn: small values are strong penalties
SHARED = {"critic": "none", "batch_size": 32, "gradient_steps": 48, "embedding_size": 16}
NETWORKS: dict[str, dict[str, Any]] = {
    "lstm": {"core": "lstm", "hidden_size": 128, "dropout": 0.5, "learning_rate": 0.003},
    "grid_lstm_2d": {"core": "grid_lstm_2d", "hidden_size": 64, "dropout": 0.5, "learning_rate": 0.003},
}
STEPS = {"lstm": 2400, "grid_lstm_2d": 768}
WANTED = {
    "independent": "found before: 0.554",
    "logistic": "found before: 0.410",
    "grid_lstm_2d": "wanted: at most 0.40",
}
Drawn = tuple[dict[str, float], np.ndarray]
"""Metric to value, and images (N, 64)."""


def bits(probability: np.ndarray, ink: np.ndarray) -> float:
    """Return the mean of -log2 of the probability of each pixel (N, 64)."""
    return float(-np.log2(np.where(ink == 1, probability, 1 - probability)).mean())


def independent(seed: int, size: float, judged_by: str) -> Drawn:
    """Fit each pixel's frequency of ink, with Laplace smoothing."""
    train = pixels("train")
    share = (train.sum(0) + 1) / (len(train) + 2)
    drawn = np.random.default_rng(seed).random((DRAWN, len(share))) < share
    judged = pixels(judged_by)
    return {"bits a pixel": bits(np.broadcast_to(share, judged.shape), judged)}, drawn.astype(np.int64)


def logistic(seed: int, size: float, judged_by: str) -> Drawn:
    """Fit a logistic regression for each pixel; pixels that are almost never or almost always ink are independent."""
    from sklearn.linear_model import LogisticRegression

    parts = {part: pixels(part) for part in ("train", "validation", judged_by)}
    begun, found = time.process_time(), {}
    for penalty in PENALTIES if size == 1 else PENALTIES[2::3]:
        models = []
        for place, target in enumerate(parts["train"].T):
            share = (target.sum() + 1) / (len(target) + 2)
            plain = place == 0 or min(share, 1 - share) < 0.003
            model = None if plain else LogisticRegression(C=penalty).fit(parts["train"][:, :place], target)
            models.append((model, share))
        found[penalty] = models
    best = min(found, key=lambda penalty: bits(foretold(found[penalty], parts["validation"]), parts["validation"]))
    seconds = time.process_time() - begun
    rng, drawn = np.random.default_rng(seed), np.zeros((DRAWN, SIDE**2), np.int64)
    for place, model in enumerate(found[best]):
        drawn[:, place] = rng.random(DRAWN) < one_foretold(model, drawn[:, :place])
    found_bits = bits(foretold(found[best], parts[judged_by]), parts[judged_by])
    return {"bits a pixel": found_bits, "penalty": best, "seconds": seconds}, drawn


def one_foretold(model: tuple[Any, float], before: np.ndarray) -> np.ndarray:
    """Return (N,) the probability of ink, given the pixels before."""
    regression, share = model
    return np.full(len(before), share) if regression is None else regression.predict_proba(before)[:, 1]


def foretold(models: list[tuple[Any, float]], ink: np.ndarray) -> np.ndarray:
    """Return (N, 64) the probability of ink at every pixel."""
    return np.stack([one_foretold(model, ink[:, :place]) for place, model in enumerate(models)], 1)


def network(name: str, seed: int, size: float, judged_by: str, **options: Any) -> Drawn:
    """Train, keep the weights that are best on the validation digits, evaluate and sample."""
    agent = MLE("lhy_rl/PixelDigits-v0", seed=seed, device="cpu", **(SHARED | NETWORKS[name] | options))
    task, best, kept, at = agent.task, math.inf, {}, 0
    begun = time.process_time()
    while (steps := agent.likelihood.num_steps) < size * STEPS[name]:
        agent.update()
        agent.policy.eval()
        found = nll_per_token(agent.policy, task.sequences("validation"), task) / math.log(2)
        if found < best:
            best, kept, at = found, copy.deepcopy(agent.policy.state_dict()), agent.likelihood.num_steps
        print(f"{name}, seed {seed}, {steps} steps: {found:.4f} bits a pixel of the validation", flush=True)
    seconds = time.process_time() - begun
    agent.policy.load_state_dict(kept)
    judged = nll_per_token(agent.policy, task.sequences(judged_by), task) / math.log(2)
    drawn = sample(agent.policy, task, DRAWN, torch.Generator().manual_seed(seed)).tokens
    weights = float(sum(p.numel() for p in agent.policy.parameters()))
    return {"bits a pixel": judged, "steps": at, "weights": weights, "seconds": seconds}, drawn


MODELS: dict[str, Callable[[int, float, str], Drawn]] = {
    "independent": independent,
    "logistic": logistic,
    "lstm": lambda *given: network("lstm", *given),
    "grid_lstm_2d": lambda *given: network("grid_lstm_2d", *given),
}


def rows_of(name: str, results: list[dict[str, float]]) -> list[Row]:
    """Return a row for each metric."""
    seconds = float(np.mean([result.get("seconds", 0.0) for result in results]))
    return [
        summarize(
            TASK, "mle" if name in NETWORKS else "counts", name, metric, [result[metric] for result in results], 0,
            seconds, WANTED.get(name, "") if metric == "bits a pixel" else "",
        )
        for metric in results[0]
    ]  # fmt: skip


def picture(drawn: dict[str, np.ndarray], path: Path) -> None:
    """Plot real digits and the samples of each model."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = {"digits of the test": pixels("test")[:DRAWN]} | drawn
    figure, axes = plt.subplots(1, len(shown), figsize=(2.6 * len(shown), 2.0))
    for axis, (name, tokens) in zip(axes, shown.items(), strict=True):
        tiles = np.pad(tokens.reshape(5, DRAWN // 5, SIDE, SIDE), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0)
        axis.imshow(tiles.transpose(0, 2, 1, 3).reshape(5 * (SIDE + 2), -1), cmap="gray_r", interpolation="nearest")
        axis.set_title(name, fontsize=9)
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    command = parser(__doc__, seeds=3)
    command.add_argument("--only", default="*", metavar="PATTERN", help="models to run, such as grid*")
    command.add_argument("--first-seed", type=int, default=0, metavar="N", help="first seed (0)")
    command.add_argument("--judged-by", default="test", metavar="SPLIT", help="test, or validation to choose options")
    args = command.parse_args()
    torch.set_num_threads(1)
    size = 0.02 if args.quick else 1.0
    names = chosen(NAME, MODELS, args.only)
    rows = [] if args.quick else load(NAME, args.output)
    drawn = {}
    with progress(len(names), NAME) as advance:
        for name in names:
            count = args.seeds if name in NETWORKS and not args.quick else 1
            made = [MODELS[name](args.first_seed + i, size, args.judged_by) for i in range(count)]
            for i, (result, _) in enumerate(made):
                numbers = ", ".join(f"{metric} {value:.4g}" for metric, value in result.items())
                print(f"{name}, seed {args.first_seed + i}: {numbers}", flush=True)
            drawn[name] = made[0][1]
            rows = [row for row in rows if row.variant != name] + rows_of(name, [result for result, _ in made])
            save(NAME, rows, args.output)
            advance(name)
    if set(names) == set(MODELS):
        picture(drawn, args.output / f"{NAME}.png")


if __name__ == "__main__":
    main()
