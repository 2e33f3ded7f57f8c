"""The benchmarks of sources and of chat run in small and say something."""

import pytest

from tests.benchmarks.quick import quick


def rows_of(name, folder):
    rows = quick(name, folder)
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return {(row.task, row.variant, row.metric): row.value for row in rows}


def test_chat(tmp_path):
    rows = rows_of("chat", tmp_path)
    for variant in ("no attention", "hred"):
        assert 5 < rows["ChatReply", variant, "test perplexity"] < 300  # of 1,500 words
        assert rows["speed", variant, "tokens a second"] > 1000
    assert rows["ChatReply", "hred", "parameters"] > rows["ChatReply", "no attention", "parameters"]
    assert rows["speed", "no attention", "of the speed without a source"] < 1.1


def test_sources(tmp_path):
    rows = rows_of("sources", tmp_path)
    for (task, variant, metric), value in rows.items():
        assert metric == "parameters" or 0 <= value <= 1, (task, variant)
    assert rows["new words", "dot", "right new words"] == pytest.approx(0, abs=0.05)
