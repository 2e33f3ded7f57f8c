"""``lhy_rl/UpdateRule-v0``: the update rule of an optimizer written as a formula, rewarded by the accuracy with it."""

from __future__ import annotations

from typing import Any

from gymnasium.vector import AutoresetMode

from lhy_rl.core.trees import State
from lhy_rl.envs.search.hpo_token import HPOToken
from lhy_rl.envs.single import SingleEnv
from lhy_rl.functional.update_rules import Rule, formula


class UpdateRule(HPOToken):
    """
    ## Description

    The optimizer search of Bello et al. (2017): a controller writes a formula for the step d that takes
    the parameters to w - lr d, a network is trained with it, and its validation accuracy is the reward. A formula is
    b(u1(o1), u2(o2)): two operands, a unary function of each, and a binary function of both. SGD is `g`, momentum `m`,
    Adam `adam`, PowerSign `g * exp(sign(g) * sign(m))`.

    The 28,308 configurations are 11,107 different rules; `g + m` and `m + g` are one. Each of these was trained before
    (`benchmarks/rules_table.py`): perceptrons 64-32-32-10 on scikit-learn's digits, 3 epochs, with a learning rate
    tuned for the rule and 5 seeds. The reward is the score of one seed, drawn anew each time; the mean over the seeds,
    by which a search is evaluated, and the test scores are not shown to the agent.
    `lhy_rl.nn.rule_optimizer.RuleOptimizer` makes a torch optimizer from a formula.

    ## Action Space

    `Discrete(12)`: the value of the present choice. The choices are an operand, its unary function, the binary
    function, the other operand and its unary function. After `left`, which keeps the first term only, both remaining
    choices allow only 0, as the `action_mask` shows. `invalid` sets the effect of an illegal action.

    | Num | Operand | Unary function | Binary function |
    |-----|---------|----------------|-----------------|
    | 0 | g, the gradient | x | + |
    | 1 | g^2 | -x | - |
    | 2 | g^3 | exp(x) | * |
    | 3 | m, running mean of g | log of the absolute value | / |
    | 4 | v, running mean of g^2 | root of the absolute value | left |
    | 5 | gamma, running mean of g^3 | clip to 0.001 | |
    | 6 | sign(g) | sign | |
    | 7 | sign(m) | | |
    | 8 | sign(g) * sign(m) | | |
    | 9 | the direction of Adam | | |
    | 10 | the direction of RMSProp | | |
    | 11 | 1 | | |

    ## Observation Space

    `Dict`: `observation`, `Box(0.0, 1.0, (48,), float32)`, and `action_mask`, `Box(0, 1, (12,), int8)`.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 42 | the values of the choices so far, one-hot each; zeros for those that are not made | 0 | 1 |
    | 43 to 47 | which choice comes, one-hot | 0 | 1 |

    ## Rewards

    0 before the last choice, then the validation accuracy of one seed: as it is (`reward="score"`), its third power
    (`"cubed"`), or the share of configurations that scored lower with their first seed (`"quantile"`). A rule that
    diverges has the accuracy of guessing, 0.1. By the means over the seeds a uniform policy gets 0.27, SGD 0.900,
    RMSProp 0.929, Adam 0.939 and the best rule, `sign(m) + rmsprop`, 0.945.

    ## Starting State

    No choice made.

    ## Episode End

    1. Termination: the last choice is made.
    2. Termination: with `invalid="penalty"`, the third illegal action, rewarded with 0.
    3. Truncation: `max_episode_steps` steps, if given.

    The last step's info has `score`, `configuration` (the tokens), and `formula`, the shortest way to write the rule;
    it is empty where the episode ended too early.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `reward` | `"score"` | `"score"`, `"cubed"` or `"quantile"` |
    | `invalid` | `"penalty"` | `"penalty"`: after an illegal action the choice is asked for again; `"remap"`: modulo |
    | `render_mode` | `None` | `"ansi"`, the formula so far |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/UpdateRule-v0")
    >>> obs, info = env.reset(seed=0)
    >>> for token in (0, 0, 2, 8, 2):
    ...     obs, reward, terminated, truncated, info = env.step(token)
    >>> terminated, str(info["formula"]), 0.8 < reward < 1
    (True, 'g * exp(sign(g) * sign(m))', True)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/UpdateRule-v0", num_envs=4096)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        reward: str = "score",
        invalid: str = "penalty",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        super().__init__(num_envs, "rules-digits", reward, invalid, autoreset_mode, render_mode, max_episode_steps)

    def frame(self, state: State) -> list[Any]:
        return [
            so_far([str(c.values[token]) for c, token in zip(self.space.choices, tokens[:position], strict=False)])
            for tokens, position in zip(state["tokens"], state["position"].tolist(), strict=True)
        ]


def so_far(parts: list[str]) -> str:
    """The beginning of a formula as text, with dots for the rest."""
    if not parts:
        return "..."
    whole = formula(Rule(*parts))
    return whole if len(parts) != 3 or parts[2] == "left" else whole.removesuffix("1") + "..."


class UpdateRuleEnv(SingleEnv):
    __doc__ = UpdateRule.__doc__
    batched = UpdateRule
