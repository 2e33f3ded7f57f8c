"""The benchmarks of pointing, of copying and of captions run in small and say something."""

from benchmarks.copy_summary import VARIANTS
from tests.benchmarks.quick import quick


def rows_of(name, folder):
    rows = quick(name, folder)
    return {(row.task, row.agent, row.variant, row.metric): row.value for row in rows}


def test_pointer(tmp_path):
    rows = rows_of("pointer", tmp_path)
    ratio = {agent: value for (task, agent, *_), value in rows.items() if task == "tour of 5"}
    assert 1 <= ratio["nearest neighbour"] < ratio["random"] and 1 <= ratio["reinforce"] < ratio["random"]
    assert 0 <= rows["hull of 10", "bc", "pointer", "exact sets"] <= 1
    assert (tmp_path / "pointer.png").stat().st_size > 5000


def test_copy_summary(tmp_path):
    rows = rows_of("copy_summary", tmp_path)
    assert {variant for _, _, variant, _ in rows} == {variant for _, variant, _ in VARIANTS}
    assert all(0 <= value <= 1 for key, value in rows.items() if not key[-1].startswith(("repeats", "length")))


def test_captions(tmp_path):
    rows = rows_of("captions", tmp_path)
    arms = {(task, variant) for task, _, variant, _ in rows}
    assert {("held out", name) for name in ("attention", "mean pool", "no picture")} < arms
    assert {("few captions", name) for name in ("scheduled sampling", "self-critical", "self-critical, beam")} < arms
    assert all(0 <= value <= 1 for key, value in rows.items() if key[-1] != "gain")
    assert (tmp_path / "captions.png").stat().st_size > 5000
