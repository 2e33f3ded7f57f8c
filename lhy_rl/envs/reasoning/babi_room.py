"""``lhy_rl/BabiRoom-v0``: who is where, and where is what?"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import MultiBinary, MultiDiscrete, Space
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs import drawing
from lhy_rl.envs.memory.difficulty import Levels
from lhy_rl.envs.memory.recall import Recall
from lhy_rl.envs.reasoning import babi_stories
from lhy_rl.envs.reasoning.babi_stories import COLUMNS, PLACES, WORDS
from lhy_rl.envs.single import SingleEnv

SIZES: Levels = {
    "1": {"num_questions": 5, "num_sentences": 2},
    "2": {"num_questions": 4, "num_sentences": 4},
    "3": {"num_questions": 3, "num_sentences": 6},
}
MOST, LINES = 100, 13  # questions, and sentences before one, at most; lines of a story that a picture holds


class BabiRoom(Recall):
    """
    ## Description

    A story is told, a sentence a step: four people go to and fro between six places and carry three things about. Now
    and then a question comes, and the next action answers it. The first three of bAbI's tasks (Weston et al. 2015),
    drawn anew for every episode.

    | `num_facts` | Question | Facts to combine | Questions, sentences before each | Steps |
    |-------------|----------|-----------------------------|----------------------------------|-------|
    | 1 | where is mary? | where she went last | 5, 2 | 15 |
    | 2 | where is the milk? | who took it (or left it), and where that one went | 4, 4 | 20 |
    | 3 | where was the milk before the office? | that, and where that one came from | 3, 6 | 21 |

    A thing that was left somewhere stays there until somebody takes it; the third task asks for the place where it was
    before its present one.

    ## Action Space

    `Discrete(6)`: the place. Actions at sentences do not count.

    | Num | Action | Num | Action |
    |-----|--------|-----|--------|
    | 0   | kitchen | 3  | bathroom |
    | 1   | garden | 4   | bedroom |
    | 2   | office | 5   | hallway |

    ## Observation Space

    `MultiDiscrete([23 23 23])`: the words of the sentence.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | who; or which question: where is (21), where was (22) | 0 | 22 |
    | 1   | what they do; or what is asked for | 0 | 22 |
    | 2   | the place or the thing; or the place before which, and 0 in the other questions | 0 | 22 |

    The words are 1 to 4 people, 5 to 10 places, 11 to 13 things, 14 to 16 ways to go, 17 and 18 to take, 19 and 20 to
    leave. The words for going, for taking and for leaving are synonyms.

    With `observation="bag"` it is `MultiBinary(23)`, a bag of words, as memory networks read it. Words are then
    represented independently of their position, which lets a question find its sentences.

    ## Rewards

    For each of the n questions 1/n if the answer is right and -1/n if not; 0 at the sentences. An episode's return is 1
    at best and -0.67 on average for random actions. At the end `info["accuracy"]` holds the share of right answers.

    ## Starting State

    Nobody's place is known. The first sentences make sure that the first question has an answer; then events are
    random; with `num_facts=1` people only move. One story in eight is held out: `split="test"` has those,
    `split="train"` the others.

    ## Episode End

    1. Termination: with the last answer, after 15 steps (`num_questions` times one more than `num_sentences`).
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `num_facts` | `1` | sentences that an answer needs, 1 to 3 |
    | `num_questions` | `None` | questions in a story, 1 to 100; None takes the table's |
    | `num_sentences` | `None` | sentences before each question, `num_facts` to 100; None takes the table's |
    | `observation` | `"tokens"` | `"tokens"` or `"bag"` |
    | `split` | `"train"` | `"train"` or `"test"` |
    | `text` | `False` | whether `info["text"]` holds the sentence in words |
    | `render_mode` | `None` | `"ansi"`, the story so far, or `"rgb_array"`, a 400 x 400 picture of it |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/BabiRoom-v0", num_facts=2, num_sentences=2, render_mode="ansi")
    >>> obs, info = env.reset(seed=0)
    >>> for _ in range(3):
    ...     obs, reward, terminated, truncated, info = env.step(int(env.unwrapped.expert_action()[0]))
    >>> print(env.render())
    daniel travelled to the bedroom.
    daniel got the milk there.
    where is the milk?
    daniel travelled to the kitchen.
    answer: bedroom, right

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/BabiRoom-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        num_facts: int = 1,
        num_questions: int | None = None,
        num_sentences: int | None = None,
        observation: str = "tokens",
        split: str = "train",
        text: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.num_facts = validation.integer("num_facts", num_facts, 1, 3)
        size = dict(SIZES[str(self.num_facts)])
        given = {"num_questions": num_questions, "num_sentences": num_sentences}
        size |= {name: value for name, value in given.items() if value is not None}
        self.num_questions = validation.integer("num_questions", size["num_questions"], 1, MOST)
        self.num_sentences = validation.integer("num_sentences", size["num_sentences"], self.num_facts, MOST)
        self.as_bag = validation.choice("observation", observation, ("tokens", "bag")) == "bag"
        self.tests = validation.choice("split", split, ("train", "test")) == "test"
        self.text = validation.flag("text", text)
        space: Space[Any] = MultiBinary(len(WORDS)) if self.as_bag else MultiDiscrete([len(WORDS)] * COLUMNS)
        super().__init__(
            num_envs,
            num_actions=len(PLACES),
            names=PLACES,
            observation_space=space,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        found: list[np.ndarray] = []
        while sum(map(len, found)) < n:
            left = n - sum(map(len, found))
            some = babi_stories.stories(
                left * babi_stories.HELD_OUT if self.tests else left,
                rng,
                self.num_facts,
                self.num_questions,
                self.num_sentences,
            )
            found.append(some[babi_stories.is_held_out(some) == self.tests][:left])
        return np.concatenate(found), np.full(n, self.num_questions)

    def observation(self, state: State) -> np.ndarray:
        words = self.symbols_at(state, state["position"])[:, :COLUMNS].astype(np.int64)
        if not self.as_bag:
            return words
        bag = np.zeros((len(words), len(WORDS)), np.int8)
        np.put_along_axis(bag, words, 1, 1)
        bag[:, 0] = 0
        return bag

    def answer(self, state: State) -> np.ndarray:
        asked: np.ndarray = self.symbols_at(state, state["position"])[:, COLUMNS].astype(np.int64)
        return asked

    def info(self, state: State) -> dict[str, Any]:
        if not self.text:
            return {}
        words = self.symbols_at(state, state["position"])
        return {"text": np.array([babi_stories.written(row[:COLUMNS]) for row in words], object)}

    # ------------------------------------------------------------------ pictures
    def _text(self, symbols: np.ndarray, position: int, action: int, verdict: int) -> str:
        """The story so far, and the last answer."""
        lines = [babi_stories.written(row[:COLUMNS]) for row in symbols[: position + 1] if row[0]]
        if verdict:
            lines.append(f"answer: {PLACES[action]}, {'right' if verdict > 0 else 'wrong'}")
        return "\n".join(lines)

    def _picture(self, symbols: np.ndarray, position: int, action: int, verdict: int) -> np.ndarray:
        lines = self._text(symbols, position, action, verdict).split("\n")
        return drawing.conversation([], [(line.startswith("answer"), line) for line in lines[-LINES:]])


class BabiRoomEnv(SingleEnv):
    __doc__ = BabiRoom.__doc__
    batched = BabiRoom
