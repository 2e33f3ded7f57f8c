"""Tasks of one step, whose action is a sample: a picture, a point."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box

from lhy_rl.core.protocols import Samples, Split
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.single import SingleEnv

CONDITION, SAMPLE = "condition", "sample"


class OneStepTask(BatchedEnv):
    """The condition of a sample is observed, the sample is the action, and then the episode is over.

    The state holds ``condition`` (B, ...), ``sample`` (B, ...), 0 before there is one, and ``over`` (B,) bool. A
    subclass defines :meth:`drawn`, the rewards and :meth:`samples`.

    Args:
        num_envs: B.
        condition: The space of the conditions, which are observed.
        sample: The space of the actions.
        **base: Arguments of :class:`~lhy_rl.envs.base.BatchedEnv`.
    """

    def __init__(self, num_envs: int, condition: gym.Space[Any], sample: Box, **base: Any) -> None:
        super().__init__(num_envs, condition, sample, **base)

    def drawn(self, n: int, rng: np.random.Generator) -> State:
        """``condition`` (n, ...) of new episodes, and further arrays of the task's state."""
        raise NotImplementedError

    def samples(self, split: Split) -> Samples:
        """Real samples and conditions; the same at every call."""
        raise NotImplementedError

    def initial(self, n: int, rng: np.random.Generator) -> State:
        space = self.single_action_space
        return {
            **self.drawn(n, rng),
            SAMPLE: np.zeros((n, *(space.shape or ())), space.dtype),
            "over": np.zeros(n, bool),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        return {**state, SAMPLE: np.array(action), "over": np.ones(len(action), bool)}

    def observation(self, state: State) -> Any:
        return state[CONDITION]

    def terminal(self, state: State) -> np.ndarray:
        return state["over"]


class SingleOneStepTask(SingleEnv):
    """One sample at a time."""

    batched_env: OneStepTask

    def samples(self, split: Split) -> Samples:
        """Real samples and conditions; the same at every call."""
        return self.batched_env.samples(split)
