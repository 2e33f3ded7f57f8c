"""The benchmarks of sources and of chat run in small and say something."""

import subprocess
import sys

import pytest

from benchmarks.harness import load
from benchmarks.tables import ROOT


def quick(name, folder):
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--output", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return {(row.task, row.variant, row.metric): row.value for row in load(name, folder)}


def test_chat(tmp_path):
    rows = quick("chat", tmp_path)
    for variant in ("no attention", "hred"):
        assert 5 < rows["ChatReply", variant, "test perplexity"] < 400  # of 1,500 words
        assert rows["speed", variant, "tokens a second"] > 1000
    assert rows["ChatReply", "hred", "parameters"] > rows["ChatReply", "no attention", "parameters"]
    assert rows["speed", "no attention", "of the speed without a source"] < 1.1


def test_sources(tmp_path):
    rows = quick("sources", tmp_path)
    for (task, variant, metric), value in rows.items():
        assert metric == "parameters" or 0 <= value <= 1, (task, variant)
    assert rows["new words", "dot", "right new words"] == pytest.approx(0, abs=0.05)
