"""Episodes of a policy in a vector environment, for evaluations: equally many in each instance, short or long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from lhy_rl.core.errors import UserError
from lhy_rl.rollouts.autoreset import EpisodeStepper
from lhy_rl.rollouts.full_episodes import LONGEST

SEED = 20_170_101  # seed of every reported evaluation; no training seed comes near it
SELECTION_SEED = SEED + 1_000_000  # seed of evaluations that choose a checkpoint: other episodes than the reported
Predict = Callable[[Any, Any, np.ndarray, np.ndarray | None], tuple[np.ndarray, Any]]
"""(observations, memory, which episodes begin, legal actions or None) to actions and the memory after them; the first
memory is None."""


def play(predict: Predict, env: VectorEnv[Any, Any, Any], episodes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Play episodes.

    Each instance plays its share: taking the episodes that end first would prefer short ones.

    Args:
        predict: The policy.
        env: Reset with the seed first.
        episodes: Number of episodes.
        seed: The same seed and the same policy give the same episodes.

    Returns:
        Returns (E,) and lengths (E,), in the order in which the episodes ended.

    Raises:
        UserError: An episode does not end, or a state has no legal action.
    """
    stepper = EpisodeStepper(env)
    n = env.num_envs
    share = np.full(n, episodes // n) + (np.arange(n) < episodes % n)
    stepper.reset(seed)
    state: Any = None
    total, length = np.zeros(n), np.zeros(n, np.int64)
    finished: list[tuple[float, int]] = []
    while share.any():
        going = ~stepper.resetting
        masks = stepper.action_mask(going, int(length.max()), " of its episode")
        action, state = predict(stepper.obs, state, stepper.start, masks)
        reward, _, _ = stepper.step(action)
        total, length = total + np.where(going, reward, 0.0), length + going
        if length.max() > LONGEST:
            raise UserError(
                f"an episode of the evaluation did not end within {LONGEST:,} steps; give the environment a time limit "
                "(--env.max_episode_steps 1000)"
            )
        ended = stepper.ended
        counted = ended & (share > 0)
        finished += [(float(total[i]), int(length[i])) for i in np.flatnonzero(counted)]
        share = share - counted
        total, length = np.where(ended, 0.0, total), np.where(ended, 0, length)
    returns, lengths = zip(*finished, strict=True)
    return np.array(returns), np.array(lengths)


@dataclass(frozen=True)
class Episode:
    """The return and the number of steps of an episode."""

    reward: float
    length: int


def play_episode(
    agent: Any,
    env: gymnasium.Env[Any, Any],
    seed: int,
    stochastic: bool = False,
    on_step: Callable[[int, float, bool], None] = lambda step, total, over: None,
) -> Episode:
    """Play one episode in a single environment, with a callback at every step.

    Args:
        agent: An object with ``predict``, as our agents have.
        stochastic: Sample the actions instead of taking the most probable ones.
        on_step: Called after the reset and after every step with the number of steps, the return so far and whether
            the episode is over.
    """
    obs, info = env.reset(seed=seed)
    state, total, length, over = None, 0.0, 0, False
    on_step(0, 0.0, False)
    while not over:
        action, state = agent.predict(obs, state, deterministic=not stochastic, action_masks=info.get("action_mask"))
        obs, reward, terminated, truncated, info = env.step(action)
        total, length, over = total + float(reward), length + 1, terminated or truncated
        on_step(length, total, over)
    return Episode(total, length)
