"""``lhy_rl/HPOToken-v0``: a configuration written choice by choice, rewarded by its score."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.single import SingleEnv
from lhy_rl.search.printers import formulas_of
from lhy_rl.search.table import load_table

REWARDS = ("score", "cubed", "quantile")
INVALID = ("penalty", "remap")
MISTAKES = 3  # illegal actions that end an episode


class HPOToken(BatchedEnv):
    """
    ## Description

    The architecture search of Zoph and Le (2017): a controller writes a configuration choice by choice, the network
    that it describes is trained, and the validation accuracy is the reward. Here nothing is trained: tables hold the
    results of training every configuration, with several seeds each, so that an episode costs a microsecond and the
    optimum is known exactly. The reward is the score of one seed, drawn anew each time; the mean over the seeds, by
    which a search is evaluated (`table.regret`), and the test scores are not shown to the agent.

    | `table` | What was trained | Configurations | Score |
    |---------|------------------|----------------|-------|
    | `"nb201-NAME"` | cells of six operations, of NAS-Bench-201 | 15,625 | accuracy, % |
    | `"hpobench-NAME"` | multi-layer perceptrons, of HPOBench | 30,000 | accuracy |
    | `"fcnet-NAME"` | two-layer networks, of FCNet | 62,208 | -log10 of the MSE |
    | `"digits-cnn"` | convolutional networks on digits, by `benchmarks/digits_table.py` | 2,400 | accuracy |
    | `"activations-mnist1d"` | a convolutional network with an activation formula | 2,800 | accuracy |
    | `"rules-digits"` | perceptrons with an update rule, as in `lhy_rl/UpdateRule-v0` | 28,308 | accuracy |
    | a path | a table of your own (`lhy_rl.search.table.Table.save`) | | |

    The data sets are `cifar10`, `cifar100` and `imagenet` (`nb201`); `australian`, `blood_transfusion`, `car`,
    `credit_g`, `kc1`, `phoneme`, `segment` and `vehicle` (`hpobench`); `naval_propulsion`, `parkinsons_telemonitoring`,
    `protein_structure` and `slice_localization` (`fcnet`).

    ## Action Space

    `Discrete(5)`: the value of the present choice; as many actions as the choice with the most values has. A choice
    with fewer values allows only the first ones, and a choice that does not count (of a layer that does not exist) only
    0, as the `action_mask` shows. `invalid` sets the effect of an illegal action.

    ## Observation Space

    `Dict`: `observation`, `Box(0.0, 1.0, (36,), float32)`, and `action_mask`, `Box(0, 1, (5,), int8)`.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 29 | the values of the choices so far, one-hot each; zeros for those that are not made | 0 | 1 |
    | 30 to 35 | which choice comes, one-hot | 0 | 1 |

    ## Rewards

    0 before the last choice, then the configuration's score with one of its seeds:

    - `reward="score"`: the score as it is;
    - `reward="cubed"`: its third power, which Zoph and Le used;
    - `reward="quantile"`: the share of the table's configurations that scored lower with their first seed, 0 to 1.

    A failed training has the lowest score of the table. On `nb201-cifar10` a random policy gets 83.7 on average; the
    best configuration has 91.61.

    ## Starting State

    No choice made.

    ## Episode End

    1. Termination: the last choice is made.
    2. Termination: with `invalid="penalty"`, the third illegal action, rewarded with 0.
    3. Truncation: `max_episode_steps` steps, if given.

    The last step's info has `info["score"]` and `info["configuration"]` (the tokens), and `info["formula"]` where the
    table's configurations are formulas; it is empty after the third illegal action.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `table` | `"nb201-cifar10"` | a name from above, or a path |
    | `reward` | `"score"` | `"score"`, `"cubed"` or `"quantile"` |
    | `invalid` | `"penalty"` | `"penalty"`: after an illegal action the choice is asked for again; `"remap"`: modulo |
    | `render_mode` | `None` | `"ansi"`, the choices so far |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/HPOToken-v0")
    >>> obs, info = env.reset(seed=0)
    >>> for token in (3, 3, 1, 3, 2, 3):
    ...     obs, reward, terminated, truncated, info = env.step(token)
    >>> terminated, 80 < reward < 92
    (True, True)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/HPOToken-v0", num_envs=4096)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 2}

    def __init__(
        self,
        num_envs: int = 1,
        table: str | os.PathLike[str] = "nb201-cifar10",
        reward: str = "score",
        invalid: str = "penalty",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.reward_name = validation.choice("reward", reward, REWARDS)
        self.invalid = validation.choice("invalid", invalid, INVALID)
        self.table = load_table(table)
        self.space = self.table.space
        sizes = self.space.sizes
        self._num_choices, width = len(sizes), int(sizes.sum())
        self._next = np.eye(len(sizes) + 1, width + len(sizes) + 1, width, np.float32)  # which choice comes, one-hot
        made = np.tri(len(sizes) + 1, len(sizes), -1, bool)  # row n: the first n choices
        self._places = np.where(made, np.cumsum(sizes) - sizes, -1)  # of first values; -1: not made yet
        self._sizes = np.append(sizes, 0)  # after the last choice nothing can be chosen
        self._masks = np.tri(sizes.max() + 1, sizes.max(), -1, np.int8)  # row n: the first n values
        first = self.table.first_scores
        self._lowest = float(np.nanmin(first))
        self._sorted = np.sort(np.where(np.isnan(first), self._lowest, first))
        observed = spaces.Box(0.0, 1.0, (int(sizes.sum()) + len(sizes),), np.float32)
        mask = spaces.Box(0, 1, (int(sizes.max()),), np.int8)
        super().__init__(
            num_envs,
            spaces.Dict({"observation": observed, ACTION_MASK: mask}),
            spaces.Discrete(int(sizes.max())),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            "tokens": np.zeros((n, len(self.space)), np.int64),
            "position": np.zeros(n, np.int64),
            "mistakes": np.zeros(n, np.int64),
            "score": np.zeros(n),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        position, count = state["position"], self._num_values(state)
        if self.invalid == "remap":
            action = action % count
        made: np.ndarray | int = 1
        tokens, mistakes = state["tokens"].copy(), state["mistakes"]
        allowed = action < count
        if np.count_nonzero(allowed) < len(action):
            action, mistakes, made = action * allowed, mistakes + ~allowed, allowed
        tokens[np.arange(len(action)), position] = action
        position = position + made
        score = np.zeros(len(action))
        finished = (position == self._num_choices).nonzero()[0]
        if finished.size:
            seeds = rng.integers(0, 2**31, finished.size)
            scores = self.table.scores(tokens[finished], seeds)
            score[finished] = np.where(np.isnan(scores), self._lowest, scores)
        return {"tokens": tokens, "position": position, "mistakes": mistakes, "score": score}

    def _num_values(self, state: State) -> np.ndarray:
        """(B,) how many values the present choice has: one if it does not count, none after the last choice."""
        position = state["position"]
        count: np.ndarray = self._sizes[position]
        if self.space.conditional:
            counts = self.space.active_at(state["tokens"], np.minimum(position, self._num_choices - 1))
            count = np.where(counts | (position == self._num_choices), count, 1)
        return count

    def observation(self, state: State) -> dict[str, np.ndarray]:
        position = state["position"]
        places = self._places.take(position, 0) + state["tokens"]
        observed = self._next.take(position, 0)  # its last column collects the choices not made yet, and is removed
        observed[np.arange(len(position))[:, None], places] = 1.0
        return {"observation": observed[:, :-1], ACTION_MASK: self._masks.take(self._num_values(state), 0)}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        score = next_state["score"]  # 0 before the last choice
        if self.reward_name == "cubed":
            score = score**3
        elif self.reward_name == "quantile":
            finished = next_state["position"] == self._num_choices
            score = finished * (np.searchsorted(self._sorted, score) / len(self._sorted))
        return score

    def terminal(self, state: State) -> np.ndarray:
        ended: np.ndarray = (state["position"] == self._num_choices) | (state["mistakes"] >= MISTAKES)
        return ended

    def final_info(self, state: State) -> dict[str, Any]:
        final: dict[str, Any] = {"score": state["score"], "configuration": state["tokens"]}
        if (formulas := formulas_of(self.table, state["tokens"])) is not None:
            final["formula"] = np.where(state["position"] == len(self.space), formulas, "").astype(object)
        return final

    def frame(self, state: State) -> list[Any]:
        lines = []
        for tokens, position in zip(state["tokens"], state["position"].tolist(), strict=True):
            made = [(c.name, c.values[token]) for c, token in zip(self.space.choices, tokens[:position], strict=False)]
            lines.append(", ".join(f"{name}={value}" for name, value in made) or "no choice made")
        return lines


class HPOTokenEnv(SingleEnv):
    __doc__ = HPOToken.__doc__
    batched = HPOToken
