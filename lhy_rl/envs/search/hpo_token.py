"""``lhy_rl/HPOToken-v0``: a configuration written choice by choice, rewarded by what it scores."""

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
from lhy_rl.search.table import load_table

REWARDS = ("score", "cubed", "quantile")
INVALID = ("penalty", "remap")
MISTAKES = 3  # illegal actions of an episode, with which it ends


class HPOToken(BatchedEnv):
    """
    ## Description

    The search for an architecture as Zoph and Le (2017) see it: a controller writes a configuration choice by choice,
    what it describes is trained, and the validation accuracy is the reward. Here nothing is trained: tables hold what
    the trainings of every configuration gave, with several seeds each, so that an episode costs a microsecond and the
    best that can be had is known exactly. The reward is the score of one seed, drawn anew each time; the mean over the
    seeds, by which a search is judged, and all test scores stay with the table (`table.regret`).

    | `table` | What was trained | Configurations | Score |
    |---------|------------------|----------------|-------|
    | `"nb201-NAME"` | cells of six operations, of NAS-Bench-201 | 15,625 | accuracy, % |
    | `"hpobench-NAME"` | multi-layer perceptrons, of HPOBench | 30,000 | accuracy |
    | `"fcnet-NAME"` | two-layer networks, of FCNet | 62,208 | -log10 of the MSE |
    | a path | a table of your own (`lhy_rl.search.table.Table.save`) | | |

    The data sets are `cifar10`, `cifar100` and `imagenet` (`nb201`); `australian`, `blood_transfusion`, `car`,
    `credit_g`, `kc1`, `phoneme`, `segment` and `vehicle` (`hpobench`); `naval_propulsion`, `parkinsons_telemonitoring`,
    `protein_structure` and `slice_localization` (`fcnet`).

    ## Action Space

    `Discrete(5)`: the value of the present choice; as many actions as the choice with the most values has. A choice
    with fewer values allows the first ones only, and one that does not count (a layer that is not there) only 0: the
    `action_mask` says so. An illegal action is answered as `invalid` says.

    ## Observation Space

    `Dict`: `observation`, `Box(0.0, 1.0, (36,), float32)`, and `action_mask`, `Box(0, 1, (5,), int8)`.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 29 | the values of the choices so far, one-hot each; zeros for those that are not made | 0 | 1 |
    | 30 to 35 | which choice comes, one-hot | 0 | 1 |

    ## Rewards

    0 before the last choice, then what the configuration scored with one of its seeds:

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

    `info["score"]` and `info["configuration"]` (the tokens) stand in the last step's info.

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
        self._first_of = np.cumsum(sizes) - sizes  # of a choice's values in the observation
        self._order, self._width = np.arange(len(sizes)), int(sizes.sum())
        self._which = np.eye(len(sizes) + 1, len(sizes), dtype=np.float32)  # all zeros behind the last choice
        self._allowed = np.arange(sizes.max()) < sizes[:, None]  # (D, A)
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
        position, rows = state["position"], np.arange(len(action))
        allowed = self._action_mask(state)
        if self.invalid == "remap":
            action = action % allowed.sum(1)  # these are the first ones
            wrong = np.zeros(len(action), bool)
        else:
            wrong = ~allowed[rows, action]
        tokens = state["tokens"].copy()
        tokens[rows, position] = np.where(wrong, 0, action)
        after = {
            "tokens": tokens,
            "position": position + ~wrong,
            "mistakes": state["mistakes"] + wrong,
            "score": np.zeros(len(action)),
        }
        finished = np.flatnonzero(after["position"] == len(self.space))
        if finished.size:
            seeds = rng.integers(0, 2**31, finished.size)
            scores = self.table.scores(tokens[finished], seeds)
            after["score"][finished] = np.where(np.isnan(scores), self._lowest, scores)
        return after

    def _action_mask(self, state: State) -> np.ndarray:
        """(B, A) bool: the values of the present choice; of one that does not count the first."""
        position = np.minimum(state["position"], len(self.space) - 1)
        mask = self._allowed[position]
        if self.space.conditional:
            counts = self.space.active(state["tokens"])[np.arange(len(position)), position]
            mask[:, 1:] &= counts[:, None]
        return mask

    def observation(self, state: State) -> dict[str, np.ndarray]:
        position = state["position"]
        made = position[:, None] > self._order
        places = np.where(made, state["tokens"] + self._first_of, self._width)  # (B, D); the last column is cut off
        values = np.zeros((len(position), self._width + 1), np.float32)
        values[np.arange(len(position))[:, None], places] = 1.0
        observed = np.concatenate([values[:, :-1], self._which[position]], 1)
        return {"observation": observed, ACTION_MASK: self._action_mask(state).astype(np.int8)}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        score, finished = next_state["score"], next_state["position"] == len(self.space)
        if self.reward_name == "cubed":
            score = score**3
        elif self.reward_name == "quantile":
            score = np.searchsorted(self._sorted, score) / len(self._sorted)
        rewards: np.ndarray = np.where(finished, score, 0.0)
        return rewards

    def terminal(self, state: State) -> np.ndarray:
        ended: np.ndarray = (state["position"] == len(self.space)) | (state["mistakes"] >= MISTAKES)
        return ended

    def final_info(self, state: State) -> dict[str, Any]:
        return {"score": state["score"], "configuration": state["tokens"]}

    def frame(self, state: State) -> list[str]:
        lines = []
        for tokens, position in zip(state["tokens"], state["position"].tolist(), strict=True):
            made = [(c.name, c.values[token]) for c, token in zip(self.space.choices, tokens[:position], strict=False)]
            lines.append(", ".join(f"{name}={value}" for name, value in made) or "no choice made")
        return lines


class HPOTokenEnv(SingleEnv):
    __doc__ = HPOToken.__doc__
    batched = HPOToken
