"""Train every CNN of ``lhy_rl.search.children.digits_cnn`` on the digits and write the table ``digits-cnn``.

2,400 configurations with two seeds, nine epochs each: the validation accuracy after every epoch, the test accuracy at
the end and the processor's seconds. A training that diverged has no scores. The script takes about twenty minutes of
one core; an interrupted run resumes where it stopped.

    python -m benchmarks.digits_table [--quick] [--workers 2] [--folder runs/digits-cnn]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.harness import RESULTS, Row, progress, run_jobs, save
from lhy_rl.reporting.search_plots import main_effects
from lhy_rl.search.children.digits_cnn import EPOCHS, cnn_space, train
from lhy_rl.search.table import FOLDER, Table

NAME, SEEDS, BLOCK = "digits-cnn", 2, 96  # a block of 96 configurations is lost if a run is interrupted
QUANTILES = (10, 25, 50, 75, 90, 99)
ABOUT = {
    "name": NAME,
    "score": "validation accuracy",
    "source": "lhy_rl, benchmarks/digits_table.py",
    "trained": "a CNN on scikit-learn's digits",
}


def block_path(folder: Path, seed: int, block: int) -> Path:
    """Return the file of a block's results, kept until all blocks have finished."""
    return folder / f"seed-{seed}-block-{block:03}.npz"


class Block(NamedTuple):
    """(N, D) configurations, the seed of their training, and the file of the results."""

    tokens: np.ndarray
    seed: int
    path: Path


def train_block(block: Block) -> Path:
    """Train a block, and save (N, E) validation accuracies, (N,) test accuracies and (N,) seconds."""
    tokens, seed, path = block
    space = cnn_space()
    curves = [train(space.configuration(row), seed) for row in tokens]
    unfinished = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(
        unfinished,
        validation=np.array([curve.validation for curve in curves], np.float32),
        test=np.array([curve.test for curve in curves], np.float32),
        seconds=np.array([curve.seconds for curve in curves], np.float32),
    )
    unfinished.replace(path)
    return path


def make_table(folder: Path, tokens: np.ndarray, seeds: int, workers: int) -> Table:
    """Train the blocks that the folder lacks, and make the table.

    Args:
        tokens: (C, D) configurations in the order of their keys.
    """
    folder.mkdir(parents=True, exist_ok=True)
    blocks = np.split(tokens, range(BLOCK, len(tokens), BLOCK))
    paths = {(seed, block): block_path(folder, seed, block) for seed in range(seeds) for block in range(len(blocks))}
    missing = [place for place, path in paths.items() if not path.exists()]
    jobs = [Block(blocks[block], seed, paths[seed, block]) for seed, block in missing]
    with progress(len(jobs), NAME) as advance:
        for path in run_jobs(train_block, jobs, workers):
            advance(path.stem)
    kept: dict[str, list[np.ndarray]] = {"validation": [], "test": [], "seconds": []}
    for seed in range(seeds):
        files = [np.load(paths[seed, block], allow_pickle=False) for block in range(len(blocks))]
        for name, parts in kept.items():
            parts.append(np.concatenate([file[name] for file in files]))
    space = cnn_space()
    return Table(
        space,
        np.array(kept["validation"]).transpose(2, 0, 1),  # (E, S, C)
        np.arange(1, EPOCHS + 1),
        np.mean(kept["seconds"], 0).round(3).astype(np.float32),
        keys=space.keys(tokens),
        test=np.array(kept["test"]),
        about=ABOUT,
    )


def rows_of(table: Table) -> list[Row]:
    """Return rows about the table: main effects, and how well early and validation scores predict the final ones."""
    from scipy.stats import spearmanr

    tokens = np.concatenate(list(table.space.blocks()))
    trained = np.isfinite(table.mean)
    curves = np.stack([table.curves(tokens, np.full(len(tokens), seed)) for seed in range(table.num_seeds)])
    mean = table.mean[trained]
    trials = [
        {"tokens": row, "score": score, "stopped": False}
        for row, score in zip(tokens[trained].tolist(), mean.tolist(), strict=True)
    ]

    def row(agent: str, variant: str, metric: str, value: float) -> Row:
        return Row(NAME, agent, variant, metric, value, value, value, table.num_seeds)

    rows = [
        row(name, "main effect", "share of the variance", share)
        for name, share in main_effects(table.space, trials).items()
    ]
    final = curves[..., -1]  # (S, C)
    both = np.isfinite(final).all(0)
    noise = float(final[:, both].var(0, ddof=1).mean() / final[:, both].var())
    rows.append(row("random seed", "within a configuration", "share of the variance", noise))
    alive = np.isfinite(curves[0]).all(1)
    for epoch in (1, 3):
        known = spearmanr(curves[0, alive, epoch - 1], curves[0, alive, -1]).statistic
        rows.append(row("all", f"epoch {epoch} and the last", "rank correlation", float(known)))
    test, top = table.test_scores(tokens[trained]), np.argsort(-mean)[:100]
    rows.append(row("all", "validation and test", "correlation", float(np.corrcoef(mean, test)[0, 1])))
    rows.append(row("best 100", "validation and test", "correlation", float(np.corrcoef(mean[top], test[top])[0, 1])))
    rows += [row("all", f"{q}%", "quantile of the mean accuracy", float(np.quantile(mean, q / 100))) for q in QUANTILES]
    rows.append(row("all", "best", "quantile of the mean accuracy", table.optimum))
    rows.append(row("all", "diverged", "share of the trainings", float(np.isnan(final).mean())))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a dozen configurations, written to the folder only")
    parser.add_argument("--workers", type=int, default=1, help="number of processes (1)")
    parser.add_argument("--folder", type=Path, default=Path("runs/digits-cnn"), help="folder of unfinished results")
    given = parser.parse_args()
    tokens = np.concatenate(list(cnn_space().blocks()))
    if given.quick:
        tokens = tokens[:: len(tokens) // 12]
    table = make_table(given.folder, tokens, SEEDS, given.workers)
    path = (given.folder if given.quick else FOLDER) / f"{NAME}.npz"
    table.save(path)
    save("digits_table", rows_of(table), given.folder if given.quick else RESULTS)
    failed = np.isnan(table.mean).sum()
    print(f"{path}: {table}, best {table.optimum:.4f}, {failed} failed, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
