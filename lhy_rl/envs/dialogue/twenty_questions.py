"""``lhy_rl/TwentyQuestions-v0``: find out a secret object of 64 by yes/no questions."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.dialogue.objects import ATTRIBUTES, OBJECTS, PLACES, VALUES, digits, object_name
from lhy_rl.envs.single import SingleEnv

QUESTIONS = VALUES * len(ATTRIBUTES)


class TwentyQuestions(BatchedEnv):
    """
    ## Description

    The environment thinks of one of 64 objects: a size, a colour and a shape, each of four values. Ask about one value
    at a time, "Is its colour red?", and then say which object it is. Every question costs 1, so its answer should not
    be known yet, and that takes a memory of the previous turns: only the last question and its answer are observed. A
    policy without memory knows at best one attribute when it guesses.

    ## Action Space

    `Discrete(76)`:

    | Num | Action |
    |-----|--------|
    | 0-3   | ask whether the size is tiny, small, large, huge |
    | 4-7   | ask whether the colour is red, green, blue, yellow |
    | 8-11  | ask whether the shape is a ball, a cube, a ring, a star |
    | 12-75 | say that it is object 0 to 63: 16 size + 4 colour + shape |

    ## Observation Space

    `Discrete(25)`: the last question and its answer.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | 0 before the first question, then 1 + 2 question + answer (0 no, 1 yes) | 0 | 24 |

    With `observation="full"`: `Box(-1, 1, (12,), int8)`, the answers to all questions so far, 1 yes, -1 no and 0 where
    a question was not asked; no memory is needed then.

    ## Rewards

    -1 for a question; 20 for the right object, -20 for a wrong one.

    The best policy asks about one attribute until its value is known, which takes 1, 2 or 3 questions (the fourth
    value need not be asked for) with probabilities 1/4, 1/4 and 1/2: 2.25 on average, 6.75 for all three, 9 at most.
    Its return is 20 - 6.75 = 13.25; a test finds the same number by dynamic programming. Its actions are
    `expert_action()`. Uniformly random actions get -19.6: most are guesses, and one in 64 is right.

    With `reward="information"` the same return is given step by step: each step also gets the difference of a
    potential, which is 20/6 for every bit that the answers have revealed, 0 at the start and at the end (Ng et al.
    1999). An informative question is then rewarded at once, and naming a known object gets 0.

    At the end `info["right"]` says whether the object was found, `info["questions"]` how many were asked.

    ## Starting State

    An object, drawn uniformly.

    ## Episode End

    1. Termination: an object is named, or a question is asked after the twelfth: it is not answered, and the game is
       lost as by a wrong object (-21 for the step).
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `observation` | `"last"` | `"last"` or `"full"`: what is observed, see above |
    | `reward` | `"outcome"` | `"outcome"` or `"information"`: when it is given, see above |
    | `action_masks` | `False` | whether `info["action_mask"]` forbids objects that do not fit the answers |
    | `max_questions` | `12` | questions that are answered, at least 1 |
    | `text` | `False` | whether `info["text"]` holds the last turn in words |
    | `render_mode` | `None` | `"ansi"`, the last turn in words |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/TwentyQuestions-v0", render_mode="ansi")
    >>> obs, info = env.reset(seed=3)
    >>> obs, reward, *_ = env.step(4)
    >>> print(env.render())
    1. Is its colour red? Yes.
    >>> int(obs), reward
    (10, -1.0)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/TwentyQuestions-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 2}

    def __init__(
        self,
        num_envs: int = 1,
        observation: str = "last",
        reward: str = "outcome",
        action_masks: bool = False,
        max_questions: int = 12,
        text: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.sees_all = validation.choice("observation", observation, ("last", "full")) == "full"
        self.rewards_information = validation.choice("reward", reward, ("outcome", "information")) == "information"
        self.masked = validation.flag("action_masks", action_masks)
        self.max_questions = validation.integer("max_questions", max_questions, 1)
        self.text = validation.flag("text", text)
        space: Space[Any] = Box(-1, 1, (QUESTIONS,), np.int8) if self.sees_all else Discrete(1 + 2 * QUESTIONS)
        super().__init__(
            num_envs,
            space,
            Discrete(QUESTIONS + OBJECTS),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            "object": rng.integers(OBJECTS, size=n),
            "answers": np.zeros((n, QUESTIONS), np.int8),
            "last": np.zeros(n, np.int64),
            "questions": np.zeros(n, np.int64),
            "guess": np.full(n, -1),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        asks = action < QUESTIONS
        question = np.where(asks, action, 0)
        yes = digits(state["object"])[np.arange(len(action)), question // VALUES] == question % VALUES
        answered = asks & (state["questions"] < self.max_questions)
        answers = state["answers"].copy()
        rows = np.flatnonzero(answered)
        answers[rows, question[rows]] = np.where(yes[rows], 1, -1)
        return {
            "object": state["object"],
            "answers": answers,
            "last": np.where(answered, 1 + 2 * question + yes, state["last"]),
            "questions": state["questions"] + asks,
            "guess": np.where(asks, -1, action - QUESTIONS),
        }

    def observation(self, state: State) -> np.ndarray:
        return state["answers"] if self.sees_all else state["last"]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        end = np.where(next_state["guess"] == next_state["object"], 20.0, -20.0)
        earned = np.where(self.terminal(next_state), end, 0.0) - (next_state["guess"] < 0)
        if self.rewards_information:
            earned = earned + self._potential(next_state) - self._potential(state)
        rewards: np.ndarray = earned
        return rewards

    def _potential(self, state: State) -> np.ndarray:
        """(B,) 20 times the share of the six bits that the answers have revealed so far; 0 when the game is over."""
        known = 1 - np.log2(possible_values(state["answers"]).sum(2)).sum(1) / np.log2(OBJECTS)
        potential: np.ndarray = np.where(self.terminal(state), 0.0, 20.0 * known)
        return potential

    def terminal(self, state: State) -> np.ndarray:
        over: np.ndarray = (state["guess"] >= 0) | (state["questions"] > self.max_questions)
        return over

    def info(self, state: State) -> dict[str, Any]:
        infos: dict[str, Any] = {"text": np.array(self.frame(state), object)} if self.text else {}
        return infos | ({ACTION_MASK: self._mask(state)} if self.masked else {})

    def _mask(self, state: State) -> np.ndarray:
        """(B, 76) int8: the questions while any are left, and the objects that fit all answers so far."""
        attribute, value = np.arange(len(ATTRIBUTES)), digits(np.arange(OBJECTS))
        left = possible_values(state["answers"])[:, attribute, value]  # (B, 64, 3)
        mask = np.ones((len(left), QUESTIONS + OBJECTS), np.int8)
        mask[:, :QUESTIONS] = (state["questions"] < self.max_questions)[:, None]
        mask[:, QUESTIONS:] = left.all(2)
        return mask

    def final_info(self, state: State) -> dict[str, Any]:
        return {"right": state["guess"] == state["object"], "questions": state["questions"]}

    def expert_action(self) -> np.ndarray:
        """(B,) the best policy's actions: ask about the first unknown attribute, or name the object."""
        possible = possible_values(self.snapshot()["state"]["answers"])
        unknown = possible.sum(2) > 1
        attribute, value = unknown.argmax(1), possible.argmax(2)
        question = VALUES * attribute + value[np.arange(self.num_envs), attribute]
        action: np.ndarray = np.where(unknown.any(1), question, QUESTIONS + value @ PLACES)
        return action

    # ------------------------------------------------------------------ words
    def frame(self, state: State) -> list[str]:
        rows = zip(state["object"], state["last"], state["questions"], state["guess"], strict=True)
        return [self._text(*map(int, row)) for row in rows]

    def _text(self, thing: int, last: int, questions: int, guess: int) -> str:
        if guess >= 0:
            verdict = "Yes!" if guess == thing else f"No, of the {object_name(thing)}."
            return f"You are thinking of the {object_name(guess)}. {verdict}"
        if questions == 0:
            return f"What am I thinking of? (the {object_name(thing)})"
        if questions > self.max_questions:
            return f"No more questions. It was the {object_name(thing)}."
        attribute, value = divmod((last - 1) // 2, VALUES)
        name, values = list(ATTRIBUTES.items())[attribute]
        return f"{questions}. Is its {name} {values[value]}? {('Yes', 'No')[last % 2]}."


def possible_values(answers: np.ndarray) -> np.ndarray:
    """(B, 12) answers to (B, 3, 4) bool: the values of each attribute that are still possible."""
    given = answers.reshape(len(answers), len(ATTRIBUTES), VALUES)
    left: np.ndarray = (given >= 0) & ((given == 1) | ~(given == 1).any(2, keepdims=True))
    return left


class TwentyQuestionsEnv(SingleEnv):
    __doc__ = TwentyQuestions.__doc__
    batched = TwentyQuestions
