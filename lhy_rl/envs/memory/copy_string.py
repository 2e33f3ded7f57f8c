"""``lhy_rl/Copy-v0``: see a string, then write it again."""

from __future__ import annotations

from lhy_rl.envs.memory.strings import StringRecall
from lhy_rl.envs.single import SingleEnv


class Copy(StringRecall):
    """
    ## Description

    A string of random symbols is seen, one a step, then a delimiter; then the string is to be written again, one
    symbol a step: first in, first out, the task of a neural Turing machine (Graves et al. 2014, section 4.1).
    Its length n is drawn anew for each episode, from `min_length` to `max_length`. Train with short strings and set
    `min_length` and `max_length` to a larger number to see whether a policy has learned the rule or the lengths.

    | `difficulty` | `max_length` | `num_symbols` | Steps |
    |--------------|--------------|---------------|-------|
    | `"easy"` | 5 | 4 | 10 |
    | `"medium"` | 10 | 4 | 20 |
    | `"hard"` | 20 | 8 | 40 |

    An episode with the string AAB, `max_length` 4, the delimiter `|` and blanks `.`:

    | Step      | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 |
    |-----------|---|---|---|---|---|---|---|---|
    | seen      | A | A | B | \\| | . | . | . | . |
    | to write  |   |   |   | A | A | B |   |   |

    ## Action Space

    `Discrete(4)`: the symbol to write, 0 to `num_symbols` - 1. Actions while the string is seen, and after its end, do
    not count.

    ## Observation Space

    `Discrete(6)`: a symbol of the string, 0 to `num_symbols` - 1; then once the delimiter, `num_symbols` (4); then
    blanks, `num_symbols` + 1 (5). What was written is not shown.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | symbol, delimiter or blank | 0 | 5 |

    The observation alone does not tell what to write: a policy needs memory.

    ## Rewards

    For each of the n symbols to be written 1/n if it is right and -1/n if not, beginning with the action that follows
    the delimiter; 0 at all other steps. An episode's return is 1 at best and 2 / `num_symbols` - 1 (-0.5) on average
    for random actions. At the end `info["accuracy"]` holds the share of the string that was right; 1 is the whole.

    ## Starting State

    A length and a string are drawn, both uniformly; its first symbol is seen.

    ## Episode End

    1. Termination: after 10 steps (2 `max_length`), whatever the string's length is; with `ends_at_error` at a
       wrong symbol.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `difficulty` | `"easy"` | `"easy"`, `"medium"` or `"hard"`: the sizes of the table above |
    | `min_length` | `1` | shortest string, 1 to `max_length` |
    | `max_length` | `None` | longest string, at least 1; None takes the difficulty's |
    | `num_symbols` | `None` | different symbols, 2 to 26; None takes the difficulty's |
    | `ends_at_error` | `False` | a wrong symbol ends the episode, as in Gym's old algorithmic tasks |
    | `render_mode` | `None` | `"ansi"`, a line of text, or `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `None` | truncates longer episodes |

    The picture shows what was seen so far (the delimiter is white, blanks are grey); below, what is seen now and the
    last action, framed green if it was right and red if it was wrong.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/Copy-v0", difficulty="medium", min_length=5)
    >>> env.observation_space
    Discrete(6)
    >>> env.unwrapped.min_length, env.unwrapped.max_length
    (5, 10)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/Copy-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    backward = False


class CopyEnv(SingleEnv):
    __doc__ = Copy.__doc__
    batched = Copy
