"""Values of last observations that stand nowhere in the rows of what was played: of episodes that were truncated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lhy_rl.core.trees import map_tree
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.policies.actor_critic import ActorCritic


@torch.no_grad()
def final_values(
    policy: ActorCritic,
    obs: Any,
    start: Tensor,
    state: State,
    rows: Tensor,
    instances: Tensor,
    final_obs: Sequence[Any],
) -> Tensor:
    """(K,) values of K observations.

    A recurrent critic must have read the episode up to there: each is put behind a copy of its instance's steps.

    Args:
        obs: (T, B, ...) what was observed; it has as many rows as any of ``rows`` needs.
        start: (T, B) bool.
        state: The memory before the first row.
        rows, instances: (K,) where each would stand: in the row behind the last step of its episode.
        final_obs: The K observations.
    """
    device, count = rows.device, len(rows)
    finals = map_tree(lambda *x: torch.stack([torch.as_tensor(y) for y in x]).to(device), *final_obs)
    if not policy.recurrent:
        values, _ = policy.value(map_tree(lambda x: x[None], finals), (), start.new_zeros(1, count))
        return values[0]
    each = torch.arange(count, device=device)

    def behind(x: Tensor, final: Tensor | bool) -> Tensor:
        copies = x[:, instances].clone()
        copies[rows, each] = final if isinstance(final, bool) else final.to(x)
        return copies

    memory = tuple(s[instances] for s in state)
    values, _ = policy.value(map_tree(behind, obs, finals), memory, behind(start, False))
    return values[rows, each]
