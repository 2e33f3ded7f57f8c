"""Train the child of every activation formula and write the table ``activations-mnist1d``, which is shipped.

1,570 of the 2,800 formulas b(u1(x), u2(x)) are different functions; each of these is trained with two seeds, for eight
epochs on 3,000 series of MNIST-1D, and its accuracies on the validation series after 2, 4 and 8 epochs and on the test
series at the end are kept. Trainings that diverged have no score. Every finished training is saved, so that an
interrupted script resumes where it stopped.

    python -m benchmarks.activation_table [--workers 1] [--seeds 2] [--only 2800] [--journal FILE] [--table FILE]
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import progress, run_jobs
from lhy_rl.search.children.activation_cnn import RECORDED, data_set, function_of, side_by_side, train
from lhy_rl.search.children.activation_formulas import SPACE, simplest
from lhy_rl.search.journal import Journal
from lhy_rl.search.table import FOLDER, Table

NAME = "activations-mnist1d"
SEEDS, TOGETHER = 2, 8  # consecutive seeds of each formula; number of trainings at once
Task = list[tuple[int, int]]  # keys and seeds, grouped by key
ABOUT = {
    "name": NAME,
    "score": "validation accuracy",
    "source": "benchmarks/activation_table.py",
    "trained": "activation_cnn on MNIST-1D",
    "printer": "activation",
}


def one(task: Task) -> list[dict[str, Any]]:
    """Run the trainings of these keys and seeds at once, and return their entries in the journal."""
    torch.set_num_threads(1)
    begun = time.process_time()
    counts = Counter(key for key, _ in task)
    functions = side_by_side([function_of(key) for key in counts], list(counts.values()))
    outcomes = train(functions, data_set(), [seed for _, seed in task])
    seconds = round((time.process_time() - begun) / len(task), 3)
    events = []
    for (key, seed), outcome in zip(task, outcomes, strict=True):
        numbers = [None if math.isnan(value) else round(value, 4) for value in (*outcome.validation, outcome.test)]
        events.append({"key": key, "seed": seed, "validation": numbers[:-1], "test": numbers[-1], "seconds": seconds})
    return events


def table_of(events: list[dict[str, Any]], seeds: int) -> Table:
    """Make the table, in which equal formulas share their numbers."""
    shape = (len(RECORDED), seeds, SPACE.num_configurations)
    scores, test = np.full(shape, np.nan, np.float32), np.full(shape[1:], np.nan, np.float32)
    seconds = np.zeros((seeds, SPACE.num_configurations), np.float32)
    for event in events:
        if event["seed"] < seeds:
            scores[:, event["seed"], event["key"]] = [math.nan if v is None else v for v in event["validation"]]
            test[event["seed"], event["key"]] = math.nan if event["test"] is None else event["test"]
            seconds[event["seed"], event["key"]] = event["seconds"]
    same = simplest()
    return Table(
        SPACE,
        scores[..., same],
        np.array(RECORDED),
        seconds.mean(0).round(2)[same],
        test=test[:, same],
        about=ABOUT,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="number of processes (1)")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="trainings of each function (2)")
    parser.add_argument("--only", type=int, default=SPACE.num_configurations, metavar="N", help="first N formulas only")
    parser.add_argument(
        "--journal", type=Path, default=Path("runs") / f"{NAME}.jsonl", help="file of the finished trainings"
    )
    parser.add_argument("--table", type=Path, default=FOLDER / f"{NAME}.npz", help="file of the table")
    given = parser.parse_args()
    journal = Journal(given.journal)
    events = list(journal.read())
    known = {(event["key"], event["seed"]) for event in events}
    different = np.unique(simplest()[: given.only]).tolist()
    missing = []
    for first in range(0, given.seeds, SEEDS):
        seeds = range(first, min(first + SEEDS, given.seeds))
        missing += [(key, seed) for key in different for seed in seeds if (key, seed) not in known]
    tasks = [missing[first : first + TOGETHER] for first in range(0, len(missing), TOGETHER)]
    with progress(len(tasks), NAME) as advance:
        for found in run_jobs(one, tasks, given.workers):
            for event in found:
                journal.append(event)
            events += found
            advance("")
    made = table_of(events, given.seeds)
    made.save(given.table)
    print(f"{given.table.name}: {made}, best {made.optimum:.4f}, {given.table.stat().st_size / 1e6:.2f} MB")
    print(f"{len(events)} trainings, {sum(event['seconds'] for event in events) / 60:.1f} CPU-minutes")


if __name__ == "__main__":
    main()
