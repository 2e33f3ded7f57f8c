"""The scripted partners: what they say by hand, and what they reach against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import take
from lhy_rl.envs.dialogue.negotiation import NOTHING, Negotiation
from lhy_rl.envs.dialogue.negotiation_bots import boulware_target, elapsed, expected_values, linear_target, partners
from lhy_rl.envs.dialogue.negotiation_contexts import AGREE, OFFERS, offer_number
from lhy_rl.envs.dialogue.negotiation_vs_bot import NegotiationVsBot

RULES = Negotiation(split="all")


def state(moves: int = 0, theirs: list[int] | None = None) -> dict[str, np.ndarray]:
    """Of the pool 3, 2, 1 with the values 1, 3, 1 of player 0, whose turn it is, and 2, 1, 2."""
    same = (RULES.contexts.pool == [3, 2, 1]).all(1) & (RULES.contexts.values == [[1, 3, 1], [2, 1, 2]]).all((1, 2))
    made = RULES.initial(1, np.random.default_rng(0))
    made.update(context=np.flatnonzero(same), first=np.array([moves % 2]), moves=np.array([moves]))
    if theirs is not None:
        number = offer_number(np.array(theirs))
        made["offer"] = np.array([[NOTHING, number]])
        made["history"][0, moves - 1] = number
    return made


def said(name: str, **situation: Any) -> int | list[int]:
    """The items that a bot wants as player 0, or that it agrees."""
    action = int(partners.get(name)(RULES, state(**situation), np.array([0]), np.random.default_rng(0))[0])
    return AGREE if action == AGREE else OFFERS[action].tolist()


def match(first: str, second: str, games: int = 2000) -> dict[str, float]:
    """Means over games between two bots: ``own`` of the first, ``partner``, ``agreement``, ``joint``, ``pareto``."""
    rng = np.random.default_rng(0)
    bots = (partners.get(first), partners.get(second))
    going, ends = RULES.initial(games, rng), []
    while len(going["context"]):
        turn, action = RULES.to_move(going), np.zeros(len(going["context"]), np.int64)
        for player, bot in enumerate(bots):
            rows = np.flatnonzero(turn == player)
            if rows.size:
                action[rows] = bot(RULES, take(going, rows), turn[rows], rng)
        assert RULES.is_legal(going, action).all()
        going = RULES.transition(going, action, rng)
        over = RULES.terminal(going)
        ends.append(RULES.final_info(take(going, np.flatnonzero(over)), np.zeros(over.sum(), np.int64)))
        going = take(going, np.flatnonzero(~over))
    means = {key: float(np.concatenate([end[key] for end in ends]).mean()) for key in ends[0]}
    return {**means, "pareto": means["pareto"] / means["agreement"]}


def test_targets() -> None:
    time = elapsed(np.arange(5), 5)
    assert linear_target(time).tolist() == [10, 8.75, 7.5, 6.25, 5]
    assert boulware_target(time) == pytest.approx([10, 9.951, 9.504, 8.084, 5], abs=1e-3)


def test_what_is_wanted_by_hand() -> None:
    """All is worth 10; without a book or the ball it is worth 9, and so on: books and ball 1 each, hats 3."""
    assert said("hard") == [3, 2, 1] == said("linear") == said("bayesian")
    assert said("linear", moves=2) in ([2, 2, 1], [3, 2, 0])  # 8.75, so 9 points, and five items are left
    assert said("linear", moves=8) == [0, 2, 0] or said("linear", moves=8) == [2, 1, 0]  # 5 points
    assert said("hard", moves=8, theirs=[3, 1, 0]) == AGREE  # it gets a hat and the ball: 4 points, at its last move
    assert said("hard", moves=8, theirs=[2, 1, 1]) == AGREE
    assert said("hard", moves=8, theirs=[3, 1, 1]) == [3, 2, 1]  # 3 points
    assert said("hard", moves=6, theirs=[2, 0, 1]) == [3, 2, 1]  # 7 points, but time is left
    assert said("linear", moves=9, theirs=[3, 1, 0]) == AGREE
    assert said("linear", moves=9, theirs=[3, 1, 1]) != AGREE
    assert said("linear", moves=4, theirs=[1, 0, 1]) == AGREE  # 8 points of 7.5
    assert said("linear", moves=4, theirs=[2, 0, 1]) != AGREE
    assert said("bayesian", moves=9, theirs=[3, 1, 1]) == AGREE
    assert said("bayesian", moves=9, theirs=[3, 2, 1]) != AGREE


def test_the_bayesian_bot_learns_what_is_asked_for() -> None:
    before = expected_values(RULES, state(), np.array([0]))[0]
    after = expected_values(RULES, state(moves=1, theirs=[3, 0, 0]), np.array([0]))[0]
    assert after[0] > before[0] + 0.5 and after[1] < before[1]
    assert before @ [3, 2, 1] == pytest.approx(10) == after @ [3, 2, 1]


def test_it_does_not_look_at_the_others_values() -> None:
    contexts = RULES.contexts
    same = (contexts.pool == [3, 2, 1]).all(1) & (contexts.values[:, 0] == [1, 3, 1]).all(1)
    others = np.flatnonzero(same)
    assert len(others) > 3
    situation = state(moves=4, theirs=[3, 0, 0])
    for name in partners.names():
        answers = {
            int(
                partners.get(name)(
                    RULES, {**situation, "context": np.array([i])}, np.array([0]), np.random.default_rng(1)
                )[0]
            )
            for i in others
        }
        assert len(answers) == 1, name


@pytest.mark.parametrize(
    ("first", "second", "own", "partner", "agreement"),
    [
        ("random", "random", 1.76, 1.77, 0.35),
        ("hard", "hard", 4.8, 4.8, 0.61),
        ("linear", "linear", 6.93, 6.97, 0.97),
        ("boulware", "boulware", 6.42, 6.42, 0.91),
        ("random", "linear", 2.6, 7.7, 0.88),
        ("bayesian", "bayesian", 7.4, 7.4, 0.996),
    ],
)
def test_matches(first: str, second: str, own: float, partner: float, agreement: float) -> None:
    """As the documentation says; the first four are within noise of those of an independent program."""
    found = match(first, second)
    assert found["own"] == pytest.approx(own, abs=0.25) and found["partner"] == pytest.approx(partner, abs=0.25)
    assert found["agreement"] == pytest.approx(agreement, abs=0.03)


def test_a_function_is_a_partner_and_a_wrong_name_is_one_line() -> None:
    def generous(game: Any, state: Any, player: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        offered = state["offer"][np.arange(len(player)), 1 - player] != NOTHING
        return np.where(offered, AGREE, 0)

    env = NegotiationVsBot(64, partner=generous, autoreset_mode="Disabled")
    env.reset(seed=0)
    everything = offer_number(env.game.contexts.pool[env.snapshot()["state"]["context"]])
    _, rewards, terminated, _, infos = env.step(everything)
    assert (rewards == 1).all() and terminated.all() and (infos["own"] == 10).all()
    with pytest.raises(UserError, match="unknown partner 'liner'; did you mean 'linear'"):
        NegotiationVsBot(partner="liner")
    with pytest.raises(UserError, match="partner=3 is not allowed"):
        NegotiationVsBot(partner=3)  # type: ignore[arg-type]


def test_the_expert_of_the_environment_is_good() -> None:
    env = NegotiationVsBot(500, autoreset_mode="SameStep", split="held_out")
    env.reset(seed=0)
    own = []
    for _ in range(8):
        *_, infos = env.step(env.expert_action())
        if "final_info" in infos:
            own.append(infos["final_info"]["own"][infos["_final_info"]])
    assert np.concatenate(own).mean() > 6.5
