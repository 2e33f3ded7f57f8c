"""``lhy_rl/ActivationSearch-v0``: an activation function written as a formula, rewarded by the accuracy with it."""

from __future__ import annotations

import os
from typing import Any

from gymnasium.vector import AutoresetMode

from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import State
from lhy_rl.envs.search.activation_frame import activation_frame
from lhy_rl.envs.search.hpo_token import HPOToken
from lhy_rl.envs.single import SingleEnv
from lhy_rl.search.children.activation_formulas import SPACE, UNARY, activation, written


class ActivationSearch(HPOToken):
    """
    ## Description

    The search for activation functions of Ramachandran, Zoph and Le (2017), who found swish, `x * sigmoid(x)`: a
    controller writes a formula b(u1(x), u2(x)), a network is trained with it, and its validation accuracy is the
    reward. The network is a small convolutional one on MNIST-1D (Greydanus 2020), series of 40 points in ten classes,
    where the function matters: without one a third of the series are classified correctly.

    The 2,800 formulas are 1,570 different functions (`x * erf(x)` is `erf(x) * x`). Each of these was trained before
    (`benchmarks/activation_table.py`), with two seeds and eight epochs. The reward is the score of one seed, drawn
    anew each time; the mean over the seeds, by which a search is evaluated, and the test scores are not shown to the
    agent. `lhy_rl.search.children.activation_cnn.live_objective` trains a formula instead of looking it up.

    ## Action Space

    `Discrete(20)`: the first unary function u1, then the second one u2, then the binary one, of a = u1(x) and b =
    u2(x). The last has only 7 values, as the `action_mask` shows. `invalid` sets the effect of an illegal action.

    | Value | Unary function | Binary function | Value | Unary function |
    |-------|----------------|-----------------|-------|----------------|
    | 0 | x | a * b | 10 | tanh(x) |
    | 1 | -x | a + b | 11 | atan(x) |
    | 2 | abs(x) | a - b | 12 | asinh(x) |
    | 3 | x^2 | max(a, b) | 13 | erf(x) |
    | 4 | x^3 | min(a, b) | 14 | relu(x) |
    | 5 | exp(x) | sigmoid(a) * b | 15 | min(x, 0) |
    | 6 | log(abs(x) + 0.01) | exp(-abs(a - b)) | 16 | sigmoid(x) |
    | 7 | sin(x) | | 17 | softplus(x) |
    | 8 | cos(x) | | 18 | exp(-x^2) |
    | 9 | sinc(x) = sin(x) / x | | 19 | 1 |

    ## Observation Space

    `Dict`: `observation`, `Box(0.0, 1.0, (50,), float32)`, and `action_mask`, `Box(0, 1, (20,), int8)`.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 46 | the values of the choices so far, one-hot each; zeros for those that are not made | 0 | 1 |
    | 47 to 49 | which choice comes, one-hot | 0 | 1 |

    ## Rewards

    0 before the last choice, then the validation accuracy of one seed: as it is (`reward="score"`), its third power
    (`"cubed"`), or the share of configurations that scored lower with their first seed (`"quantile"`). A training that
    diverged has the lowest score of the table. A random policy gets 0.447 on average; ReLU has 0.780, swish 0.810, and
    the best formula 0.884.

    ## Starting State

    No choice made.

    ## Episode End

    1. Termination: the last choice is made.
    2. Termination: with `invalid="penalty"`, the third illegal action, rewarded with 0.
    3. Truncation: `max_episode_steps` steps, if given.

    The last step's info has `score`, `configuration` (the tokens), and `formula`, the shortest way to write the
    function; it is empty where the episode ended too early.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `table` | `"activations-mnist1d"` | a name, or the path of a table of your own with the same formulas |
    | `reward` | `"score"` | `"score"`, `"cubed"` or `"quantile"` |
    | `invalid` | `"penalty"` | `"penalty"`: after an illegal action the choice is asked for again; `"remap"`: modulo |
    | `render_mode` | `None` | `"ansi"`, the formula so far; `"rgb_array"`, a 400 x 400 picture of its curves |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/ActivationSearch-v0")
    >>> obs, info = env.reset(seed=0)
    >>> for token in (0, 16, 0):
    ...     obs, reward, terminated, truncated, info = env.step(token)
    >>> terminated, str(info["formula"]), 0.7 < reward < 0.9
    (True, 'x * sigmoid(x)', True)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/ActivationSearch-v0", num_envs=4096)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}

    def __init__(
        self,
        num_envs: int = 1,
        table: str | os.PathLike[str] = "activations-mnist1d",
        reward: str = "score",
        invalid: str = "penalty",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        super().__init__(num_envs, table, reward, invalid, autoreset_mode, render_mode, max_episode_steps)
        if self.space.choices != SPACE.choices:
            raise UserError(
                f"table {str(table)!r} does not hold activation formulas; allowed: activations-mnist1d, or a path"
            )

    def frame(self, state: State) -> list[Any]:
        frames: list[Any] = []
        for tokens, position in zip(state["tokens"], state["position"].tolist(), strict=True):
            parts = [c.values[token] for c, token in zip(SPACE.choices, tokens[:position], strict=False)]
            whole = position == len(SPACE)
            configuration = SPACE.configuration(tokens)
            text = written(configuration) if whole else ", ".join(map(str, parts)) or "no choice made"
            if self.render_mode == "ansi":
                frames.append(text)
            else:
                curves = [UNARY[str(name)] for name in parts[:2]] + ([activation(configuration)] if whole else [])
                frames.append(activation_frame(curves, text))
        return frames


class ActivationSearchEnv(SingleEnv):
    __doc__ = ActivationSearch.__doc__
    batched = ActivationSearch
