"""The language of the spoken negotiation: what is read, what it means, and which words are legal."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import take
from lhy_rl.envs.dialogue import negotiation_grammar as grammar
from lhy_rl.envs.dialogue.negotiation import NOTHING
from lhy_rl.envs.dialogue.negotiation_bots import bayesian
from lhy_rl.envs.dialogue.negotiation_contexts import AGREE, OFFERS, offer_number
from lhy_rl.envs.dialogue.negotiation_spoken import Spoken
from lhy_rl.envs.dialogue.negotiation_tokens import NegotiationTokens
from lhy_rl.envs.dialogue.negotiation_vs_bot import NegotiationVsBot
from lhy_rl.envs.game import GameBatch

RULES = NegotiationTokens(split="all")


def start(pool: tuple[int, int, int] = (3, 2, 1)) -> dict[str, np.ndarray]:
    state = RULES.initial(1, np.random.default_rng(0))
    context = np.flatnonzero((RULES.contexts.pool == pool).all(1))[:1]
    return {**state, "context": context, "first": np.array([0])}


def speak(state: dict[str, np.ndarray], tokens: list[int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """After these words: the state, and what both got in sum."""
    total = np.zeros(2)
    for token in tokens:
        action = np.array([token])
        after = RULES.transition(state, action, np.random.default_rng(0))
        total += RULES.reward(state, action, after)[0]
        state = after
    return state, total


def test_the_vocabulary() -> None:
    assert grammar.NUM_WORDS == len(set(grammar.WORDS)) == 29 == RULES.num_actions
    assert grammar.text_of(np.array(grammar.tokens_of("i want 2 books"))) == "i want 2 books"
    assert grammar.TO_END[grammar.BEGIN] == 2 and grammar.TO_END[grammar.WRONG] > grammar.LONGEST


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("i want 2 books", [2, 0, 0]),
        ("no i need a hat and all books", [3, 1, 0]),
        ("i get 1 ball and 0 hats you get the rest", [0, 0, 1]),
        ("i keep nothing", [0, 0, 0]),
        ("no i take 3 books and 2 hats and 1 ball", [3, 2, 1]),
    ],
)
def test_offers_are_understood(text: str, items: list[int]) -> None:
    state, total = speak(start(), grammar.tokens_of(text))
    assert state["offer"][0, 0] == offer_number(np.array(items))
    assert state["moves"][0] == 1 and not total.any() and state["length"][0] == 0


@pytest.mark.parametrize(
    "text",
    [
        *("", "books", "i want", "i want 2", "i want 2 books hats", "deal deal", "yes i want 2 books", "no deal"),
        *("i want 4 books", "i want 1 book and 1 book", "you get the rest", "i want nothing and 1 hat", "deal"),
    ],
)
def test_what_means_nothing_passes_the_turn_on_and_costs(text: str) -> None:
    """Also four books of three, a type named twice, and accepting without an offer."""
    state, total = speak(start(), grammar.tokens_of(text))
    assert total.tolist() == [-0.01, 0] and state["moves"][0] == 1 and (state["offer"] == NOTHING).all()


def test_a_plain_no_costs_nothing() -> None:
    state, total = speak(start(), grammar.tokens_of("no"))
    assert not total.any() and state["moves"][0] == 1 and (state["offer"] == NOTHING).all()


def test_the_twelfth_word_ends_an_utterance() -> None:
    state, total = speak(start(), [grammar.TOKEN["hat"]] * 12)
    assert state["moves"][0] == 1 and total[0] == -0.01
    state, total = speak(start(), grammar.tokens_of("no i take 3 books and 2 hats and 1 ball"))
    assert state["moves"][0] == 1 and total[0] == 0  # twelve with its end


@pytest.mark.parametrize("word", grammar.ACCEPTS)
def test_a_deal(word: str) -> None:
    state, _ = speak(start(), grammar.tokens_of("i want 2 hats"))
    state, total = speak(state, grammar.tokens_of(word))
    values = RULES.contexts.values[state["context"][0]]
    assert RULES.terminal(state)[0]
    assert total == pytest.approx([2 * values[0, 1] / 10, (10 - 2 * values[1, 1]) / 10])
    assert RULES.final_info(state, np.array([1]))["agreement"][0]


def test_every_action_of_the_game_can_be_said() -> None:
    for action in range(120):
        pool = tuple(np.maximum(OFFERS[action], 1).tolist())
        if pool[0] > 4 or pool[1] > 4 or pool[2] > 4 or not 5 <= sum(pool) <= 7:
            continue
        state, total = speak(start(pool), grammar.utterance(action))
        assert state["offer"][0, 0] == action and not total.any()
    state, _ = speak(start(), grammar.utterance(5 - 3))
    assert RULES.terminal(speak(state, grammar.utterance(AGREE))[0])[0]


def test_what_the_mask_allows_is_never_misunderstood_and_something_always_is() -> None:
    batch, draw = GameBatch(RULES, 256), np.random.default_rng(0)
    obs = batch.reset(seed=0)
    agreed = 0
    for _ in range(150):
        assert obs["action_mask"].any(1).all()
        assert RULES.player_space["observation"].contains(obs["observation"][0])
        words = (draw.random(obs["action_mask"].shape) * obs["action_mask"]).argmax(1)
        obs, rewards, _, infos = batch.step(words)
        assert (rewards >= 0).all()
        agreed += sum(infos["final_info"][0]["agreement"]) if infos else 0
    assert agreed > 1000


def test_the_mask_allows_all_that_is_legal() -> None:
    """Every sentence of the tests above can be said under the mask."""
    for text in ("no i need a hat and all books", "i get 1 ball and 0 hats you get the rest", "i keep nothing", "no"):
        state = start()
        for token in grammar.tokens_of(text):
            assert RULES.action_mask(state, np.array([0]))[0, token], text
            state, _ = speak(state, [token])
    begun, _ = speak(start(), grammar.tokens_of("i want 4 books")[:3])
    legal = RULES.action_mask(begun, np.array([0]))[0]
    assert not legal[grammar.TOKEN["books"]]  # there are three
    lost, _ = speak(start(), [grammar.TOKEN["hat"]])
    assert np.flatnonzero(RULES.action_mask(lost, np.array([0]))[0]).tolist() == [grammar.TOKEN[grammar.END]]
    assert NegotiationTokens(masks="none").action_mask(start(), np.array([0])).all()


def test_observation_by_hand() -> None:
    state, _ = speak(start(), grammar.tokens_of("i want 2 hats"))
    state, _ = speak(state, grammar.tokens_of("no"))
    state, _ = speak(state, grammar.tokens_of("i want")[:2])
    pad, t = grammar.PAD, grammar.TOKEN
    refusal = [t["no"], t[grammar.END]] + [pad] * 10
    offer = [*grammar.tokens_of("i want 2 hats"), *[pad] * 7]
    now = [t["i"], t["want"]] + [pad] * 10
    for player, words in ((0, refusal + offer + now), (1, offer + refusal + now)):
        seen = RULES.observation(state, np.array([player]))[0]
        values = RULES.contexts.values[state["context"][0], player]
        assert seen.tolist() == [3, 2, 1, *values.tolist(), 2, *words]
    assert RULES.info(state, np.array([0]))["text"][0] == "i want"
    assert RULES.transcript(state)[0].splitlines()[-3:] == ["bot_0: i want 2 hats", "bot_1: no", "bot_0: i want"]


def test_a_bot_speaks_what_it_decides() -> None:
    """Each utterance means the move of the bot without words; both may choose among equal offers."""
    env = NegotiationVsBot(40, partner="linear", level="words", split="all", autoreset_mode="Disabled")
    env.reset(seed=0)
    state, rng = env.snapshot()["state"], np.random.default_rng(0)
    spoken, rules = Spoken(bayesian), RULES.rules
    for _ in range(60):  # five utterances of up to twelve words
        going = np.flatnonzero(~RULES.terminal(state))
        if not going.size:
            break
        state = take(state, going)
        action = bayesian(rules, state, state["seat"], rng)
        word = spoken(RULES, state, state["seat"], rng)
        legal = RULES.action_mask(state, state["seat"])
        assert legal[np.arange(len(word)), word].all()
        agrees = (word == grammar.TOKEN["deal"]) & (state["length"] == 0)
        np.testing.assert_array_equal(agrees, (action == AGREE) & (state["length"] == 0))
        state = env.transition(state, word, rng)
    assert not going.size
    with pytest.raises(UserError, match="unknown level 'word'; did you mean 'words'"):
        NegotiationVsBot(level="word")


def test_speaking_bots_reach_what_silent_ones_do() -> None:
    own = []
    env = NegotiationVsBot(600, partner="linear", level="words", split="all", autoreset_mode="SameStep")
    env.reset(seed=1)
    for _ in range(55):
        _, rewards, _, _, infos = env.step(env.expert_action())
        assert rewards.min() >= 0
        if "final_info" in infos:
            own.append(infos["final_info"]["own"][infos["_final_info"]])
    assert np.concatenate(own).mean() == pytest.approx(7.1, abs=0.35)


def test_the_word_by_word_environment_is_gymnasiums() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make("lhy_rl/NegotiationVsBot-v0", level="words").unwrapped)
