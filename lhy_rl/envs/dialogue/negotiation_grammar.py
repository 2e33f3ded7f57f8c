"""The language of ``lhy_rl/negotiation_tokens_v0``: its words and its LL(1) grammar.

    utterance  ->  accept <eos>  |  "no" after_no  |  offer <eos>
    accept     ->  "deal"  |  "yes"  |  "ok"
    after_no   ->  <eos>  |  offer <eos>
    offer      ->  "i" verb items rest
    verb       ->  "want"  |  "get"  |  "take"  |  "keep"  |  "need"
    items      ->  number noun more  |  "nothing"
    more       ->  "and" number noun more  |  (nothing)
    number     ->  "0"  |  "1"  |  "2"  |  "3"  |  "4"  |  "a"  |  "all"
    noun       ->  "book"  |  "books"  |  "hat"  |  "hats"  |  "ball"  |  "balls"
    rest       ->  "you" "get" "the" "rest"  |  (nothing)

As nothing nests, this is a finite automaton: a table from (state, word) to the next state, which steps a whole batch of
speakers. The meaning of an utterance (how many items of which type) is tracked separately.
"""

from __future__ import annotations

import re

import numpy as np

from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.envs.dialogue.negotiation_contexts import AGREE, OFFERS, TYPES, offer_number

END = "<eos>"
ACCEPTS = ("deal", "yes", "ok")
VERBS = ("want", "get", "take", "keep", "need")
NUMBERS = ("0", "1", "2", "3", "4", "a", "all")
NOUNS = tuple(word for name in TYPES for word in (name, f"{name}s"))
WORDS = (END, *ACCEPTS, "no", "i", *VERBS, *NUMBERS, *NOUNS, "nothing", "and", "you", "the", "rest")
"""The vocabulary: a token is an index into it."""
NUM_WORDS = len(WORDS)
TOKEN = {word: i for i, word in enumerate(WORDS)}
PAD = NUM_WORDS
"""In observations and states: no word."""

LONGEST = 12
"""Maximum number of words of an utterance, its end included."""

STATES = (
    *("begin", "accepted", "refused", "i", "verb", "number", "noun", "nothing", "and"),
    *("you", "get", "the", "rest", "end", "wrong"),
)
BEGIN, NUMBER, NOUN, FINISHED, WRONG = (STATES.index(name) for name in ("begin", "number", "noun", "end", "wrong"))

_RULES: dict[str, dict[tuple[str, ...], str]] = {
    "begin": {ACCEPTS: "accepted", ("no",): "refused", ("i",): "i"},
    "accepted": {(END,): "end"},
    "refused": {(END,): "end", ("i",): "i"},
    "i": {VERBS: "verb"},
    "verb": {NUMBERS: "number", ("nothing",): "nothing"},
    "number": {NOUNS: "noun"},
    "noun": {("and",): "and", ("you",): "you", (END,): "end"},
    "nothing": {("you",): "you", (END,): "end"},
    "and": {NUMBERS: "number"},
    "you": {("get",): "get"},
    "get": {("the",): "the"},
    "the": {("rest",): "rest"},
    "rest": {(END,): "end"},
}


def _table() -> np.ndarray:
    table = np.full((len(STATES), NUM_WORDS), WRONG, np.int64)
    for state, arrows in _RULES.items():
        for words, to in arrows.items():
            table[STATES.index(state), [TOKEN[word] for word in words]] = STATES.index(to)
    return table


def _distances() -> np.ndarray:
    distance = np.full(len(STATES), LONGEST + 1, np.int64)
    distance[FINISHED] = 0
    for _ in STATES:
        distance = np.minimum(distance, 1 + distance[NEXT].min(1))
    return distance


NEXT = _table()
"""(states, words) the next state."""
TO_END = _distances()
"""(states,) the least number of words to the end of an utterance."""

AMOUNT = np.full(NUM_WORDS + 1, -1, np.int64)
"""How many items a number word means; -1 for other words. ``all`` means the whole pool, :data:`ALL`."""
ALL = 9
AMOUNT[[TOKEN[word] for word in NUMBERS]] = [0, 1, 2, 3, 4, 1, ALL]
KIND = np.full(NUM_WORDS + 1, -1, np.int64)
"""Which type of item a noun means; -1 for other words."""
KIND[[TOKEN[word] for word in NOUNS]] = np.repeat(np.arange(len(TYPES)), 2)
ACCEPTING = np.isin(np.arange(NUM_WORDS + 1), [TOKEN[word] for word in ACCEPTS])


def tokens_of(text: str) -> list[int]:
    """Words as tokens; the end is added. The grammar is not checked here.

    Raises:
        UserError: a word that is not in the vocabulary.
    """
    words = text.split()
    for word in words:
        if word not in TOKEN:
            raise suggest(word, WORDS, "word")
    return [TOKEN[word] for word in words] + [TOKEN[END]]


def text_of(tokens: np.ndarray) -> str:
    """Tokens as words, up to the end token, which is left out."""
    words = [WORDS[token] for token in np.asarray(tokens).tolist() if token != PAD]
    return " ".join(words[: words.index(END)] if END in words else words)


def utterance(action: int) -> list[int]:
    """The tokens that express an action of ``negotiation_v0``: the offer in as few words as possible, or agreement."""
    if action == AGREE:
        return tokens_of("deal")
    named = [(int(n), name) for n, name in zip(OFFERS[action], TYPES, strict=True) if n]
    items = " and ".join(f"{n} {name}{'s' * (n > 1)}" for n, name in named)
    return tokens_of(f"i want {items or 'nothing'}")


def words_of(text: str) -> list[str]:
    """A person's words in lower case without punctuation; an offer may begin directly with its items."""
    words = re.findall(r"\w+", text.lower())
    return ["i", "want", *words] if words and (words[0] in NUMBERS or words[0] == "nothing") else words


def spoken_action(text: str, pool: np.ndarray) -> int:
    """The action of ``negotiation_v0`` that an utterance means, where this pool (3,) is divided.

    Raises:
        UserError: the text is no utterance of the language, or names a type twice or more items than the pool has.
    """
    state, amount, items = BEGIN, 0, np.full(len(TYPES), -1)
    tokens = tokens_of(" ".join(words_of(text)))
    for token in tokens:
        state = NEXT[state, token]
        amount = AMOUNT[token] if AMOUNT[token] >= 0 else amount
        if (kind := KIND[token]) >= 0 and state == NOUN:
            if items[kind] >= 0:
                raise UserError(f"{brief(text)} asks for {TYPES[kind]}s twice; name each type once")
            items[kind] = pool[kind] if amount == ALL else amount
    if state != FINISHED or (TOKEN["no"] in tokens and TOKEN["i"] not in tokens):
        raise UserError(f"{brief(text)} is not a move; write an offer, '2 books and 1 ball', or 'deal'")
    if ACCEPTING[tokens[0]]:
        return AGREE
    wanted = np.maximum(items, 0)
    if (wanted > pool).any():
        there = ", ".join(f"{n} {name}s" for n, name in zip(pool.tolist(), TYPES, strict=True))
        raise UserError(f"{brief(text)} asks for more than there is; allowed: up to {there}")
    return int(offer_number(wanted[None])[0])
