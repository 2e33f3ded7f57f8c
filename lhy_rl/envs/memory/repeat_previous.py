"""``lhy_rl/RepeatPrevious-v0``: say which suit was seen k cards back."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs.memory.difficulty import Levels, sizes
from lhy_rl.envs.memory.recall import CardRecall
from lhy_rl.envs.single import SingleEnv

LEVELS: Levels = {
    "easy": {"num_decks": 1, "k": 4},
    "medium": {"num_decks": 2, "k": 32},
    "hard": {"num_decks": 3, "k": 64},
}


class RepeatPrevious(CardRecall):
    """
    ## Description

    Cards are dealt, one a step, and the suit of a card k cards back is to be named: a sliding memory. The task
    is POPGym's (Morad et al. 2023), so that results can be compared. Decks of 52 cards are shuffled together; only the
    suit is seen. As in POPGym, k counts the card that lies open: k = 1 asks for the suit seen now, k = 4 for the one of
    three steps ago. The first question is asked when k cards have been seen.

    | `difficulty` | `num_decks` | `k` | Steps | Questions |
    |--------------|-------------|-----|-------|-----------|
    | `"easy"` | 1 | 4 | 51 | 48 |
    | `"medium"` | 2 | 32 | 103 | 72 |
    | `"hard"` | 3 | 64 | 155 | 92 |

    ## Action Space

    `Discrete(4)`: the suit, 0 spades, 1 diamonds, 2 clubs, 3 hearts.

    ## Observation Space

    `Discrete(4)`: the suit of the card just dealt, numbered in the same way.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | suit        | 0   | 3   |

    The observation alone does not tell the answer: a policy needs memory.

    ## Rewards

    For each question 1/n if it is answered rightly and -1/n if not, where n is the number of questions, cards - k;
    0 while nothing is asked, in the first k - 1 steps. An episode's return is 1 at best and -0.5 on average for
    random actions. At the end `info["accuracy"]` holds the share of the questions that were answered rightly.

    ## Starting State

    The decks are shuffled and the first card is dealt.

    ## Episode End

    1. Termination: the last card is dealt, after 51 steps (cards - 1). POPGym (1.0.7) terminates there, too.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `difficulty` | `"easy"` | `"easy"`, `"medium"` or `"hard"`: the sizes of the table above |
    | `num_decks` | `None` | decks, at least 1; None takes the difficulty's |
    | `k` | `None` | how far back, 1 to cards - 1; None takes the difficulty's |
    | `num_ranks` | `13` | cards of each suit in a deck, at least 1; POPGym's are 13 |
    | `render_mode` | `None` | `"ansi"`, a line of text, or `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `None` | truncates longer episodes |

    The picture shows the cards dealt so far, the last one framed, the others face down; below them the card dealt now
    and the last action, framed green if it was right and red if it was wrong.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/RepeatPrevious-v0", difficulty="medium")
    >>> env.unwrapped.k, env.unwrapped.num_cards
    (32, 104)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/RepeatPrevious-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        difficulty: str = "easy",
        num_decks: int | None = None,
        k: int | None = None,
        num_ranks: int = 13,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        size = sizes(LEVELS, difficulty, num_decks=num_decks, k=k)
        super().__init__(
            num_envs,
            num_decks=size["num_decks"],
            num_ranks=num_ranks,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )
        self.k = validation.integer("k", size["k"], 1, self.num_cards - 1)
        self.num_questions = self.num_cards - self.k

    def answer(self, state: State) -> np.ndarray:
        place = state["position"] - (self.k - 1)
        return np.where(place >= 0, self.symbols_at(state, place), -1)  # a negative place counts from the end; not used


class RepeatPreviousEnv(SingleEnv):
    __doc__ = RepeatPrevious.__doc__
    batched = RepeatPrevious
