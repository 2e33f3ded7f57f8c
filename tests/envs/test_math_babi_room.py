"""BabiRoom: answers against a reader of the written story, what a guesser gets, what is held out, how it is written."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ScriptedExpert
from lhy_rl.envs.reasoning.babi_room import BabiRoom
from lhy_rl.envs.reasoning.babi_stories import PEOPLE, PLACES, WORDS, is_held_out, stories, written


class Reader:
    """Understands a story by its text alone."""

    def __init__(self) -> None:
        self.people: dict[str, str] = {}
        self.carried: dict[str, str] = {}
        self.history: dict[str, list[str]] = {}

    def read(self, line: str) -> str | None:
        """The answer to a question; None to a sentence, which must be possible."""
        words = line.rstrip(".?").replace("there", "").split()
        if words[0] == "where":
            if words[2] != "the":
                return self.people[words[2]]
            places = self.history[words[3]]
            if len(words) == 4:
                return places[-1]
            assert words[4:6] == ["before", "the"] and places[-1] == words[6]
            return places[-2]
        who, verb, thing = words[0], words[1], words[-1]
        if verb in ("went", "moved", "travelled"):
            assert self.people.get(who) != thing
            self.people[who] = thing
            for carried, by in self.carried.items():
                if by == who:
                    self.history[carried].append(thing)
        elif verb in ("took", "got"):
            assert thing not in self.carried
            places = self.history.setdefault(thing, [self.people[who]])
            assert places[-1] == self.people[who]
            self.carried[thing] = who
        else:
            assert self.carried.pop(thing) == who
        return None


@pytest.mark.parametrize("facts", [1, 2, 3])
def test_answers_are_those_of_a_reader(facts: int) -> None:
    symbols = stories(200, np.random.default_rng(0), facts, 4, facts + 2)
    asked = 0
    for story in symbols:
        reader = Reader()
        assert story[-1].tolist() == [0, 0, 0, -1]
        for *words, answer in story[:-1]:
            found = reader.read(written(np.array(words)))
            assert (PLACES[answer] if answer >= 0 else None) == found
            asked += answer >= 0
    assert asked == 200 * 4
    answers = symbols[..., 3][symbols[..., 3] >= 0]
    assert np.bincount(answers).min() > 0.7 * len(answers) / len(PLACES)
    used = set(np.unique(symbols[..., :3])) - {0}
    assert used <= set(range(len(WORDS))) and len(used) >= 14


@pytest.mark.parametrize(("facts", "steps"), [(1, 15), (2, 20), (3, 21)])
def test_an_expert_and_a_guesser(facts: int, steps: int) -> None:
    """The steps of the page; 1 for the expert, 2 / 6 - 1 for random actions."""
    envs: Any = BabiRoom(500, facts)
    assert isinstance(envs, ScriptedExpert)
    rng = np.random.default_rng(0)
    for act, wanted, margin in ((envs.expert_action, 1.0, 1e-9), (lambda: rng.integers(6, size=500), 2 / 6 - 1, 0.05)):
        envs.reset(seed=0)
        total, count, over = np.zeros(500), 0, np.zeros(1, bool)
        while not over.any():
            _, reward, over, _, infos = envs.step(act())
            total += reward
            count += 1
        assert count == steps and over.all()
        np.testing.assert_allclose(infos["accuracy"], (total + 1) / 2, atol=1e-9)
        assert abs(total.mean() - wanted) < margin


def test_what_is_held_out_is_an_eighth_and_never_trained() -> None:
    drawn = stories(4000, np.random.default_rng(0), 1, 1, 2)
    share = is_held_out(drawn).mean()
    assert 0.1 < share < 0.15
    found = {}
    for split in ("train", "test"):
        envs = BabiRoom(2000, 1, num_questions=1, split=split)
        envs.reset(seed=0)
        found[split] = {story.tobytes() for story in envs.snapshot()["state"]["symbols"]}
    assert not found["train"] & found["test"] and min(map(len, found.values())) > 500


def test_the_bag_has_the_sentences_words() -> None:
    tokens, bags = BabiRoom(50, 3), BabiRoom(50, 3, observation="bag")
    words, bag = tokens.reset(seed=0)[0], bags.reset(seed=0)[0]
    for _ in range(7):
        for row, has in zip(words, bag, strict=True):
            assert set(np.flatnonzero(has)) == set(row.tolist()) - {0}
        words, bag = (envs.step(np.zeros(50, int))[0] for envs in (tokens, bags))


def test_text_and_pictures() -> None:
    env: Any = gymnasium.make("lhy_rl/BabiRoom-v0", text=True, render_mode="ansi").unwrapped
    _, info = env.reset(seed=0)
    assert info["text"].split()[0] in PEOPLE and env.render() == info["text"]
    for _ in range(3):
        *_, info = env.step(int(env.expert_action()[0]))
    assert env.render().splitlines()[-1].startswith("answer: ") and env.render().endswith("right")
    assert env.render().splitlines()[-2] == info["text"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_facts": 4}, "num_facts=4 is not allowed; must be a whole number from 1 to 3"),
        ({"num_facts": 3, "num_sentences": 2}, "num_sentences=2 is not allowed; must be a whole number from 3 to 100"),
        ({"num_questions": 0}, "num_questions=0 is not allowed"),
        ({"observation": "bags"}, "unknown observation 'bags'; did you mean 'bag'?"),
        ({"split": "validation"}, "unknown split 'validation'"),
        ({"text": 1}, "text=1 is not allowed; must be true or false"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        BabiRoom(2, **options)
    assert message in str(caught.value)
