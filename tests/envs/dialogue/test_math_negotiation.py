"""The contexts and optima of Deal or No Deal by enumeration, and the rules by hand."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.dialogue.negotiation import NOTHING, Negotiation
from lhy_rl.envs.dialogue.negotiation_contexts import AGREE, OFFERS, Contexts, enumerate_contexts, offer_number, pools
from lhy_rl.envs.game import GameBatch

EXAMPLE = Contexts(np.array([[3, 2, 1]]), np.array([[[1, 3, 1], [2, 1, 2]]]))


def state_of(rules: Negotiation, first: int = 0, context: int = 0) -> dict[str, np.ndarray]:
    state = rules.initial(1, np.random.default_rng(0))
    return {**state, "first": np.array([first]), "context": np.array([context])}


def play(rules: Negotiation, *actions: int, **options: Any) -> tuple[dict[str, np.ndarray], list[list[float]]]:
    """The state and the rewards of both after these moves."""
    state, rewards = state_of(rules, **options), []
    for action in actions:
        assert not rules.terminal(state)[0]
        after = rules.transition(state, np.array([action]), np.random.default_rng(0))
        rewards.append(rules.reward(state, np.array([action]), after)[0].tolist())
        state = after
    return state, rewards


def keep(*items: int) -> int:
    return int(offer_number(np.array(items)))


def index_of(rules: Negotiation, pool: list[int], first: list[int], second: list[int]) -> int:
    same = (rules.contexts.pool == pool).all(1) & (rules.contexts.values == [first, second]).all((1, 2))
    (found,) = np.flatnonzero(same)
    return int(found)


def test_there_are_5295_contexts_and_all_obey_the_rules() -> None:
    contexts = enumerate_contexts()
    assert len(contexts) == 5295 and len(list(pools())) == 28
    assert len(enumerate_contexts("lewis")) < 5295
    assert len(np.unique(np.concatenate([contexts.pool[:, None], contexts.values], 1), axis=0)) == 5295
    assert (contexts.values @ contexts.pool[:, :, None] == 10).all()
    assert set(contexts.pool.sum(1)) == {5, 6, 7} and contexts.pool.min() == 1 and contexts.pool.max() == 4
    worth = contexts.values > 0
    assert worth.any(1).all() and worth.all(1).any(1).all()


def test_a_fifth_is_held_out_with_its_mirror_image() -> None:
    train, held_out = enumerate_contexts("all", "train"), enumerate_contexts("all", "held_out")
    assert (len(train), len(held_out)) == (4258, 1037)
    rows = [{tuple(np.concatenate([p, *v])) for p, v in zip(c.pool, c.values, strict=True)} for c in (train, held_out)]
    assert not rows[0] & rows[1] and len(rows[0] | rows[1]) == 5295
    mirrored = {row[:3] + row[6:] + row[3:6] for row in rows[1]}
    assert mirrored == rows[1]


def test_exact_optima() -> None:
    """The numbers of the documentation, over all contexts."""
    optima = enumerate_contexts().optima()
    stated = {
        "joint": 15.06,
        "nash": 15.01,
        "nash_least": 6.44,
        "egalitarian": 14.86,
        "egalitarian_least": 6.58,
        "pareto_points": 4.37,
        "random_joint": 10.00,
        "random_pareto": 0.23,
    }
    assert {name: round(optima[name], 2) for name in stated} == stated


@pytest.mark.parametrize("seed", range(3))
def test_the_frontier_is_what_its_definition_says(seed: int) -> None:
    contexts = enumerate_contexts()
    i = int(np.random.default_rng(seed).integers(len(contexts)))
    pool, (a, b) = contexts.pool[i], contexts.values[i]
    gains = {
        items: (int(a @ items), int(b @ (pool - items)))
        for items in itertools.product(*(range(count + 1) for count in pool.tolist()))
    }
    for items, (x, y) in gains.items():
        better = any(p >= x and q >= y and (p, q) != (x, y) for p, q in gains.values())
        assert contexts.pareto[i, offer_number(np.array(items))] == (not better)
    best = {name: contexts.best(name)[i].tolist() for name in ("joint", "nash", "egalitarian")}
    assert sum(best["joint"]) == max(x + y for x, y in gains.values())
    assert np.prod(best["nash"]) == max(x * y for x, y in gains.values())
    assert min(best["egalitarian"]) == max(min(x, y) for x, y in gains.values())


def test_one_context_by_hand() -> None:
    """3 books, 2 hats, 1 ball, worth 1, 3, 1 and 2, 1, 2: the hats to the first, the rest to the second."""
    assert EXAMPLE.best("joint").tolist() == [[6, 8]]
    assert EXAMPLE.scores[0, keep(0, 2, 0)].tolist() == [6, 8]
    assert EXAMPLE.pareto[0, keep(0, 2, 0)] and EXAMPLE.pareto[0, keep(3, 2, 1)]
    assert not EXAMPLE.pareto[0, keep(3, 0, 0)]
    assert not EXAMPLE.legal[0, keep(4, 0, 0)] and EXAMPLE.scores[0, keep(4, 0, 0)].tolist() == [-1, -1]


def test_offers_are_numbered_as_in_openspiel() -> None:
    assert len(OFFERS) == 120 and AGREE == 120
    assert OFFERS[:9].tolist() == [*([n, 0, 0] for n in range(8)), [0, 1, 0]]
    assert (keep(0, 0, 1), OFFERS[-1].tolist()) == (36, [0, 0, 7])
    assert (offer_number(OFFERS) == np.arange(120)).all()


def test_all_actions_are_openspiels() -> None:
    pyspiel = pytest.importorskip("pyspiel")
    state = pyspiel.load_game("bargaining").new_initial_state()
    state.apply_action(0)  # a pool is drawn
    names = [state.action_to_string(0, action) for action in range(state.get_game().num_distinct_actions())]
    theirs = [tuple(map(int, re.findall(r": (\d+)", name))) for name in names[:-1]]  # books, hats, basketballs
    assert theirs == [tuple(offer) for offer in OFFERS.tolist()] and names[AGREE:] == ["Agree"]


@pytest.mark.parametrize(
    ("reward", "both"), [("selfish", [0.6, 0.8]), ("joint", [0.7, 0.7]), ("fair", [0.6, 0.7])], ids=str
)
def test_rewards_of_a_deal(reward: str, both: list[float]) -> None:
    rules = Negotiation(reward=reward, split="all")
    context = index_of(rules, [3, 2, 1], [1, 3, 1], [2, 1, 2])
    state, rewards = play(rules, keep(0, 2, 0), AGREE, context=context)
    assert rewards[0] == [0, 0] and rewards[1] == pytest.approx(both)
    assert rules.terminal(state)[0]
    first, second = (rules.final_info(state, np.array([player])) for player in (0, 1))
    assert [first[k][0] for k in ("agreement", "own", "partner", "joint", "pareto")] == [True, 6, 8, 14, True]
    assert [second[k][0] for k in ("own", "partner")] == [8, 6]


def test_the_second_player_may_offer_and_the_first_agree() -> None:
    rules = Negotiation(split="all")
    context = index_of(rules, [3, 2, 1], [1, 3, 1], [2, 1, 2])
    _, rewards = play(rules, keep(3, 2, 1), keep(3, 0, 1), AGREE, context=context)
    assert rewards[-1] == pytest.approx([0.6, 0.8])
    _, rewards = play(rules, keep(3, 2, 1), keep(0, 0, 1), AGREE, context=context, first=1)
    assert rewards[-1] == pytest.approx([0.1, 0.8])  # player 1 began; the second offer, of player 0, is agreed to


def test_no_deal_after_ten_moves() -> None:
    rules = Negotiation()
    state, rewards = play(rules, *[0] * 10)
    assert rules.terminal(state)[0] and np.sum(rewards) == 0
    final = rules.final_info(state, np.array([0]))
    assert {key: value[0] for key, value in final.items()} == {
        "agreement": False,
        "own": 0,
        "partner": 0,
        "joint": 0,
        "pareto": False,
    }
    assert play(Negotiation(max_moves=3), 0, 0, AGREE)[0]["agreed"][0]


def test_an_illegal_move_passes_the_turn_on_and_costs_little() -> None:
    rules = Negotiation()
    state, rewards = play(rules, AGREE, keep(0, 0, 7))
    assert rewards == [[-0.01, 0], [0, -0.01]]
    assert (state["offer"] == NOTHING).all() and state["moves"][0] == 2 and not state["agreed"][0]
    state, rewards = play(rules, 0, AGREE + 0)
    assert state["agreed"][0]
    assert not play(rules, 0, keep(0, 0, 7))[0]["agreed"][0]


def test_masks() -> None:
    rules = Negotiation(split="all")
    context = index_of(rules, [3, 2, 1], [1, 3, 1], [2, 1, 2])
    state, _ = play(rules, context=context)
    mine, other = (rules.action_mask(state, np.array([player]))[0] for player in (0, 1))
    assert mine.sum() == 4 * 3 * 2 and not mine[AGREE] and other.all()
    state, _ = play(rules, 0, context=context)
    assert rules.action_mask(state, np.array([1]))[0].sum() == 25
    state, _ = play(rules, 0, AGREE, context=context)
    assert rules.action_mask(state, np.array([0])).all()  # over: nothing is done any more


def test_observation_by_hand() -> None:
    rules = Negotiation(split="all")
    context = index_of(rules, [3, 2, 1], [1, 3, 1], [2, 1, 2])
    state, _ = play(rules, keep(3, 2, 0), keep(1, 0, 1), context=context)
    seen = rules.observation(state, np.array([0]))[0]
    assert seen.shape == (78,) and rules.observation_space.contains(seen)
    thermometers = seen[:42].tolist()
    assert thermometers[:12] == [1, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0]
    assert [sum(thermometers[12 + 10 * i : 22 + 10 * i]) for i in range(3)] == [1, 3, 1]
    assert seen[42:55].tolist() == [1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0]
    assert seen[55:68].tolist() == [1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]  # 2 books and 2 hats are left
    assert seen[68:].tolist() == [0, 0, 1, *[0] * 7]
    hidden = rules.observation(
        {**state, "context": np.array([index_of(rules, [3, 2, 1], [1, 3, 1], [0, 2, 6])])}, np.array([0])
    )[0]
    assert (hidden == seen).all()  # the other's values are not seen


def test_random_players_do_as_badly_as_stated() -> None:
    batch = GameBatch(Negotiation(split="all"), 1024)
    obs, draw = batch.reset(seed=0), np.random.default_rng(0)
    joint, agreed = [], []
    for _ in range(60):
        obs, _, _, infos = batch.step((draw.random(obs["action_mask"].shape) * obs["action_mask"]).argmax(1))
        if infos:
            joint.append(infos["final_info"][0]["joint"])
            agreed.append(infos["final_info"][1]["agreement"])
    assert len(np.concatenate(joint)) > 5000
    assert np.concatenate(joint).mean() == pytest.approx(3.5, abs=0.25)
    assert np.concatenate(agreed).mean() == pytest.approx(0.35, abs=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward": "selfisch"}, "unknown reward 'selfisch'; did you mean 'selfish'"),
        ({"contexts": "levis"}, "unknown contexts 'levis'; did you mean 'lewis'"),
        ({"split": "test"}, "unknown split 'test'"),
        ({"max_moves": 1}, "max_moves=1 is not allowed; must be a whole number from 2 to 100"),
    ],
    ids=str,
)
def test_bad_arguments_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        Negotiation(**options)
    assert "\n" not in str(caught.value)
