"""A wandb sweep's YAML becomes the space that it means."""

import numpy as np
import pytest
import yaml

from lhy_rl.core.errors import UserError
from lhy_rl.search.sweep_yaml import Sweep, read_sweep, write_sweep

TEXT = """
method: bayes
metric: {name: eval/mean_return, goal: maximize}
run_cap: 20
early_terminate: {type: hyperband, max_iter: 27, s: 2}
parameters:
  agent.learning_rate: {distribution: log_uniform_values, min: 0.0001, max: 0.01}
  agent.n_steps: {values: [32, 64, 128]}
  agent.core: {values: [lstm, null]}
  agent.gamma: {min: 0.9, max: 0.98}
  agent.n_epochs: {min: 1, max: 5}
  agent.batch_size: {distribution: q_log_uniform_values, q: 8, min: 8, max: 256}
  net: {parameters: {width: {value: 64}}}
"""


def choices():
    return {choice.name: choice for choice in read_sweep(yaml.safe_load(TEXT)).space.choices}


def test_everything_else_of_the_file():
    sweep = read_sweep(yaml.safe_load(TEXT))
    assert (sweep.searcher, sweep.metric, sweep.goal, sweep.run_cap) == (
        "surrogate",
        "eval/mean_return",
        "maximize",
        20,
    )


def test_early_termination_and_the_goal_are_read_as_wandb_does():
    assert read_sweep(yaml.safe_load(TEXT)).early_terminate == {"type": "hyperband", "max_iter": 27, "s": 2}
    goals = {"maximize": {}, "minimize": {"metric": {"name": "loss"}}}
    for goal, metric in goals.items():
        assert read_sweep({"parameters": {"x": {"values": [1, 2]}}, **metric}).goal == goal


def test_ranges_become_levels():
    rates = choices()["agent.learning_rate"]
    assert rates.ordinal and len(rates.values) == 17
    np.testing.assert_allclose(np.diff(np.log(rates.values)), np.log(100) / 16, rtol=1e-4)
    assert choices()["agent.n_epochs"].values == (1, 2, 3, 4, 5)
    sizes = choices()["agent.batch_size"]
    assert sizes.ordinal and all(size % 8 == 0 for size in sizes.values)
    assert sizes.values[0] == 8 and sizes.values[-1] == 256
    gammas = choices()["agent.gamma"].values
    assert gammas[0] == 0.9 and gammas[-1] == 0.98


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"min": 1, "max": 10, "q": 2, "distribution": "q_uniform"}, (2, 4, 6, 8, 10)),
        ({"min": 0.0, "max": 0.3, "q": 0.1, "distribution": "q_uniform"}, (0.0, 0.1, 0.2, 0.3)),
        ({"min": 1_000_001, "max": 1_000_004}, (1_000_001, 1_000_002, 1_000_003, 1_000_004)),
    ],
)
def test_multiples_of_q_are_those_of_wandb(given, values):
    """round(x / q) q, whatever the range begins with; and whole numbers keep all of their digits."""
    assert read_sweep({"parameters": {"x": given}}).space.choices[0].values == values


def test_lists_are_ordinal_where_they_rise():
    assert choices()["agent.n_steps"].ordinal
    assert not choices()["agent.core"].ordinal and choices()["agent.core"].values == ("lstm", None)
    assert choices()["net.width"].values == (64,)


def test_written_and_read_again():
    sweep = read_sweep(yaml.safe_load(TEXT))
    again = read_sweep(yaml.safe_load(yaml.safe_dump(write_sweep(sweep), sort_keys=False)))
    assert [(c.name, c.values) for c in again.space.choices] == [(c.name, c.values) for c in sweep.space.choices]
    assert isinstance(again, Sweep) and again.run_cap == 20 and again.searcher == "surrogate"
    assert again.early_terminate == sweep.early_terminate


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"method": "bayse"}, "did you mean 'bayes'"),
        ({"metric": {"goal": "maximise"}}, "maximize or minimize"),
        ({"run_cap": 0}, "run_cap is 0"),
        ({"parameters": {}}, "parameters is"),
        ({"parameters": {"x": 3}}, "parameter x is 3"),
        ({"parameters": {"x": {"values": []}}}, "a list that is not empty"),
        ({"parameters": {"x": {"min": 1}}}, "numbers min and max"),
        ({"parameters": {"x": {"min": 2.0, "max": 1.0}}}, "min below max"),
        ({"parameters": {"x": {"min": 0.0, "max": 1.0, "distribution": "log_uniform_values"}}}, "above 0"),
        ({"parameters": {"x": {"min": 0.0, "max": 1.0, "distribution": "normal"}}}, "unknown distribution of x"),
        ({"parameters": {"x": {"values": [[1]]}}}, "a number, a string"),
        ({"parameters": {"x": {"values": [1.0, float("nan")]}}}, "a value of x is nan"),
        ({"parameters": {"x": {"values": [1, 2], "probabilities": [0.9, 0.1]}}}, "unknown key of parameter x"),
        ({"parameters": {"x": {"min": 1, "max": 2, "distribtion": "uniform"}}}, "did you mean 'distribution'"),
        ({"parameters": {"x": {"value": 1, "max": 2}}}, "allowed: value alone"),
        ({"parameters": {"x": {"values": [1, 2], "distribution": "uniform"}}}, "allowed: values alone"),
        ({"parameters": {"x": {"parameters": None}}}, "parameters of x is None"),
        ({"parameters": {"x": {"min": 1, "max": 10**400}}}, "max of x is 1000"),
        ({"parameters": {"x": {"min": "1", "max": 2}}}, "min of x is '1'"),
        ({"parameters": {"x": {"min": 1, "max": 9, "q": 0, "distribution": "q_uniform"}}}, "q of x is 0"),
        ({"parameters": {"x": {"min": 1, "max": 9, "q": "2", "distribution": "q_uniform"}}}, "q of x is '2'"),
        ({"parameters": {"x": {"min": 1, "max": 9, "q": 7, "distribution": "q_uniform"}}}, "two multiples of q=7"),
        ({"early_terminate": {"type": "hyperband"}}, "needs min_iter, or max_iter and s"),
        ({"paramters": {}}, "did you mean 'parameters'"),
    ],
)
def test_bad_sweeps_get_one_line(changes, line):
    with pytest.raises(UserError, match=line):
        read_sweep({"parameters": {"x": {"values": [1, 2]}}, **changes})
