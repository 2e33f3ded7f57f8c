"""``lhy_rl/TreeCalc-v0``: what is the value of this tree?"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Space
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, TOKEN
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.reasoning import expressions
from lhy_rl.envs.reasoning.tree_frame import tree_frame
from lhy_rl.envs.single import SingleEnv

DEEPEST = 9


class TreeCalc(BatchedEnv):
    """
    ## Description

    An expression is given as a tree, and its value is the action; an episode is one step. A network that combines two
    parts correctly can evaluate a tree of any depth: train up to depth 4, and test at depth 6. One that reads the
    expression as a string has to parse it first. In the manner of ListOps (Nangia and Bowman 2018), with two operands
    for each operator, or one.

    | `variant` | Operators | Values |
    |-----------|-----------|--------|
    | `"arithmetic"` | +, -, * modulo `num_values` | 0 to `num_values` - 1 |
    | `"lists"` | MIN, MAX, FIRST, LAST, SUM (modulo `num_values`) | 0 to `num_values` - 1 |
    | `"unary"` | NEGATE, NEXT, BACK, DOUBLE, TRIPLE, SKIP | 0 to `num_values` - 1 |

    The unary ones are -x, x + 1, x - 1, 2x, 3x and x + 2 modulo `num_values`.

    ## Action Space

    `Discrete(5)`, or as many as `num_values`: the value.

    ## Observation Space

    `Box([0, -1, -1], [8, 126, 126], (127, 3), int16)`, with these bounds in each row: a row is a node, row 0 the root.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | symbol: 0 none (an empty row), 1 to 5 the values 0 to 4, then the operators in that order | 0 | 8 |
    | 1   | row of the left child; -1 none | -1 | 126 |
    | 2   | row of the right child; -1 none | -1 | 126 |

    The children of row i are in rows 2i + 1 and 2i + 2; a table has 2^(`table_depth` + 1) - 1 rows.
    The encoders `rntn`, `mv_rnn` and `recursive` read it.

    With `observation="string"` a `Dict`: `source` holds the expression as tokens, `MultiDiscrete`, with `source_mask`
    (1 where there is a token), and `token`, `Discrete(1)`, is always 0. A value is the token that is its symbol, a node
    its operator, its left and its right part, and a closing token (9), as in `[MAX 2 [MIN 1 3]]`. A source encoder such
    as `lstm` reads it.

    ## Rewards

    1 if the value is right, 0 if not. The best return is 1, which `expert_action()` gets; a random policy gets 0.2 (1 /
    `num_values`).

    ## Starting State

    A height is drawn uniformly from `min_depth` to `max_depth`; then a tree of that height: of the two children of a
    node of height h one, either, has height h - 1, and the other any from 0 to h - 1. Operators and values are uniform.
    A tree of height 4 has 8.7 leaves on average, one of height 6 has 18.5; of unary operators it is a chain.

    With `split="train"` the operator below another is never the one that follows it in the table, where the first
    follows the last (for unary operators, nor the one after that); with `split="test"` it always is.

    ## Episode End

    1. Termination: after the answer.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `variant` | `"arithmetic"` | `"arithmetic"`, `"lists"` or `"unary"`: the operators of the table above |
    | `min_depth` | `1` | height of the lowest tree, 0 (a value alone) to `max_depth` |
    | `max_depth` | `4` | height of the highest tree, 0 to `table_depth` |
    | `table_depth` | `6` | greatest height that fits the table, 0 to 9: a policy can be tested on deeper trees |
    | `num_values` | `5` | values, 2 to 10 |
    | `split` | `"all"` | `"train"`: some pairs of neighbouring operators are held out; `"test"`: there are no others |
    | `observation` | `"table"` | `"table"` or `"string"` |
    | `render_mode` | `None` | `"ansi"`, the expression, or `"rgb_array"`, a 400 x 400 picture of the tree |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/TreeCalc-v0", min_depth=3, render_mode="ansi")
    >>> obs, info = env.reset(seed=0)
    >>> print(env.render())
    ((0 * 4) + ((4 + 2) + 2)) - (2 * 2) = ? modulo 5

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/TreeCalc-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}

    def __init__(
        self,
        num_envs: int = 1,
        variant: str = "arithmetic",
        min_depth: int = 1,
        max_depth: int = 4,
        table_depth: int = 6,
        num_values: int = 5,
        split: str = "all",
        observation: str = "table",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.calculus = expressions.CALCULI[validation.choice("variant", variant, expressions.CALCULI)]
        self.table_depth = validation.integer("table_depth", table_depth, 0, DEEPEST)
        self.max_depth = validation.integer("max_depth", max_depth, 0, self.table_depth)
        self.min_depth = validation.integer("min_depth", min_depth, 0, self.max_depth)
        self.num_values = validation.integer("num_values", num_values, 2, 10)
        self.split = validation.choice("split", split, expressions.SPLITS)
        self.as_string = validation.choice("observation", observation, ("table", "string")) == "string"
        signs = self.calculus.signs
        self.names = ["", *map(str, range(self.num_values)), *signs, "]"]
        self.num_rows = 2 ** (self.table_depth + 1) - 1
        length = expressions.full_length(self.table_depth)
        low = np.broadcast_to(np.array([0, -1, -1], np.int16), (self.num_rows, 3))
        high = np.array([self.num_values + len(signs), self.num_rows - 1, self.num_rows - 1], np.int16)
        space: Space[Any] = Box(low, np.broadcast_to(high, low.shape), dtype=np.int16)
        if self.as_string:
            space = Dict(
                {
                    SOURCE: MultiDiscrete([len(self.names)] * length),
                    SOURCE_MASK: Box(0, 1, (length,), np.int8),
                    TOKEN: Discrete(1),
                }
            )
        super().__init__(
            num_envs,
            space,
            Discrete(self.num_values),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        depths = (self.min_depth, self.max_depth)
        table = expressions.drawn_tables(n, rng, depths, self.num_rows, self.num_values, self.calculus, self.split)
        return {"table": table, "answer": np.full(n, -1, np.int64)}

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        return {"table": state["table"], "answer": action}

    def observation(self, state: State) -> Any:
        table = state["table"]
        if not self.as_string:
            return table
        tokens, length = expressions.token_strings(table, len(self.names) - 1)
        mask = (np.arange(tokens.shape[1]) < length[:, None]).astype(np.int8)
        return {SOURCE: tokens, SOURCE_MASK: mask, TOKEN: np.zeros(len(table), np.int64)}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        right: np.ndarray = action == self.value(state)
        return right.astype(float)

    def terminal(self, state: State) -> np.ndarray:
        answered: np.ndarray = state["answer"] >= 0
        return answered

    # ------------------------------------------------------------------ the right answer
    def value(self, state: State) -> np.ndarray:
        """(B,) the values of the trees."""
        value: np.ndarray = expressions.values_of(state["table"], self.num_values, self.calculus)[:, 0]
        return value

    def expert_action(self) -> np.ndarray:
        """(B,) the values of the present trees; see ``ScriptedExpert``."""
        return self.value(self.snapshot()["state"])

    # ------------------------------------------------------------------ pictures
    def frame(self, state: State) -> list[Any]:
        rows = zip(state["table"], state["answer"].tolist(), self.value(state).tolist(), strict=True)
        return [self._text(*row) if self.render_mode == "ansi" else self._picture(*row) for row in rows]

    def _text(self, table: np.ndarray, answer: int, value: int) -> str:
        """The expression, and the last answer."""
        return f"{expressions.written(table, self.num_values, self.calculus)} {self._verdict(answer, value)}"

    def _picture(self, table: np.ndarray, answer: int, value: int) -> np.ndarray:
        return tree_frame(table, self.names, self._verdict(answer, value), None if answer < 0 else answer == value)

    def _verdict(self, answer: int, value: int) -> str:
        modulo = f" modulo {self.num_values}"
        if answer < 0:
            return f"= ?{modulo}"
        return f"= {value}{modulo}; answered {answer}: {'right' if answer == value else 'wrong'}"


class TreeCalcEnv(SingleEnv):
    __doc__ = TreeCalc.__doc__
    batched = TreeCalc
