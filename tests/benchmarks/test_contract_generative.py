"""The benchmarks of generative models run in small and say something."""

from benchmarks.generative import AUTOENCODERS, TASKS
from benchmarks.harness import load
from tests.benchmarks.quick import run


def quick(name, folder):
    """Rows of a quick run: (task, variant, metric) to value."""
    run(name, "--quick", "--output", folder)
    return {(row.task, row.variant, row.metric): row.value for row in load(name, folder)}


def test_generative(tmp_path):
    values = quick("generative", tmp_path)
    assert {variant for task, variant, _ in values if task == "digits"} == set(AUTOENCODERS)
    assert {(task, name) for task in TASKS for name in TASKS[task]} <= {key[:2] for key in values}
    assert values["digits", "linear vae", "bound"] < values["digits", "linear vae", "closed form"]
    assert values["digits", "linear autoencoder", "error over PCA"] > 1


def test_wasserstein(tmp_path):
    values = quick("wasserstein", tmp_path)
    assert values["lines", "gan, 1 apart", "gradient"] < 0.5 < values["lines", "wgan_gp, 1 apart", "gradient"]
    assert values["critic", "after 0 steps", "exact"] > 5 * values["critic", "after 0 steps", "two real samples"]
    assert -1 <= values["began", "gamma 0.7", "Spearman of convergence and distance"] <= 1


def test_gan_speed(tmp_path):
    values = quick("gan_speed", tmp_path)
    assert len([key for key in values if key[2] == "times faster"]) == 8 and min(values.values()) > 0
