"""A rule is written as a formula, and the table is what its training gives."""

import numpy as np
import pytest

from lhy_rl.envs.search.update_rule import UpdateRule
from lhy_rl.functional.update_rules import parse
from lhy_rl.search.children.rule_mlp import SEEDS, rules_digits
from lhy_rl.search.table import load_table
from lhy_rl.search.update_rules import SPACE, tokens_of


def test_the_formula_grows_and_stands_in_the_last_info():
    env = UpdateRule(render_mode="ansi", autoreset_mode="Disabled")
    env.reset(seed=0)
    frames = list(env.render())
    for token in tokens_of(parse("clip(m) * exp(sign(g) * sign(m))")):
        *_, info = env.step(np.array([token]))
        frames += env.render()
    assert frames[:5] == ["...", "m", "clip(m)", "clip(m) * ...", "clip(m) * (sign(g) * sign(m))"]
    assert frames[5:] == info["formula"].tolist() == ["clip(m) * exp(sign(g) * sign(m))"]


def test_what_is_left_alone_needs_no_second_operand():
    env = UpdateRule(render_mode="ansi", autoreset_mode="Disabled")
    env.reset(seed=0)
    for token in (2, 6, 4):  # sign(g^3), left
        obs, *_ = env.step(np.array([token]))
    assert env.render() == ("sign(g^3)",) and obs["action_mask"].sum() == 1
    env.step(np.array([0]))
    _, _, terminated, _, info = env.step(np.array([0]))
    assert terminated[0] and info["formula"][0] == "sign(g)"


def test_an_episode_that_ends_early_has_no_formula():
    env = UpdateRule(autoreset_mode="Disabled")
    env.reset(seed=0)
    env.step(np.array([0]))
    for _ in range(3):
        _, _, terminated, _, info = env.step(np.array([11]))
    assert terminated[0] and info["formula"][0] == "" and info["score"][0] == 0


@pytest.mark.parametrize("text", ["adam", "g + m", "sign(g) * exp(sign(g) * sign(m))", "exp(g)"])
def test_live_training_agrees_with_the_table(text):
    """Bit for bit on the machine where the table was made; elsewhere sums may be rounded otherwise."""
    table, live, tokens = load_table("rules-digits"), rules_digits(), tokens_of(parse(text))
    seeds = np.arange(SEEDS)
    stored = table.scores(np.repeat(tokens[None], SEEDS, 0), seeds)
    trained = [live.evaluate(tokens, int(seed)).score for seed in seeds]
    assert np.abs(stored - trained).max() <= 0.05 and abs(stored.mean() - np.mean(trained)) <= 0.02


def test_a_table_of_all_rules():
    table = load_table("rules-digits")
    assert len(table.mean) == SPACE.num_configurations and table.num_seeds == SEEDS
    scores = {text: table.mean[table.rows(tokens_of(parse(text))[None])][0] for text in ("g", "adam", "-g", "m + g")}
    assert scores["adam"] > scores["g"] > 0.8 > 0.3 > scores["-g"]
    assert scores["m + g"] == table.mean[table.rows(tokens_of(parse("g + m"))[None])][0]
