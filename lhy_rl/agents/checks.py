"""What an environment gives is checked where it is read; a failure is one line that names the step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from lhy_rl.errors import UserError
from lhy_rl.nn.encoders import ACTION_MASK
from lhy_rl.trees import leaves


def check_numbers(what: str, tree: Any, going: np.ndarray, step: int, of: str = "") -> None:
    """Every number that counts is one.

    Args:
        what: ``observation`` or ``reward``.
        tree: (B, ...) arrays; whole numbers are not looked at.
        going: (B,) bool: the instances that count.
        step: For the message.
        of: What the step is counted in, `` of its episode`` say.

    Raises:
        UserError: one is infinite or not a number.
    """
    for array in leaves(tree):
        if array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        rows = array.reshape(len(array), -1)
        wrong = np.flatnonzero(~np.isfinite(rows).all(1) & going)
        if len(wrong):
            raise not_a_number(what, int(wrong[0]), f"{step}{of}", rows[wrong[0]])


def not_a_number(what: str, instance: int, step: int | str, values: np.ndarray) -> UserError:
    """The error for an observation or reward that is infinite or not a number."""
    return UserError(
        f"the {what} of instance {instance} at step {step} is not a number ({values.flatten()[:4]}); "
        "mend the environment"
    )


def diverged(step: int) -> UserError:
    """The error for a loss or gradient that is infinite or not a number."""
    return UserError(
        f"loss or gradient is not a number at step {step}; lower learning_rate, or normalise observations and "
        "rewards, and go on from a checkpoint"
    )


class LegalActions:
    """Which actions an environment says are legal, in its infos or in a key of its observations.

    Args:
        space: Of one action. A mask is over all its choices side by side; spaces of floats have none.
        num_envs: B.
    """

    def __init__(self, space: gym.Space[Any], num_envs: int) -> None:
        sizes: list[int] = []
        match space:
            case gym.spaces.Discrete():
                sizes = [int(space.n)]
            case gym.spaces.MultiDiscrete():
                sizes = [int(n) for n in space.nvec.flatten()]
            case gym.spaces.MultiBinary():
                sizes = [2] * int(np.prod(space.shape))
        self.shape = (num_envs, sum(sizes))
        self.firsts = np.cumsum([0, *sizes])[:-1]  # of each choice

    def of_infos(self, infos: dict[str, Any]) -> np.ndarray | None:
        """(B, A) bool; all true where an instance gave none, None where none did.

        Raises:
            UserError: masks of another size.
        """
        if ACTION_MASK not in infos or not len(self.firsts):
            return None
        given = infos.get(f"_{ACTION_MASK}", np.ones(self.shape[0], bool))
        mask = np.ones(self.shape, bool)
        for i in np.flatnonzero(given).tolist():
            row = np.asarray(infos[ACTION_MASK][i], bool)
            if row.size != self.shape[1]:
                raise UserError(f"the action_mask of instance {i} has {row.size} entries; must be {self.shape[1]}")
            mask[i] = row.flatten()
        return mask

    def of_observations(self, obs: Any) -> np.ndarray | None:
        """(B, A) bool, where the observations are dicts with an ``action_mask``."""
        if not isinstance(obs, dict) or ACTION_MASK not in obs or not len(self.firsts):
            return None
        return np.asarray(obs[ACTION_MASK], bool).reshape(self.shape)

    def checked(self, mask: np.ndarray, going: np.ndarray, step: int, of: str = "") -> np.ndarray:
        """The mask, all true where nothing is legal in an instance that does not count.

        Raises:
            UserError: an instance that counts has a choice without a legal action.
        """
        some: np.ndarray = np.logical_or.reduceat(mask, self.firsts, axis=1)  # (B, choices)
        none = np.logical_not(some.all(1, keepdims=True))[:, 0]
        if (none & going).any():
            i = int(np.flatnonzero(none & going)[0])
            raise UserError(f"no action is legal in instance {i} at step {step}{of}; mend its action_mask")
        legal: np.ndarray = mask | none[:, None]
        return legal
