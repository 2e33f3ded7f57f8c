"""A formula is written, named and drawn as it is, and its reward is the table's."""

import gymnasium
import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.search.activation_frame import LEFT, PANEL, TOP, activation_frame
from lhy_rl.envs.search.activation_search import ActivationSearch
from lhy_rl.search.children.activation_formulas import SPACE, UNARY, formulas, simplest
from lhy_rl.search.table import Table

SWISH = (0, 16, 0)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Every function's score is its key's, so that equal formulas have one."""
    path = tmp_path_factory.mktemp("table") / "tiny.npz"
    scores = np.tile(simplest() / 2800, (1, 2, 1))
    Table(SPACE, scores, np.array([1]), about={"name": "tiny", "printer": "activation"}).save(path)
    return path


def test_the_formula_and_its_score_are_given_at_the_end(table):
    env = gymnasium.make("lhy_rl/ActivationSearch-v0", table=table)
    obs, info = env.reset(seed=0)
    for token in SWISH:
        assert "formula" not in info
        assert obs["action_mask"][:7].all() and obs["action_mask"].sum() in (7, 20)
        obs, reward, terminated, _, info = env.step(token)
    assert terminated and info["formula"] == "x * sigmoid(x)" and info["configuration"].tolist() == [0, 16, 0]
    assert reward == info["score"] == pytest.approx(simplest()[SPACE.keys(np.array(SWISH))] / 2800)


def test_equal_formulas_have_one_name(table):
    env = ActivationSearch(3, table, autoreset_mode="Disabled")
    env.reset(seed=0)
    for tokens in np.array([SWISH, (16, 0, 0), (0, 0, 5)]).T:
        *_, info = env.step(tokens)
    assert info["formula"].tolist() == ["x * sigmoid(x)"] * 3 and len(set(info["score"])) == 1


def test_what_ended_too_early_has_no_formula(table):
    env = ActivationSearch(1, table, autoreset_mode="Disabled")
    env.reset(seed=0)
    for token in (0, 0, 19, 19, 19):
        *_, terminated, _, info = env.step(np.array([token]))
    assert terminated.all() and info["formula"].tolist() == [""]


def test_the_formula_so_far_is_printed_and_drawn(table):
    env = ActivationSearch(1, table, render_mode="ansi", autoreset_mode="Disabled")
    env.reset(seed=0)
    texts = [env.render()[0]]
    for token in SWISH:
        env.step(np.array([token]))
        texts.append(env.render()[0])
    assert texts == ["no choice made", "x", "x, sigmoid(x)", "x * sigmoid(x)"]
    drawn = ActivationSearch(1, table, render_mode="rgb_array", autoreset_mode="Disabled")
    drawn.reset(seed=0)
    before = drawn.render()[0]
    drawn.step(np.array([0]))
    assert before.shape == (400, 400, 3) and (before != drawn.render()[0]).any()


def test_a_curve_is_drawn_where_it_is():
    picture = activation_frame([UNARY["x"]], "x")
    panel = picture[TOP : TOP + PANEL, LEFT : LEFT + PANEL].astype(int)
    blue = (np.abs(panel - panel[0, -1]).sum(-1) == 0).nonzero()
    assert len(blue[0]) > PANEL and np.abs(blue[0] + blue[1] - PANEL).max() <= 3  # the diagonal
    empty = activation_frame([lambda x: x - 100], "")
    assert (empty == activation_frame([], "")).all()  # outside of the picture


def test_tables_of_something_else_are_refused():
    with pytest.raises(UserError, match="does not hold activation formulas"):
        ActivationSearch(table="nb201-cifar10")
    assert len(formulas()) == SPACE.num_configurations
