"""``lhy_rl/RepeatFirst-v0``: say which suit was seen first."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core.trees import State
from lhy_rl.envs.memory.difficulty import Levels, sizes
from lhy_rl.envs.memory.recall import CardRecall
from lhy_rl.envs.single import SingleEnv

LEVELS: Levels = {"easy": {"num_decks": 1}, "medium": {"num_decks": 8}, "hard": {"num_decks": 16}}


class RepeatFirst(CardRecall):
    """
    ## Description

    Cards are dealt, one a step, and the suit of the first one is to be named at every step: a memory that must last.
    The task is POPGym's (Morad et al. 2023), so that results can be compared. Decks of 52 cards are shuffled together;
    only the suit is seen.

    | `difficulty` | `num_decks` | Steps | Questions |
    |--------------|-------------|-------|-----------|
    | `"easy"` | 1 | 51 | 51 |
    | `"medium"` | 8 | 415 | 415 |
    | `"hard"` | 16 | 831 | 831 |

    ## Action Space

    `Discrete(4)`: the suit, 0 spades, 1 diamonds, 2 clubs, 3 hearts.

    ## Observation Space

    `Discrete(4)`: the suit of the card just dealt, numbered in the same way.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | suit        | 0   | 3   |

    Nothing marks the first card: a policy needs memory, and must know when an episode begins.

    ## Rewards

    At every step 1/n if the suit is right and -1/n if not, where n is the number of steps, cards - 1; the first step,
    with the first card still open, counts too. An episode's return is 1 at best and -0.5 on average for random
    actions. At the end `info["accuracy"]` holds the share of the steps at which the answer was right.

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
    | `num_ranks` | `13` | cards of each suit in a deck, at least 1; POPGym's are 13 |
    | `render_mode` | `None` | `"ansi"`, a line of text, or `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `None` | truncates longer episodes |

    The picture shows the cards dealt so far, the last one framed, the others face down; below them the card dealt now
    and the last action, framed green if it was right and red if it was wrong.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/RepeatFirst-v0", difficulty="hard")
    >>> env.unwrapped.num_cards
    832

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/RepeatFirst-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        difficulty: str = "easy",
        num_decks: int | None = None,
        num_ranks: int = 13,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        super().__init__(
            num_envs,
            **sizes(LEVELS, difficulty, num_decks=num_decks),
            num_ranks=num_ranks,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def answer(self, state: State) -> np.ndarray:
        return state["symbols"][:, 0]


class RepeatFirstEnv(SingleEnv):
    __doc__ = RepeatFirst.__doc__
    batched = RepeatFirst
