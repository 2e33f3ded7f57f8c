"""Blocks of steps about sources, in which episodes begin anywhere, and small policies for them."""

import numpy as np
import torch

from benchmarks.echo import Echo
from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, TOKEN
from lhy_rl.nn.policies.actor_critic import ActorCritic

TASK = Echo()
L, ACTIONS = TASK.longest, TASK.vocabulary_size


def make_policy(seed=0, **options):
    torch.manual_seed(seed)
    options = {"core": "gru", "hidden_size": 7, "embedding_size": 5, "source_size": 6, **options}
    return ActorCritic(TASK.single_observation_space, TASK.single_action_space, **options).eval()


def block(steps=9, batch=5, seed=0, starts=0.3):
    """Observations, starts and actions; a source in five is empty, and some have several turns."""
    rng = np.random.default_rng(seed)
    start = rng.random((steps, batch)) < starts
    start[0] |= np.arange(batch) % 2 == 0
    sources, masks = np.empty((steps, batch, L), np.int64), np.empty((steps, batch, L), np.int8)
    for t, b in np.ndindex(steps, batch):
        if t and not start[t, b]:
            sources[t, b], masks[t, b] = sources[t - 1, b], masks[t - 1, b]
            continue
        length = 0 if rng.random() < 0.2 else rng.integers(1, L + 1)
        sources[t, b], masks[t, b] = rng.integers(0, ACTIONS, L), np.arange(L) < length
    tokens = rng.integers(0, TASK.observation_size, (steps, batch))
    obs = {TOKEN: tokens, SOURCE: sources, SOURCE_MASK: masks}
    actions = torch.from_numpy(rng.integers(0, ACTIONS, (steps, batch)))
    return {key: torch.from_numpy(array) for key, array in obs.items()}, torch.from_numpy(start), actions
