"""metrics.csv: rows and columns grow, and a checkpoint cuts both back."""

from __future__ import annotations

from pathlib import Path

from lhy_rl.experiment.tracking import MetricsFile, metric_columns, read_metrics


def test_math_columns_appear_and_old_rows_stay(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "metrics.csv")
    file.write({"a": 0.1, "phase": 'one, "two"'})
    file.write({"a": 1 / 3, "phase": "x"})
    file.write({"phase": "y", "b": float("nan")})
    file.write({"b": 7})
    assert (tmp_path / "metrics.csv").read_text() == (
        'a,phase,b\n0.1,"one, ""two""",\n0.3333333333333333,x,\n,y,nan\n,,7\n'
    )
    assert metric_columns(tmp_path / "metrics.csv")["a"] == [(0, 0.1), (1, 1 / 3)]
    assert metric_columns(tmp_path / "metrics.csv")["phase"] == []


def test_contract_truncated_to_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    file = MetricsFile(path)
    file.write({"a": 1})
    state, before = file.state_dict(), path.read_bytes()
    file.write({"a": 2, "b": 3})
    with open(path, "a") as half:
        half.write("4,")  # killed in the middle of a row
    again = MetricsFile(path)
    again.load_state_dict(state)
    assert path.read_bytes() == before
    again.write({"a": 2, "b": 3})
    assert read_metrics(path) == [{"a": "1", "b": ""}, {"a": "2", "b": "3"}]
    again.load_state_dict({"columns": [], "rows": 0})
    assert not path.exists()


def test_contract_an_incomplete_last_line_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("a,b\n1,2\n3,4")
    assert read_metrics(tmp_path / "m.csv") == [{"a": "1", "b": "2"}]
