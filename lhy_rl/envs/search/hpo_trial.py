"""``lhy_rl/HPOTrial-v0``: an episode is a search, and the policy a searcher, which is tested on unseen tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.single import SingleEnv
from lhy_rl.search.stacked import Names, StackedTables

REWARDS = ("log_quantile", "quantile", "score")
SCATTER = 7919  # a prime, so that neighbours in the table do not have the same seed


class HPOTrial(BatchedEnv):
    """
    ## Description

    Sequential model-based optimisation as a Markov decision process (Jomaa et al. 2019, Hyp-RL): every action is a
    configuration to try, its score is observed, and the reward is the improvement of the best one. A policy for this is
    a searcher. Each episode has one table of results, drawn among `tables`, which share a space: a policy that has
    learned on some data sets is tested on others. It can learn where good configurations lie on most data sets, and how
    to continue from the present one's scores.

    A trial's score is that of one training. The random seed of a configuration's training is drawn once an episode, so
    that a repeated configuration costs a trial, has the same score again and gains nothing. The mean over the seeds, by
    which a search is evaluated, and the test scores are not shown to the agent (`table.regret`).

    ## Action Space

    `MultiDiscrete([10 10  3 10 10])`: a configuration, one value for each choice of the space. The value of a choice
    that does not count under the others is ignored.

    ## Observation Space

    `Box(0.0, 1.0, (274,), float32)`: `history` times (43 + 3) numbers for the last trials, the newest first, then 44
    more. Where fewer trials were made, they are zeros. Scores are scaled to the range of this episode, so that nothing
    is revealed about the table's best.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 42 | the newest trial's configuration: its values, one-hot each | 0 | 1 |
    | 43 | its score, from 0, the worst of this episode, to 1, the best; 0 where the training failed | 0 | 1 |
    | 44 | the share of this episode's trials, itself included, that scored no better | 0 | 1 |
    | 45 | 1: the training failed | 0 | 1 |
    | 46 to 229 | the same for the four trials before | 0 | 1 |
    | 230 to 272 | the best trial's configuration, the incumbent | 0 | 1 |
    | 273 | the share of the trials that are left | 0 | 1 |

    ## Rewards

    The improvement of the incumbent by this trial, 0 where it stays the same. An episode's return is thus the value of
    its last incumbent, by the score of its one training:

    - `reward="log_quantile"`: minus the decimal logarithm of the share of the table's trainings that scored at least
      as high: 2 means the best hundredth, 3 the best thousandth;
    - `reward="quantile"`: the share of the table's trainings that scored lower, 0 to 1;
    - `reward="score"`: how much it scored above the lowest score of the table.

    A failed training gains nothing. With the default tables a random policy returns 1.72 on average, on the three test
    tables 1.90. PPO (`configs/ppo/hpo_trial`) returns 2.2, and 2.5 on the test tables, which it has never seen. No
    return is above 5.2.

    ## Starting State

    A table drawn uniformly; no trial made.

    ## Episode End

    1. Termination: `num_trials` trials are made.
    2. Truncation: `max_episode_steps` steps, if given.

    `info["table"]` is the number of the episode's table among `tables`. The last step's info has the incumbent's
    tokens, `info["configuration"]`, and its `info["score"]` (the table's lowest where every training failed).

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `tables` | `"hpobench-train"` | a group of tables, or the name or path of one table, or several of one space |
    | `num_trials` | `50` | trials of an episode, at least 1 |
    | `history` | `5` | trials that are observed beside the incumbent, at least 1 |
    | `reward` | `"log_quantile"` | `"log_quantile"`, `"quantile"` or `"score"` |
    | `render_mode` | `None` | `"ansi"`, the trial and the incumbent |
    | `max_episode_steps` | `None` | truncates longer episodes |

    | Group | To learn from (`"hpobench-train"`) | To test on (`"hpobench-test"`) |
    |-------|------------------------------------|--------------------------------|
    | `hpobench` | `australian`, `blood_transfusion`, `car`, `credit_g`, `kc1` | `segment`, `vehicle`, `phoneme` |
    | `nb201` | `cifar100`, `imagenet` | `cifar10` |
    | `fcnet` | `naval_propulsion`, `parkinsons_telemonitoring`, `protein_structure` | `slice_localization` |

    `hpobench-car` would show little in a test: 44 of its configurations are perfect.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/HPOTrial-v0", tables="hpobench-test", num_trials=2)
    >>> obs, info = env.reset(seed=0)
    >>> obs, reward, terminated, truncated, info = env.step((0, 4, 1, 5, 9))
    >>> reward > 0, terminated
    (True, False)
    >>> obs, reward, terminated, truncated, info = env.step((0, 4, 1, 5, 9))
    >>> reward, terminated
    (0.0, True)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/HPOTrial-v0", num_envs=1024)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 2}

    def __init__(
        self,
        num_envs: int = 1,
        tables: Names = "hpobench-train",
        num_trials: int = 50,
        history: int = 5,
        reward: str = "log_quantile",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.reward_name = validation.choice("reward", reward, REWARDS)
        self.num_trials = validation.integer("num_trials", num_trials, 1)
        self.history = validation.integer("history", history, 1)
        self.tables = StackedTables(tables)
        self.space = self.tables.space
        self._values = np.stack([self._worth(scores) for scores in self.tables.scores])  # (M, S, C) float32
        sizes = self.space.sizes
        self._width = int(sizes.sum())
        self._first_of = np.cumsum(sizes) - sizes
        self._entry = self._width + 3
        length = self.history * self._entry + self._width + 1
        super().__init__(
            num_envs,
            spaces.Box(0.0, 1.0, (length,), np.float32),
            spaces.MultiDiscrete(sizes),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def _worth(self, scores: np.ndarray) -> np.ndarray:
        """(S, C) scores of a table, -inf where a training failed, to the value of an incumbent with that score."""
        known = np.sort(scores[np.isfinite(scores)])
        counted = np.maximum(scores, known[0])
        worth: np.ndarray
        if self.reward_name == "score":
            worth = counted - known[0]
        else:
            lower = np.searchsorted(known, counted) / len(known)
            worth = lower if self.reward_name == "quantile" else -np.log10(1 - lower)
        return worth.astype(np.float32)

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            "table": rng.integers(len(self.tables), size=n),
            "seed": rng.integers(2**31, size=n),
            "count": np.zeros(n, np.int64),
            "tokens": np.zeros((n, self.history, len(self.space)), np.int64),  # of the last trials, the newest first
            "scores": np.full((n, self.num_trials), -np.inf, np.float32),
            "incumbent": np.zeros((n, len(self.space)), np.int64),
            "value": np.zeros(n, np.float32),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        tokens = self.space.canonical(np.asarray(action, np.int64))
        table = state["table"]
        rows = self.tables.rows(tokens)
        seeds = (state["seed"] + rows * SCATTER) % self.tables.runs[table, rows]  # the same for the whole episode
        score = self.tables.scores[table, seeds, rows]
        return self.after_trial(state, tokens, score, self._values[table, seeds, rows])

    def after_trial(self, state: State, tokens: np.ndarray, score: np.ndarray, value: np.ndarray | float) -> State:
        """The state after a trial, whoever proposed it.

        Args:
            state: The state of B searches.
            tokens: (B, D) canonical tokens of the configuration tried.
            score: (B,) its score, -inf where it failed.
            value: (B,) value of an incumbent with that score.
        """
        better = score > state["scores"].max(1)
        scores = state["scores"].copy()
        scores[np.arange(len(tokens)), state["count"]] = score
        return {
            "table": state["table"],
            "seed": state["seed"],
            "count": state["count"] + 1,
            "tokens": np.concatenate([tokens[:, None], state["tokens"][:, :-1]], 1),
            "scores": scores,
            "incumbent": np.where(better[:, None], tokens, state["incumbent"]),
            "value": np.where(better, value, state["value"]).astype(np.float32),
        }

    def observation(self, state: State) -> np.ndarray:
        count, scores = state["count"], state["scores"]
        n, instance = len(count), np.arange(len(count))[:, None]
        behind = count[:, None] - 1 - np.arange(self.history)  # (B, k): the numbers of the last trials
        there = behind >= 0
        observed = np.zeros((n, self.single_observation_space.shape[0] + 1), np.float32)  # type: ignore[index]
        entries = observed[:, : self.history * self._entry].reshape(n, self.history, self._entry)
        past = scores[instance, np.maximum(behind, 0)]  # (B, k)
        entries[..., -3] = np.where(there, _scaled(past, scores), 0.0)
        no_better = (past[..., None] >= scores[:, None]).sum(-1) - (self.num_trials - count)[:, None]
        entries[..., -2] = np.where(there, no_better / np.maximum(count, 1)[:, None], 0.0)
        entries[..., -1] = there & (past == -np.inf)
        last = observed.shape[1] - 1
        begins = np.arange(self.history) * self._entry
        places = state["tokens"] + self._first_of + begins[:, None]  # (B, k, D)
        known = there[..., None] & self.space.active(state["tokens"])
        incumbent = state["incumbent"] + self._first_of + self.history * self._entry  # (B, D)
        found = (scores.max(1) > -np.inf)[:, None] & self.space.active(state["incumbent"])
        observed[instance, np.where(known, places, last).reshape(n, -1)] = 1.0
        observed[instance, np.where(found, incumbent, last)] = 1.0
        observed[:, last - 1] = 1 - count / self.num_trials
        return observed[:, :last]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        gain: np.ndarray = next_state["value"].astype(float) - state["value"]
        return gain

    def terminal(self, state: State) -> np.ndarray:
        ended: np.ndarray = state["count"] >= self.num_trials
        return ended

    def info(self, state: State) -> dict[str, Any]:
        return {"table": state["table"]}

    def final_info(self, state: State) -> dict[str, Any]:
        score = np.maximum(state["scores"].max(1), self.tables.lowest[state["table"]])
        return {"score": score.astype(float), "configuration": state["incumbent"]}

    def frame(self, state: State) -> list[str]:
        lines = []
        for i, count in enumerate(state["count"].tolist()):
            if not count:
                lines.append("no trial made")
                continue
            score, best = state["scores"][i, count - 1], state["scores"][i].max()
            values = ", ".join(
                f"{name}={value}" for name, value in self.space.configuration(state["tokens"][i, 0]).items()
            )
            result = "failed" if score == -np.inf else f"{score:.4f}"
            lines.append(f"trial {count} of {self.num_trials}: {values}: {result} (best {best:.4f})")
        return lines


def _scaled(past: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(B, k) scores between the worst and the best of the episode, (B, N): 0 to 1, the best one always 1.

    A failed training, -inf, gets 0.
    """
    known = scores > -np.inf
    some = known.any(1, keepdims=True)
    best = np.where(some, scores.max(1, keepdims=True), 0.0)
    worst = np.where(some, np.where(known, scores, np.inf).min(1, keepdims=True), 0.0)
    failed = past == -np.inf
    span = np.where(best > worst, best - worst, 1.0)
    scaled = 1 - (best - np.where(failed, best, past)) / span
    return np.where(failed, 0.0, scaled)


class HPOTrialEnv(SingleEnv):
    __doc__ = HPOTrial.__doc__
    batched = HPOTrial
