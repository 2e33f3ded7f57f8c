"""Values of the final observations of truncated episodes, which are in no row of a rollout."""

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
    """(K,) values of K final observations.

    A recurrent critic must have read the episode before: each final observation is appended to a copy of its
    instance's steps.

    Args:
        obs: (T, B, ...) observations; T is above every entry of ``rows``.
        start: (T, B) bool: an episode begins with this observation.
        state: The memory before the first row.
        rows, instances: (K,) each observation's row, the one after its episode's last step, and its instance.
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
