"""The benchmarks run in small and say something; the documentation's tables are what the results say."""

import math
import re
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import defaults
from benchmarks.control_sb3 import WAYS, ZOO, our_entries, translated
from benchmarks.harness import (
    QUICK_RESULTS,
    RESULTS,
    Row,
    alternate,
    chosen,
    interval,
    load,
    parser,
    run_cases,
    save,
    summarize,
)
from benchmarks.strings import BITS, repeated
from benchmarks.tables import ROOT
from lhy_rl.benchmark.benchmark_row import rows_of
from lhy_rl.benchmark.results import ratio
from lhy_rl.benchmark.spec import Definition, Entry
from lhy_rl.benchmark.tables import documents, rewritten
from lhy_rl.core.errors import UserError
from lhy_rl.experiment import config
from tests.benchmarks.quick import quick, run


def checked(name, folder, *more):
    """The rows of ``--quick``, and what it leaves in the folder; ``more`` are files besides the usual ones."""
    rows = quick(name, folder)
    picture = folder / f"{name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 5_000
    assert {path.name for path in folder.iterdir()} == {f"{name}.json", f"{name}.png", *more}
    for row in rows:
        assert all(math.isfinite(x) for x in (row.value, row.low, row.high))
        assert row.low <= row.value <= row.high and row.seeds > 0
    return rows


def test_backbones(tmp_path):
    rows = checked("backbones", tmp_path)
    assert {row.agent for row in rows} >= {"rnn", "gru", "lstm"}
    ratios = [
        row.value for row in rows if row.variant == "one call over step loop" and row.agent in ("rnn", "gru", "lstm")
    ]
    assert len(ratios) >= 6 and all(ratio > 1.2 for ratio in ratios)  # 5 and more at full size


def test_memory_networks(tmp_path):
    rows = checked("memory_networks", tmp_path)
    expected = {("reverse", "stack_rnn"), ("dyck", "stack_rnn"), ("copy", "ntm"), ("repeat copy", "ntm")}
    assert {(row.task, row.agent) for row in rows} == expected
    assert all(row.value <= 1 for row in rows if row.metric.startswith("exact"))


def test_words_that_are_asked_for_more_than_once_and_their_end():
    obs, answers, asked = repeated(2, 16, np.random.default_rng(0), 1, 3)
    times = (2 * obs[2, :, BITS]).long()
    assert set(times.tolist()) == {1, 2, 3} and len(obs) == 2 + 1 + 2 * 3 + 1
    for row, n in enumerate(times.tolist()):
        assert asked[:, row].nonzero().flatten().tolist() == list(range(3, 3 + 2 * n + 1))
        written = answers[asked[:, row], row]
        assert torch.equal(written[:-1, :BITS], obs[:2, row, :BITS].long().repeat(n, 1))
        assert written[:-1, BITS].sum() == 0 and written[-1].tolist() == [0] * BITS + [1]


def test_seqgan_speed(tmp_path):
    rows = checked("seqgan_speed", tmp_path)
    pieces = {row.task.split(":")[0] for row in rows}
    assert pieces == {"generator step", "sampling", "MLE epoch", "discriminator epoch"}
    for piece in pieces:
        found_rows = [row for row in rows if row.task.startswith(piece)]
        (bound,) = [row.value for row in found_rows if row.variant == "arithmetic bound"]
        (ours,) = [row.value for row in found_rows if row.variant == "lhy_rl" and row.metric == "CPU-seconds"]
        assert 0 < bound < ours  # nothing is faster than its arithmetic
    faster = {row.task.split(":")[0]: row.value for row in rows if row.metric == "times faster"}
    assert faster["sampling"] > 1.5 and faster["discriminator epoch"] > 1.2


def test_drive(tmp_path):
    rows = checked("drive", tmp_path, "drive_paths.png")
    assert {row.agent for row in rows if row.metric == "regret"} == {"bc", "dagger"}
    clone, dagger = (row.value for row in rows if row.metric == "regret" and row.task.endswith(" 40"))
    assert dagger < clone
    gru, none = (row.value for row in rows if row.task.startswith("RepeatPrevious"))
    assert gru > 0.9 and none < 0


def test_cloning(tmp_path):
    rows = {(row.agent, row.variant, row.metric): row.value for row in checked("cloning", tmp_path)}
    assert rows["random", "", "mean return"] < 50 < 450 < rows["bc", "1 trajectory", "median"]
    assert rows["bc", "1 trajectory, shuffled", "median"] < 200
    labels = [rows[key] for key in rows if key[2] == "labels"]
    assert labels == [500, 25, 1025, 1025, 500]


def test_gail(tmp_path):
    rows = {(row.agent, row.variant, row.metric): row.value for row in checked("gail", tmp_path)}
    assert rows["random", "", "mean return"] < 50 and rows["expert", "", "mean return"] == 500
    assert rows["gail", "random, 10", "demonstrations' return"] < 50  # a control, told from the row beside it
    assert ("gail", "10 trajectories", "demonstrations' return") not in rows
    assert 0.5 < rows["gail", "10 trajectories", "discriminator accuracy"] <= 1


def test_control_beside_sb3(tmp_path):
    rows = checked("control_sb3", tmp_path, "control_sb3.trials.json")
    assert {row.task for row in rows} == {"CartPole-v1", "Acrobot-v1"}
    for task in {row.task for row in rows}:
        found_rows = [row for row in rows if row.task == task]
        assert {row.variant for row in found_rows if row.metric == "mean return"} == set(WAYS.values())
        faster = [row.value for row in found_rows if row.metric == "times the CPU-seconds to threshold"]
        assert len(faster) == 2 and min(faster) > 0


def test_our_settings_in_the_words_of_sb3():
    """Each word of a configuration of ours that Stable-Baselines3 has."""
    entry = Entry("ppo/acrobot", threshold=-100, evaluation_interval=4_096)
    (line,) = rows_of(Definition("one", [entry]), seeds=1, quick=False, stop=True)
    found = translated(line.seed_runs[0])
    assert (found.n_envs, found.steps, found.norm_obs, found.norm_reward) == (16, 200_000, True, True)
    wanted = {"n_steps": 64, "batch_size": 256, "n_epochs": 10, "gae_lambda": 0.94, "clip_range": 0.2}
    assert {name: found.options[name] for name in wanted} == wanted
    assert found.options["learning_rate"](0.25) == pytest.approx(0.25e-3)
    assert found.options["policy_kwargs"]["net_arch"] == [64, 64]


def test_defaults(tmp_path):
    rows = checked("defaults", tmp_path, "defaults.trials.json")
    assert {row.agent for row in rows} == {"ppo", "a2c"} and {row.task for row in rows} <= set(defaults.STEPS)
    assert {row.variant for row in rows if row.metric == "mean return"} == {"lhy_rl", defaults.PEER}
    assert min(row.value for row in rows if row.metric == "times the CPU-seconds") > 1


def test_both_defaults_read_the_same_minigrid():
    pytest.importorskip("minigrid")
    env = defaults.flat_minigrid()
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs) and set(obs) == {"direction", "image"}
    assert obs["image"].shape == (147,)


STRANGER = """#!{python}
import json, os, sys, numpy as np
shown = np.load(sys.argv[2])
ends = shown["observations"].shape, shown["actions"].shape
assert ends == ((10, 501, 4), (10, 500)) and "PYTHONPATH" not in os.environ, ends
json.dump({{"return": 7.0, "cpu": 1e6, "steps": 2048, "version": "1.0.1"}}, open(sys.argv[3], "w"))
"""


def test_gail_beside_a_library_in_a_python_of_its_own(tmp_path):
    """What is exchanged: whole trajectories there, a return and its cost back. The stranger here learns nothing."""
    python = tmp_path / "python"
    python.write_text(STRANGER.format(python=sys.executable))
    python.chmod(0o755)
    found = quick("gail_imitation", tmp_path / "out", "--peer-python", python)
    rows = {(row.variant, row.metric): row.value for row in found}
    assert rows["10 trajectories: imitation 1.0.1", "mean return"] == 7.0
    assert rows["10 trajectories: imitation 1.0.1 over lhy_rl", "times the CPU-seconds"] > 100
    assert (tmp_path / "out/gail_imitation.png").exists()


def test_inverse_reinforcement_learning(tmp_path):
    rows = {(row.agent, row.variant, row.metric): row.value for row in checked("irl", tmp_path)}
    assert rows["maxent_irl", "exact, soft expert", "occupancy gap"] < 1e-3
    ours, clones = (rows[agent, "100 paths", "return behind walls"] for agent in ("maxent_irl", "clone"))
    assert ours > 0.9 > clones
    for method in ("perceptron", "max_margin"):
        assert rows["irl", method, "least margin"] > 0 and rows["irl", method, "feature gap"] < 0.1
    assert 0 < rows["irl", "perceptron", "mistakes"] <= rows["irl", "perceptron", "mistakes allowed"]


def test_whoever_asks_for_rows_that_no_script_has_reads_which_there_are(tmp_path, capsys):
    options = ("--only", "--tasks", "--tables", "--variants", "--facts")
    scripts = {path.stem: path.read_text("utf-8") for path in (ROOT / "benchmarks").glob("*.py")}
    asked = [(name, option) for name, text in scripts.items() for option in options if f'"{option}"' in text]
    assert len(asked) > 35
    for script, option in asked:
        output = ("--output", tmp_path) if "--output" in scripts[script] or "parser(__doc__" in scripts[script] else ()
        with pytest.raises(SystemExit) as stop:
            run(script, option, "no such", *output)
        line = capsys.readouterr().err.splitlines()[-1]
        assert stop.value.code == 2 and re.search("there are .+; |choose from |invalid int value", line), (script, line)
    assert not list(tmp_path.iterdir())


def test_sb3_gail(tmp_path):
    pytest.importorskip("stable_baselines3")
    rows = checked("sb3_gail", tmp_path)
    returns = {(row.agent, row.variant): row.value for row in rows if row.metric == "mean return"}
    assert len(returns) == 5 and returns["expert", ""] > -300 > returns["random", ""]
    accuracies = {row.variant: row.value for row in rows if row.metric == "discriminator accuracy"}
    at_random = accuracies.pop("random, 10")  # by one who acts about as at random, too
    assert len(accuracies) == 2 and min(accuracies.values()) > 0.6 > at_random > 0.4  # it learns while SAC plays
    assert {row.steps for row in rows if row.agent == "SAC"} == {240}


def test_the_zoos_tasks_are_those_of_the_benchmark():
    assert {config.load(entry.config).values["env"]["id"] for entry in our_entries()} == set(ZOO)


def test_a_ratio_is_of_interquartile_means():
    value, low, high = ratio([20.0, 20.0, 20.0, 20.0], [10.0, 5.0, 5.0, 1.0])
    assert value == 4.0 and low < value < high
    assert ratio([6.0], [2.0]) == (3.0, 3.0, 3.0)


def test_an_interval_is_the_interquartile_mean_and_its_bootstrap():
    assert interval([3.0, 1.0]) == (2.0, 1.0, 3.0)  # too few for quartiles: mean, least, greatest
    value, low, high = interval([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1000.0])
    assert value == pytest.approx(3.5)  # of 2, 3, 4, 5: the middle half
    assert interval([1.0, 2.0, 3.0, 4.0, 90.0])[0] == pytest.approx((0.75 * 2 + 3 + 0.75 * 4) / 2.5)
    assert low < value < high
    assert interval(range(50)) == interval(range(50))  # the resamples are fixed


def test_rows_come_back_as_they_were_saved(tmp_path):
    rows = [summarize("t", "a", "v", "m", [1.0, 2.0], steps=3, cpu_seconds=0.5, reference="1 (A 2020)")]
    save("x", rows, tmp_path)
    assert load("x", tmp_path) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    assert load("y", tmp_path) == []


def test_small_sizes_do_not_replace_the_results():
    command = parser("Of nothing.")
    assert command.parse_args([]).output == RESULTS
    assert command.parse_args(["--quick"]).output == QUICK_RESULTS != RESULTS
    assert command.parse_args(["--quick", "--output", "here"]).output == Path("here")


def test_names_are_chosen_in_their_order_by_patterns():
    names = ("point, angle 30", "point", "reacher")
    assert chosen("x", names, "reacher; point*") == ["point, angle 30", "point", "reacher"]
    assert chosen("x", names, "reacher,point", ",") == ["point", "reacher"]


def test_cases_that_were_not_asked_for_stay_as_they_are(tmp_path, capsys):
    def rows_of(name, results):
        values = [result["score"] for result in results]
        return [summarize(*name.split("/"), "", "score", values, 0, sum(result["seconds"] for result in results))]

    cases = {"a/ppo": lambda seed: {"score": 1.0 + seed, "seconds": 0.5}, "b/ppo": lambda seed: {"score": 7.0}}
    options = Namespace(only="*", seeds=2, quick=False, output=tmp_path)
    run_cases("x", cases, rows_of, options)
    cases |= {name: lambda seed: {"score": 9.0} for name in cases}
    run_cases("x", cases, rows_of, Namespace(**{**vars(options), "only": "b/*"}))
    assert [(row.task, row.value, row.seeds) for row in load("x", tmp_path)] == [("a", 1.5, 2), ("b", 9.0, 2)]
    assert load("x", tmp_path)[0].cpu_seconds == 1.0
    with pytest.raises(SystemExit) as stop:
        run_cases("x", cases, rows_of, Namespace(**{**vars(options), "only": "c/*"}))
    assert stop.value.code == 2 and "nothing matches 'c/*'; there are a/ppo; b/ppo" in capsys.readouterr().err


def test_candidates_take_turns():
    calls = []
    seconds = alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3  # the first round is not measured
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


ROWS = [
    Row("game", "ppo", "plain", "reward", 1234.5, 1000.25, 2000.0, 5, 100, 2.5, "best | known"),
    Row("game", "ppo", "fast", "share", 0.51234, 0.51234, 0.51234, 5),
]


def test_a_table_is_made_of_the_rows_that_fit(tmp_path):
    save("game", ROWS, tmp_path)
    text = 'Before\n<!-- table: game variant="pl*" metric=reward -->\nold\n<!-- end -->\nafter\n'
    assert rewritten(text, tmp_path) == (
        'Before\n<!-- table: game variant="pl*" metric=reward -->\n'
        "| task | agent | variant | value | runs | steps | CPU-seconds | reference |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| game | ppo | plain | 1,234 [1,000, 2,000] | 5 | 100 | 2.5 | best \\| known |\n"
        "<!-- end -->\nafter\n"
    )
    assert "| game | ppo | fast | 0.512 |" in rewritten("<!-- table: game metric=share -->\n<!-- end -->", tmp_path)
    with pytest.raises(UserError, match="did you mean 'metric'"):
        rewritten("<!-- table: game metrik=share -->\n<!-- end -->", tmp_path)
    with pytest.raises(ValueError, match="no row fits"):
        rewritten("<!-- table: game metric=other -->\n<!-- end -->", tmp_path)


def test_a_table_without_results_is_noticed(tmp_path):
    empty = "<!-- table: later -->\n<!-- end -->"
    assert rewritten(empty, tmp_path) == empty
    with pytest.raises(FileNotFoundError, match=r"python -m benchmarks\.later"):
        rewritten("<!-- table: later -->\n| 1 |\n<!-- end -->", tmp_path)


@pytest.mark.parametrize("path", documents(ROOT), ids=lambda path: path.name)
def test_the_documents_hold_what_the_results_say(path):
    text = path.read_text("utf-8")
    assert rewritten(text, RESULTS) == text, "run python -m benchmarks.tables"


WIDE = [
    Row("game", "ppo", "plain", "mean return", 9.5, 9.0, 10.0, 5),
    Row("game", "ppo", "plain", "solved", 0.8, 0.8, 0.8, 5),
    Row("other", "ppo", "plain", "mean return", 1.0, 1.0, 1.0, 5, None, None, "best 2"),
]


def test_a_wide_table_has_the_metrics_side_by_side(tmp_path):
    save("game", WIDE, tmp_path)
    text = rewritten('<!-- table: game wide="mean return, solved" -->\n<!-- end -->', tmp_path)
    assert "| task | variant | mean return | solved | runs | reference |" in text
    text = rewritten('<!-- table: game wide="solved" -->\n<!-- end -->', tmp_path)
    assert text.splitlines()[1:4] == ["| variant | solved | runs | reference |", "| --- | --- | --- | --- |",
                                      "| plain | 4 of 5 | 5 |  |"]  # fmt: skip
    targets = [replace(WIDE[0], reference="wanted: 9"), replace(WIDE[1], reference="wanted: 5 of 5")]
    save("game", [replace(WIDE[0], metric="steps"), *targets], tmp_path)
    text = rewritten('<!-- table: game wide="steps, solved" -->\n<!-- end -->', tmp_path)
    assert "| wanted: 5 of 5 |" in text  # of any column, not of the first alone
    text = rewritten('<!-- table: game wide="steps, mean return, solved" -->\n<!-- end -->', tmp_path)
    assert "| mean return wanted: 9; solved wanted: 5 of 5 |" in text


def test_a_bar_in_a_name_does_not_end_its_cell(tmp_path):
    save("rules", [Row("digits", "sqrt|g|", "plain", "score", 0.9, 0.9, 0.9, 5), WIDE[0]], tmp_path)
    text = rewritten('<!-- table: rules wide="score" -->\n<!-- end -->', tmp_path)
    assert text.splitlines()[3].startswith("| plain | 0.9") and "sqrt|g|" not in text
    text = rewritten('<!-- table: rules wide="score, mean return" -->\n<!-- end -->', tmp_path)
    assert r"| digits | sqrt\|g\| | plain | 0.9 |" in text
