"""Stories of who goes where and takes what, as in bAbI's first three tasks (Weston et al. 2015), drawn side by side.

A sentence is three words, numbers of :data:`WORDS`: who, does, what; a question is its kind, what it asks for and, in
the third task, the later place. 0 is no word.
"""

from __future__ import annotations

import numpy as np

PEOPLE = ("mary", "john", "sandra", "daniel")
PLACES = ("kitchen", "garden", "office", "bathroom", "bedroom", "hallway")
OBJECTS = ("football", "milk", "apple")
MOVES = ("went to", "moved to", "travelled to")
TAKES = ("took", "got")
DROPS = ("dropped", "left")
QUESTIONS = ("where is", "where is", "where was")  # of each task
WORDS = ("", *PEOPLE, *PLACES, *OBJECTS, *MOVES, *TAKES, *DROPS, "where is", "where was")
PERSON, PLACE, OBJECT, MOVE, TAKE, DROP = (
    WORDS.index(names[0]) for names in (PEOPLE, PLACES, OBJECTS, MOVES, TAKES, DROPS)
)
COLUMNS = 3

NOWHERE = -1
HELD_OUT = 8  # one story of this many is held out
KINDS = (0.55, 0.3, 0.15)  # how often a person moves, takes or drops something, where possible


class World:
    """n stories in parallel: who is where, who has what, and where each thing was.

    Attributes:
        people: (n, P) the place of each person; -1 unknown.
        holder: (n, O) who has each object; -1 nobody.
        things: (n, O) the place of each object; -1 unknown, before it was taken.
        former: (n, O) the place before that; -1 none.
    """

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self.rng, self.rows = rng, np.arange(n)
        self.people = np.full((n, len(PEOPLE)), NOWHERE)
        self.holder = np.full((n, len(OBJECTS)), NOWHERE)
        self.things = np.full((n, len(OBJECTS)), NOWHERE)
        self.former = np.full((n, len(OBJECTS)), NOWHERE)

    def one_of(self, allowed: np.ndarray) -> np.ndarray:
        """(n,) a random one of the allowed (n, K); arbitrary where none is allowed."""
        chosen: np.ndarray = (allowed * (1 + self.rng.random(allowed.shape))).argmax(1)
        return chosen

    def word(self, first: int, names: tuple[str, ...]) -> np.ndarray:
        """(n,) one of several words that mean the same."""
        return first + self.rng.integers(len(names), size=len(self.rows))

    def happen(self, kind: np.ndarray, who: np.ndarray, what: np.ndarray) -> np.ndarray:
        """(n, 3) the sentences of events: kind 0 ``who`` moves to place ``what``, 1 takes, 2 drops object ``what``."""
        moves, takes, drops = (kind == k for k in range(3))
        self.people[self.rows[moves], who[moves]] = what[moves]
        carried = moves[:, None] & (self.holder == who[:, None])
        self.former = np.where(carried, self.things, self.former)
        self.things = np.where(carried, what[:, None], self.things)
        self.holder[self.rows[takes], what[takes]] = who[takes]
        self.things[self.rows[takes], what[takes]] = self.people[self.rows[takes], who[takes]]
        self.holder[self.rows[drops], what[drops]] = NOWHERE
        verb = np.select([moves, takes], [self.word(MOVE, MOVES), self.word(TAKE, TAKES)], self.word(DROP, DROPS))
        return np.stack([PERSON + who, verb, np.where(moves, PLACE, OBJECT) + what], 1)

    def move(self, who: np.ndarray) -> np.ndarray:
        """(n,) another place for these people."""
        here = self.people[self.rows, who]
        return self.one_of(np.arange(len(PLACES)) != here[:, None])

    def drawn(self, only_moves: bool) -> np.ndarray:
        """(n, 3) the sentences of random events that are possible."""
        n = len(self.rows)
        kind = self.rng.choice(3, size=n, p=KINDS) if not only_moves else np.zeros(n, np.int64)
        free = self.holder == NOWHERE
        where = self.people[:, :, None]  # (n, P, 1)
        takes = (
            free[:, None] & (where != NOWHERE) & ((self.things[:, None] == where) | (self.things[:, None] == NOWHERE))
        )
        drops = self.holder[:, None] == np.arange(len(PEOPLE))[:, None]
        pairs = np.where((kind == 1)[:, None, None], takes, drops).reshape(n, -1)
        kind = np.where(pairs.any(1), kind, 0)
        mover = self.rng.integers(len(PEOPLE), size=n)
        pair = self.one_of(pairs)
        who = np.where(kind == 0, mover, pair // len(OBJECTS))
        return self.happen(kind, who, np.where(kind == 0, self.move(who), pair % len(OBJECTS)))

    def opening(self, step: int, who: np.ndarray, what: np.ndarray) -> np.ndarray:
        """(n, 3) the first sentences: somebody goes somewhere, takes something, and moves on, so that a question can be
        asked."""
        kind = np.full(len(self.rows), step == 1, np.int64)
        return self.happen(kind, who, what if step == 1 else self.move(who))

    def question(self, facts: int) -> tuple[np.ndarray, np.ndarray]:
        """(n, 3) questions that need this number of facts, and (n,) the places that answer them."""
        if facts == 1:
            asked = self.one_of(self.people != NOWHERE)
            answer = self.people[self.rows, asked]
        else:
            asked = self.one_of((self.things if facts == 2 else self.former) != NOWHERE)
            answer = (self.things if facts == 2 else self.former)[self.rows, asked]
        kind = np.full(len(self.rows), WORDS.index(QUESTIONS[facts - 1]))
        before = PLACE + self.things[self.rows, asked] if facts == 3 else np.zeros_like(kind)
        return np.stack([kind, (PERSON if facts == 1 else OBJECT) + asked, before], 1), answer


def stories(n: int, rng: np.random.Generator, facts: int, questions: int, sentences: int) -> np.ndarray:
    """(n, L + 1, 4) int8: three words, and the answer's place; -1 where nothing is asked.

    L is questions * (sentences + 1); the last row is no sentence, with which an episode ends.

    Args:
        n: Number of stories.
        rng: Draws them.
        facts: Number of sentences that an answer needs, 1 to 3.
        questions: Number of questions in a story.
        sentences: Number of sentences before each question, at least ``facts``.
    """
    world = World(n, rng)
    who, what = rng.integers(len(PEOPLE), size=n), rng.integers(len(OBJECTS), size=n)
    rows = []
    nothing = np.full((n, 1), -1)
    for i in range(questions):
        for j in range(sentences):
            begins = i == 0 and j < facts
            sentence = world.opening(j, who, what) if begins else world.drawn(only_moves=facts == 1)
            rows.append(np.concatenate([sentence, nothing], 1))
        words, answer = world.question(facts)
        rows.append(np.concatenate([words, answer[:, None]], 1))
    rows.append(np.tile(np.array([0, 0, 0, -1]), (n, 1)))
    return np.stack(rows, 1).astype(np.int8)


def is_held_out(drawn: np.ndarray) -> np.ndarray:
    """(n,) bool: which stories are for tests, by a hash of all their words."""
    words = drawn[..., :COLUMNS].reshape(len(drawn), -1).astype(np.uint64)
    number = np.zeros(len(drawn), np.uint64)
    for column in words.T:
        number = (number ^ column) * np.uint64(1099511628211)  # FNV-1a
    held_out: np.ndarray = (number >> np.uint64(40)) % np.uint64(HELD_OUT) == 0
    return held_out


def written(words: np.ndarray) -> str:
    """A sentence or question (3,) as text."""
    first, second, third = words.tolist()
    if WORDS[first] in QUESTIONS:
        before = f" before the {WORDS[third]}" if third else ""
        article = "the " if second >= OBJECT else ""
        return f"{WORDS[first]} {article}{WORDS[second]}{before}?"
    there = "" if second < TAKE else " there" if second < DROP else ""
    return f"{WORDS[first]} {WORDS[second]} the {WORDS[third]}{there}."
