"""``lhy-rl search`` and ``sweep`` as they are used, and what they say to bad input."""

import json

import numpy as np
import pytest
import yaml

from lhy_rl.benchmark import seed_run
from lhy_rl.cli.main import main
from lhy_rl.rollouts.evaluate_policy import SEED, SELECTION_SEED, play

SPACE = """
run_cap: 8
parameters:
  x: {values: [1, 2, 3, 4]}
  y: {values: [a, b]}
"""


FUNCTION = """
def score(values, seed):
    if values["y"] == "b":
        raise RuntimeError("no b")
    return values["x"]


def fails(values, seed):
    raise RuntimeError("never")


def of_one(values):
    return 1.0


def reporting(values, seed, report):
    for step in (1, 3, 9):
        loss = (values["x"] + values["y"]) / (step + 1)
        if not report(step, {"loss": loss, "accuracy": 1 - loss}):
            break
    return {"loss": loss}
"""


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A working directory of its own, with a function to search."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "loss.yaml").write_text(SPACE + "metric: {name: loss}")
    (tmp_path / "other.yaml").write_text(SPACE + "metric: {name: loss, goal: maximize}")
    (tmp_path / "searched_here.py").write_text(FUNCTION)
    return tmp_path


def test_a_table_is_searched_and_reported(there, capsys):
    assert main(["search", "evolution/nb201", "--trials", "40", "--population", "10", "--folder", "found"]) == 0
    out = capsys.readouterr().out
    assert "regret" in out and "found/report.html" in out
    result = json.loads((there / "found/result.json").read_text())
    assert len(result["trials"]) == len(result["regret"]) == 40 and result["repeated"] == 0
    assert (np.diff([trial["score"] for trial in result["trials"]]) != 0).any()
    assert set(yaml.safe_load((there / "found/best.yaml").read_text())) == {f"Op{k}" for k in range(6)}
    page = (there / "found/report.html").read_text()
    assert page.count("data:image/png") == 4 and "nor_conv" in page


def test_what_a_table_was_made_of_is_trained_live(there, capsys):
    assert main(["search", "evolution/digits", "--live", "--trials", "2", "--folder", "live"]) == 0
    assert "validation accuracy" in capsys.readouterr().out
    result = json.loads((there / "live" / "result.json").read_text())
    assert result["objective"] == {"live": "digits-cnn", "score": "validation accuracy", "epochs": 9}
    assert all(trial["seconds"] > 0 and len(trial["curve"]) == 9 for trial in result["trials"])


def test_what_is_a_formula_is_shown_as_one(there, capsys):
    assert main(["search", "random/activations", "--trials", "8", "--folder", "found"]) == 0
    result = json.loads((there / "found/result.json").read_text())
    assert f"formula   {result['formula']}\n" in capsys.readouterr().out
    assert result["formula"] in [trial["formula"] for trial in result["trials"]]
    assert "<th>formula</th>" in (there / "found/report.html").read_text()


def test_a_search_goes_on_in_its_folder(there, capsys):
    whole = ["search", "controller/nb201", "--folder", "whole", "--trials", "30"]
    assert main(whole) == main(["search", "controller/nb201", "--folder", "part", "--trials", "17"]) == 0
    assert main(["search", "controller/nb201", "--folder", "part", "--trials", "30"]) == 0
    one, two = (json.loads((there / name / "result.json").read_text())["trials"] for name in ("whole", "part"))
    assert one == two
    capsys.readouterr()
    assert main(["search", "local/nb201", "--folder", "part"]) == 2
    assert "belongs to another search" in capsys.readouterr().err


def test_a_function_of_ones_own(there, capsys):
    command = ["search", "random", "--space", "space.yaml", "--function", "searched_here:score", "--folder", "own"]
    assert main(command) == 0
    result = json.loads((there / "own/result.json").read_text())
    assert result["best"] == {"x": 4, "y": "a"} and result["failed"] == 4 and len(result["trials"]) == 8
    assert "4 times RuntimeError: no b" in (there / "own/report.html").read_text()


def test_a_search_of_which_nothing_came_has_failed(there, capsys):
    command = ["search", "random", "--space", "space.yaml", "--function", "searched_here:fails", "--folder", "none"]
    assert main(command) == 1
    assert "8 of 8 trials failed; the first: RuntimeError: never" in capsys.readouterr().out


def test_a_function_that_reports_is_stopped_early(there, capsys):
    (there / "early.yaml").write_text(
        "metric: {name: loss}\nrun_cap: 12\nearly_terminate: {type: hyperband, min_iter: 1}\n"
        "parameters: {x: {values: [1, 2, 3, 4]}, y: {values: [0, 1, 2]}}\n"
    )
    command = ["search", "random", "--space", "early.yaml", "--function", "searched_here:reporting"]
    assert main([*command, "--folder", "early"]) == 0
    result = json.loads((there / "early/result.json").read_text())
    assert result["best"] == {"x": 1, "y": 0} and result["score"] == -0.1
    assert 0 < result["stopped"] < 12 and result["failed"] == 0
    assert sum(trial["epochs"] for trial in result["trials"]) < 12 * 9
    page = (there / "early/report.html").read_text()
    assert "stopped early" in page and page.count("data:image/png") == 4
    assert f"stopped   {result['stopped']} of 12 trials" in capsys.readouterr().out


def test_sweep_tunes_an_agent_and_writes_a_configuration(there, capsys, monkeypatch):
    seeds = []

    def noted(predict, env, episodes, seed):
        seeds.append(seed)
        return play(predict, env, episodes, seed)

    monkeypatch.setattr(seed_run, "play", noted)
    (there / "sweep.yaml").write_text("parameters:\n  agent.learning_rate: {values: [0.0001, 0.003]}\nrun_cap: 2\n")
    command = ["sweep", "ppo/cartpole", "--space", "sweep.yaml", "--folder", "tuned", "--again", "1"]
    command += ["--early_terminate", "{type: hyperband, max_iter: 9, s: 1}"]
    assert main([*command, "--total_timesteps", "1000", "--agent.n_epochs", "2"]) == 0
    result = json.loads((there / "tuned/result.json").read_text())
    assert [trial["failure"] for trial in result["trials"]] == ["", ""]
    assert [point[0] for point in result["trials"][0]["curve"]] == [512, 1024]  # the first update behind 333 steps
    assert result["cost"] == "environment steps" and result["trials"][0]["epochs"] == 1024
    assert set(result["again"]) == {"found", "before"}
    first = seeds.index(SEED)  # the episodes that are reported are none by which something was chosen
    assert set(seeds[:first]) == {SELECTION_SEED} and set(seeds[first:]) == {SEED}
    found = yaml.safe_load((there / "tuned/best.yaml").read_text())
    assert found["agent"]["learning_rate"] == result["best"]["agent.learning_rate"]
    assert found["agent"]["n_epochs"] == 2 and found["total_timesteps"] == 1000
    assert main(["train", "tuned/best.yaml", "--total_timesteps", "300", "--run.folder", "again"]) == 0


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["search", "evolutoin/nb201"], "did you mean 'evolution'"),
        (["search", "evolution/nb301"], "unknown table 'nb301'"),
        (["search", "evolution/nb201", "--live"], "unknown live search 'nb201'"),
        (["search", "evolution", "--live"], "--live needs the name of what to train"),
        (["search", "evolution/nb201", "--populatoin", "3"], "did you mean 'population'"),
        (["search", "evolution/nb201", "--population", "1"], "population is 1"),
        (["search", "evolution/nb201", "--population", "many"], "population is 'many'"),
        (["search", "evolution/nb201", "--trials", "0"], "--trials is 0"),
        (["search", "evolution/nb201", "--time_limit", "3"], "allowed: processes, ray"),
        (["search", "evolution/nb201", "--space", "space.yaml"], "--space and --function do not go with a table"),
        (["search", "evolution"], "search needs a table"),
        (
            ["search", "evolution", "--space", "space.yaml", "--function", "nowhere:score"],
            "no function 'nowhere:score'",
        ),
        (
            ["search", "evolution", "--space", "space.yaml", "--function", "searched_here:of_one"],
            "of_one cannot be called as function(values, seed)",
        ),
        (["search", "evolution", "--space", "missing.yaml", "--function", "searched_here:score"], "missing.yaml"),
        (["search", "evolution/nb201", "--early_terminate", "hyperband"], "early_terminate needs intermediate scores"),
        (["sweep", "ppo/cartpol"], "did you mean"),
        (["sweep", "ppo/cartpole", "--early_terminate", "hyperbnad"], "did you mean 'hyperband'"),
        (["sweep", "ppo/cartpole", "--early_terminate", "{type: hyperband, min_iter: 27}"], "min_iter is 27"),
        (["sweep", "ppo/cartpole", "--space", "loss.yaml"], "goal of the sweep is minimize"),
        (["sweep", "ppo/cartpole", "--space", "other.yaml"], "unknown metric of a sweep 'loss'"),
        (["sweep", "ppo/cartpole", "--agent.gama", "1"], "did you mean 'gamma'"),
        (["sweep", "ppo/cartpole", "--space", "space.yaml"], "unknown"),
    ],
)
def test_bad_input_gets_one_line(there, capsys, command, line):
    assert main(command) == 2
    error = capsys.readouterr().err.strip()
    assert line in error and "Traceback" not in error
    assert not (there / "runs").exists()
