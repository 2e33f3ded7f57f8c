"""The benchmarks of seeing run in small and say something."""

import pytest

from benchmarks.glimpses import WITHOUT
from benchmarks.harness import load
from benchmarks.pixel_digits import MODELS
from benchmarks.vision import MEASURED
from tests.benchmarks import quick


def run(name, folder, *further):
    printed = quick.run(name, "--quick", "--output", folder, *further)
    return load(name, folder), printed


@pytest.mark.parametrize("pattern", ["MNIST-1D/cnn, bare", "glyphs/spatial transformer", "shifted digits/capsules"])
def test_vision(tmp_path, pattern):
    rows, printed = run("vision", tmp_path, "--only", pattern)
    found = {(row.task, row.variant) for row in rows}
    assert found and found <= set(MEASURED)
    assert {"accuracy", "error"} & {row.metric for row in rows}
    assert printed.count("seed 0: ") == len(found)


def test_pixel_digits(tmp_path):
    rows, _ = run("pixel_digits", tmp_path)
    bits = {row.variant: row.value for row in rows if row.metric == "bits a pixel"}
    assert set(bits) == set(MODELS)
    assert bits["logistic"] < 0.43 < bits["independent"] < 0.56 < 1.0
    assert bits["grid_lstm_2d"] < bits["independent"]
    assert (tmp_path / "pixel_digits.png").exists()


def test_glimpses(tmp_path):
    rows, _ = run("glimpses", tmp_path, "--only", "*easy/dagger/*")
    found = {(row.variant, row.metric): row.value for row in rows}
    assert {variant for variant, _ in found} == set(WITHOUT)
    assert found["all sharp", "looks"] == 0
    assert all(0 <= value <= 1 for (_, metric), value in found.items() if metric in ("accuracy", "nearest place"))
