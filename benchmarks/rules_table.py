"""Train with every update rule of the space and write the table `rules-digits`, which is shipped.

A child is a perceptron 64-32-32-10 on scikit-learn's digits, 3 epochs of 31 steps on 1,000 pictures; a score is its
accuracy on 400 others. Each of the 11,107 different formulas gets the learning rate that suits it, as
`lhy_rl.search.children.rule_mlp` says, and is trained with 5 seeds: 5 CPU-minutes in all. Rules of one kind are trained
side by side. Finished trainings stay in the folder, so that an interrupted run can be resumed.

    python -m benchmarks.rules_table [--workers 2] [--folder runs/rules-digits]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.harness import progress, run_jobs
from lhy_rl.data.digits import load_digits
from lhy_rl.functional.update_rules import Rule
from lhy_rl.search.children.rule_mlp import EPOCHS, RATES, tuned
from lhy_rl.search.table import FOLDER, Table
from lhy_rl.search.update_rules import SPACE, all_rules, shortest

NAME = "rules-digits"
SEEDS = 5
TOGETHER, BLOCK = 2, 64  # rules that are trained at once, so that they fit into the cache; rules per file


def train_block(block: tuple[Path, list[Rule]]) -> None:
    """Train with these rules and write the results to the file."""
    path, rules = block
    begun, parts = time.process_time(), []
    for first in range(0, len(rules), TOGETHER):
        parts.append(tuned(load_digits(), rules[first : first + TOGETHER], range(SEEDS)))
    rates, validation, test = (np.concatenate(part, -1) for part in zip(*parts, strict=True))
    partial = path.with_suffix(".part.npz")
    seconds = (time.process_time() - begun) / len(rules)
    np.savez(partial, rates=rates, validation=validation, test=test, seconds=seconds)
    partial.replace(path)


def blocks(folder: Path, rules: list[Rule]) -> list[tuple[Path, np.ndarray]]:
    """Return the files and the rules of each, sorted by operands."""
    order = np.array(sorted(range(len(rules)), key=lambda row: (rules[row].operand, rules[row].operand_2, rules[row])))
    parts = [order[first : first + BLOCK] for first in range(0, len(order), BLOCK)]
    return [(folder / f"{number:04}.npz", rows) for number, rows in enumerate(parts)]


def collect(files: list[tuple[Path, np.ndarray]], number: np.ndarray) -> Table:
    """Make the table of all configurations."""
    count = int(number.max()) + 1
    scores, test = np.zeros((SEEDS, count), np.float32), np.zeros((SEEDS, count), np.float32)
    rates, seconds = np.zeros(count, np.float32), np.zeros(count, np.float32)
    for path, rows in files:
        with np.load(path) as done:
            scores[:, rows], test[:, rows] = done["validation"], done["test"]
            rates[rows], seconds[rows] = done["rates"], done["seconds"]
    keys = np.concatenate([SPACE.keys(block) for block in SPACE.blocks()])
    about = {
        "name": NAME,
        "score": "validation accuracy",
        "source": "lhy_rl, benchmarks/rules_table.py, on scikit-learn's digits",
        "trained": "rules",
        "printer": "update_rule",
    }
    return Table(
        SPACE,
        scores[None][..., number],
        np.array([EPOCHS]),
        seconds[number].round(3),
        keys,
        test=test[:, number],
        about=about,
        extra={"learning_rate": rates[number]},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="number of processes (1)")
    parser.add_argument("--folder", type=Path, default=Path("runs") / NAME, help="folder of the parts")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    kept, number = np.unique(shortest(), return_inverse=True)
    rules = [all_rules()[row] for row in kept]
    files = blocks(given.folder, rules)
    todo = [(path, [rules[row] for row in rows]) for path, rows in files if not path.exists()]
    print(
        f"{len(number):,} configurations, {len(rules):,} rules, {len(RATES)} learning rates, {len(todo)} blocks to do"
    )
    with progress(len(todo), NAME) as advance:
        for _ in run_jobs(train_block, todo, given.workers):
            advance("")
    table = collect(files, number)
    table.save(FOLDER / f"{NAME}.npz")
    minutes = sum(float(np.load(path)["seconds"]) * len(rows) for path, rows in files) / 60
    print(f"{table}, best {table.optimum:.4f}, {minutes:.1f} CPU-minutes")


if __name__ == "__main__":
    main()
