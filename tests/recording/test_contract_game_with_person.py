"""A person plays with a trained policy: words in, legal moves listed, one line for what is no move."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from pettingzoo.classic import tictactoe_v3

from lhy_rl.agents import SelfPlay
from lhy_rl.core.errors import UserError
from lhy_rl.envs.dialogue import negotiation_grammar as grammar
from lhy_rl.envs.dialogue.negotiation import Negotiation
from lhy_rl.envs.dialogue.negotiation_contexts import AGREE, OFFERS
from lhy_rl.envs.dialogue.negotiation_tokens import NegotiationTokens
from lhy_rl.recording.game_with_person import as_text, play_with_person

POOL = np.array([2, 1, 3])
SMALL = {"n_games": 2, "hidden_sizes": [4]}


def conversation(env, lines: list[str], games: int = 1, seed: int = 1) -> tuple[int, list[str]]:
    """What is printed while somebody types these lines, and how many games were finished."""
    printed: list[str] = []
    left: Iterator[str] = iter(lines)

    def ask() -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    return play_with_person(SelfPlay(env, **SMALL), games, seed, ask=ask, say=printed.append), printed


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("I want 2 books and 1 ball.", [2, 0, 1]),
        ("1 hat", [0, 1, 0]),
        ("no, I take all balls!", [0, 0, 3]),
        ("i need a book you get the rest", [1, 0, 0]),
        ("nothing", [0, 0, 0]),
    ],
)
def test_offers_are_read(text, items):
    assert OFFERS[grammar.spoken_action(text, POOL)].tolist() == items


@pytest.mark.parametrize("text", ["deal", "Deal.", "ok", "yes!"])
def test_agreement_is_read(text):
    assert grammar.spoken_action(text, POOL) == AGREE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("give me books", "unknown word 'give'"),
        ("no", "is not a move"),
        ("i want 2", "is not a move"),
        ("4 books", "asks for more than there is"),
        ("1 book and 1 book", "asks for books twice"),
        ("書", "unknown word"),
    ],
)
def test_what_is_no_move_is_one_line(text, message):
    with pytest.raises(UserError, match=message) as error:
        grammar.spoken_action(text, POOL)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rules", [Negotiation, NegotiationTokens])
def test_a_person_negotiates(rules):
    lines = ["", "x" * 501, "a\tb", "hello", "9 books", "?", "deal", *["nothing", "deal"] * 12]
    done, printed = conversation(rules(max_moves=6), lines, games=2)
    assert done == 2
    assert sum(line.startswith("You are bot_") for line in printed) == 2
    errors = [line for line in printed if line.startswith("(")]
    for part in ("write a move", "501 characters", "control characters", "'hello'", "'9'"):
        assert any(part in line for line in errors), part
    assert all("\n" not in line for line in errors)
    assert any(line.startswith("your return: ") for line in printed)
    first = next(line for line in printed if "values" in line)
    assert first.count(" values: ") == 1, "the other's values are its own"


def test_to_agree_without_an_offer_is_refused():
    _, printed = conversation(Negotiation(), ["deal"], seed=0)
    refused = [line for line in printed if "is not allowed now" in line]
    _, other = conversation(Negotiation(), ["deal"], seed=1)
    refused += [line for line in other if "is not allowed now" in line]
    assert refused


def test_a_game_of_pettingzoos_goes_by_numbers():
    done, printed = conversation(lambda: tictactoe_v3.env(), ["", "12", *map(str, range(9))], seed=0)
    assert done == 1
    assert any("'12' is not allowed" in line for line in printed)
    assert any(line.startswith(". . .\n. . .\n. . .\n(x: ") for line in printed), "a board, not an array"
    assert not any("[[" in line for line in printed)


def test_a_game_that_draws_itself_as_text_is_shown_so():
    class Drawing:
        metadata: ClassVar = {"render_modes": ["human", "ansi"]}
        render_mode = None
        unwrapped = property(lambda self: self)

        def render(self):
            return "a board" if self.render_mode == "ansi" else None

    board = np.zeros((2, 2, 2), bool)
    board[0, 1, 0] = board[1, 0, 1] = True
    assert as_text(Drawing(), board) == "a board"
    mute = SimpleNamespace(metadata={})
    assert as_text(mute, board).split("\n")[:2] == [". x", "o ."]
    assert as_text(mute, np.array([0.5])) == "[0.5]"


def test_ctrl_d_ends():
    assert conversation(Negotiation(), [])[0] == 0
