"""``lhy_rl/MultiFidelity-v0``: which trainings to continue and which to abandon on a budget of epochs."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.single import SingleEnv
from lhy_rl.search.table import load_table

CONTINUE, NEW, PROMOTE = 0, 1, 2
REWARDS = ("score", "log_quantile")
LEAST = 3  # least number of recorded epochs of a table


class MultiFidelity(BatchedEnv):
    """
    ## Description

    A search that can observe a training before its end. Every step trains one network for one more epoch: the present
    one, a new one, or one that was paused before. Most bad configurations can be recognised after an epoch or two, but
    some good ones begin slowly, and a whole training costs as much as nine first epochs. Successive halving (Jamieson
    and Talwalkar 2016), Hyperband (Li et al. 2018), ASHA (Li et al. 2020) and the median rule (Golovin et al. 2017) are
    policies for this, by name in `lhy_rl.envs.search.multi_fidelity_policies`.

    Nothing is trained here: the curves are those of a table whose trainings recorded several epochs. New configurations
    come from the environment and not from the agent: each choice of the space is drawn uniformly, one after the other,
    and with it one of the seeds of the table. So policies differ only in how they spend their epochs.

    ## Action Space

    `Discrete(18)`: one more epoch of training for

    | Num | Action |
    |-----|--------|
    | 0 | the present network: continue |
    | 1 | a new configuration; the present network is paused |
    | 2 to 17 | the first, second, ... of the `slots` paused networks: promote it; the present one is paused |

    The paused ones are in order of their last validation accuracy, the best first; of equal ones, the one that was
    paused before. A network that has ended or diverged is not paused but abandoned. Where more networks are paused than
    there are slots, the last one is abandoned, too.

    The `action_mask` says which actions are possible: what has ended or diverged cannot continue, an empty slot cannot
    be promoted, and the first action is always 1. An impossible action costs an epoch and does nothing.

    ## Observation Space

    `Dict`: `observation`, `Box(0.0, 1.0, (172,), float32)`, and `action_mask`, `Box(0, 1, (18,), int8)`.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 | the share of the epochs that is left | 0 | 1 |
    | 1 | the best validation accuracy so far | 0 | 1 |
    | 2 | the share of a whole training that the present network has had | 0 | 1 |
    | 3 to 11 | its validation accuracy after each epoch; 0 where it was not trained so long, or has diverged | 0 | 1 |
    | 12 to 171 | the same ten numbers for each paused network, the best first; zeros for empty slots | 0 | 1 |

    ## Rewards

    The improvement of the incumbent, the network with the best validation accuracy so far, by this epoch; 0 where it
    stays the same. An episode's return is thus the value of the last incumbent:

    - `reward="score"`: its validation accuracy, at whichever epoch it had that;
    - `reward="log_quantile"`: minus the decimal logarithm of the share of the table's configurations that reach that
      accuracy with a whole training (of the first seed): 1 means the best tenth, 2 the best hundredth. Then late gains
      are not small compared with early ones, which makes learning easier.

    With the default arguments a policy that draws among the possible actions gets 0.937 on average, six whole trainings
    of random configurations 0.933, and successive halving, the best that is known, 0.966.

    Searches are compared by the regret of their incumbent (`table.regret`): how far the mean accuracy over the seeds,
    after as many epochs as the incumbent had, is below the table's best. Agents observe neither it nor any test score.

    ## Starting State

    Nothing trained, nothing paused.

    ## Episode End

    1. Termination: `budget` epochs are spent.
    2. Truncation: `max_episode_steps` steps, if given.

    The last step's info has the incumbent's tokens, `info["configuration"]`, its `info["score"]`, and `info["epoch"]`,
    the epoch at which it had that score.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `table` | `"digits-cnn"` | a name of a table of accuracies with at least three recorded epochs, or its path |
    | `budget` | `54` | epochs of an episode, at least 1; where a table has not recorded every epoch, recorded ones |
    | `reward` | `"score"` | `"score"` or `"log_quantile"` |
    | `slots` | `16` | paused networks at a time, at least 1 |
    | `render_mode` | `None` | `"ansi"`, the networks and their curves |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/MultiFidelity-v0", budget=3)
    >>> obs, info = env.reset(seed=0)
    >>> obs["action_mask"][:4]
    array([0, 1, 0, 0], dtype=int8)
    >>> gains = [env.step(action)[1] for action in (1, 1, 2)]
    >>> 0 < sum(gains) <= 1
    True

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/MultiFidelity-v0", num_envs=256)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(
        self,
        num_envs: int = 1,
        table: str | os.PathLike[str] = "digits-cnn",
        budget: int = 54,
        reward: str = "score",
        slots: int = 16,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.budget = validation.integer("budget", budget, 1)
        self.reward_name = validation.choice("reward", reward, REWARDS)
        self.slots = validation.integer("slots", slots, 1)
        self.table = load_table(table)
        self.space = self.table.space
        self.num_epochs = len(self.table.epochs)  # E, recorded ones
        low, high = self.table.score_range
        if self.num_epochs < LEAST or low < 0 or high > 1:
            raise UserError(
                f"table {str(table)!r} has {self.num_epochs} recorded epochs and scores from {low:g} to {high:g}; "
                f"allowed: at least {LEAST} epochs, and accuracies from 0 to 1"
            )
        final = self.table.first_scores
        self._final = np.sort(final[np.isfinite(final)])
        width = 2 + (1 + self.slots) * (1 + self.num_epochs)
        observed = spaces.Box(0.0, 1.0, (width,), np.float32)
        mask = spaces.Box(0, 1, (PROMOTE + self.slots,), np.int8)
        super().__init__(
            num_envs,
            spaces.Dict({"observation": observed, ACTION_MASK: mask}),
            spaces.Discrete(PROMOTE + self.slots),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        networks = 1 + self.slots  # the present one, then the paused ones
        return {
            "tokens": np.zeros((n, networks, len(self.space)), np.int64),
            "curves": np.zeros((n, networks, self.num_epochs)),  # complete; the agent observes the beginning
            "trained": np.zeros((n, networks), np.int64),  # epochs; 0: an empty slot
            "spent": np.zeros(n, np.int64),
            "best": np.zeros(n),
            "best_tokens": np.zeros((n, len(self.space)), np.int64),
            "best_epoch": np.zeros(n, np.int64),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        possible = self._action_mask(state)[np.arange(len(action)), action]
        after = {name: array.copy() for name, array in state.items()}
        after["spent"] += 1
        changed = np.flatnonzero(possible & (action != CONTINUE))
        if changed.size:
            self._change(after, changed, action[changed], rng)
        trained = np.flatnonzero(possible)
        epoch = after["trained"][trained, 0]
        after["trained"][trained, 0] += 1
        score = after["curves"][trained, 0, epoch]
        better = score > after["best"][trained]  # never where it is NaN
        rows = trained[better]
        after["best"][rows] = score[better]
        after["best_tokens"][rows] = after["tokens"][rows, 0]
        after["best_epoch"][rows] = epoch[better] + 1
        return after

    def _change(self, state: State, rows: np.ndarray, action: np.ndarray, rng: np.random.Generator) -> None:
        """Pause the present networks of these instances and put the chosen or new ones in their place."""
        new = action == NEW
        chosen = np.where(new, 0, action - NEW)  # a slot from 1 on
        tokens = self.space.sample(int(new.sum()), rng)
        seeds = rng.integers(0, 2**31, len(tokens))
        present = {name: state[name][rows, chosen] for name in ("tokens", "curves", "trained")}
        present["tokens"][new], present["trained"][new] = tokens, 0
        present["curves"][new] = self.table.curves(tokens, seeds)
        last = self._last_scores(state)[rows]  # (b, 1 + K), -inf where there is nothing to go on with
        last[np.flatnonzero(~new), chosen[~new]] = -np.inf
        order = np.argsort(-np.roll(last, -1, 1), 1, kind="stable")[:, : self.slots]  # stable: ours comes last
        order = (order + 1) % (1 + self.slots)
        kept = np.take_along_axis(last, order, 1) > -np.inf
        for name, first in present.items():
            paused = state[name][rows[:, None], order]
            paused[~kept] = 0
            state[name][rows, 0], state[name][rows, 1:] = first, paused

    def _last_scores(self, state: State) -> np.ndarray:
        """(B, 1 + K) accuracies after the last epoch; -inf where a network cannot be continued."""
        trained = state["trained"]
        last = np.take_along_axis(state["curves"], np.maximum(trained - 1, 0)[..., None], 2)[..., 0]
        possible = (trained > 0) & (trained < self.num_epochs) & np.isfinite(last)
        scores: np.ndarray = np.where(possible, last, -np.inf)
        return scores

    def _action_mask(self, state: State) -> np.ndarray:
        """(B, A) bool: the networks that can be continued, and a new one always."""
        can_go_on = self._last_scores(state) > -np.inf
        return np.insert(can_go_on, NEW, True, 1)

    def observation(self, state: State) -> dict[str, np.ndarray]:
        trained, n = state["trained"], len(state["spent"])
        past = np.arange(self.num_epochs) < trained[..., None]
        curves = np.where(past & np.isfinite(state["curves"]), state["curves"], 0.0)
        networks = np.concatenate([trained[..., None] / self.num_epochs, curves], 2)  # (B, 1 + K, 1 + E)
        left = 1 - state["spent"] / self.budget
        observed = np.concatenate([left[:, None], state["best"][:, None], networks.reshape(n, -1)], 1)
        return {"observation": observed.astype(np.float32), ACTION_MASK: self._action_mask(state).astype(np.int8)}

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        gain: np.ndarray = self._worth(next_state["best"]) - self._worth(state["best"])
        return gain

    def _worth(self, best: np.ndarray) -> np.ndarray:
        """(B,) best accuracies to their values."""
        if self.reward_name == "score":
            return best
        as_high = len(self._final) - np.searchsorted(self._final, best)
        worth: np.ndarray = -np.log10(np.maximum(as_high, 1) / len(self._final))
        return worth

    def terminal(self, state: State) -> np.ndarray:
        ended: np.ndarray = state["spent"] >= self.budget
        return ended

    def final_info(self, state: State) -> dict[str, Any]:
        return {"score": state["best"], "configuration": state["best_tokens"], "epoch": state["best_epoch"]}

    def frame(self, state: State) -> list[str]:
        frames = []
        for i, spent in enumerate(state["spent"].tolist()):
            lines = [f"epoch {spent} of {self.budget}, best {state['best'][i]:.4f}", "accuracy after each epoch, %"]
            for network in range(1 + self.slots):
                trained = int(state["trained"][i, network])
                curve = "".join(f"{100 * score:3.0f}" for score in state["curves"][i, network, :trained])
                if trained:
                    lines.append(f"{network + 1 if network else 'now':>3}:{curve}")
            frames.append("\n".join(lines))
        return frames


class MultiFidelityEnv(SingleEnv):
    __doc__ = MultiFidelity.__doc__
    batched = MultiFidelity
