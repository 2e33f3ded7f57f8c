"""Credit for every token of a sentence, from rewards of whole sentences.

    Q(prefix, token) = E[ reward(finished sentence) ],   the reward itself if the token finishes the sentence

(Yu et al. 2017, eq. 4).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lhy_rl.core.protocols import TOKEN, TextTask
from lhy_rl.core.trees import map_tree
from lhy_rl.nn.backbones.base import index_state, repeat_state
from lhy_rl.nn.decoding import complete
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.full_episodes import Episodes

Reward = Callable[[Tensor, Tensor], Tensor]
"""(N, T) tokens and (N,) lengths to (N,) rewards."""


@torch.no_grad()
def monte_carlo_credit(
    policy: ActorCritic,
    task: TextTask,
    episodes: Episodes,
    reward: Reward,
    rollouts: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean reward of the policy's completions of each prefix.

    Each completion continues from the memory that the policy had there; no prefix is read again, and each
    finished sentence is scored once.

    Args:
        policy: The generator, in evaluation mode; it wrote the episodes.
        episodes: One sentence per column.
        reward: Rewards of finished sentences.
        rollouts: R, completions of each prefix. The variance falls as 1/R, and the cost grows as R.

    Returns:
        (T, B), 0 beyond the ends.
    """
    tokens, lengths = episodes.sentences(task), episodes.lengths  # (B, max_length)
    first_obs = map_tree(lambda x: x[0], episodes.obs)
    context = {key: x for key, x in first_obs.items() if key != TOKEN} if isinstance(first_obs, dict) else {}
    prefixes: list[tuple[int, Tensor]] = []  # length of the prefixes, and their columns
    written, ends = [tokens], [lengths]
    for position in range(1, int(lengths.max())):
        going = (lengths > position).nonzero()[:, 0]
        finished = tokens[going].repeat_interleave(rollouts, 0)
        memory = repeat_state(index_state(tuple(s[position] for s in episodes.states), going), rollouts)
        given = {key: x[going].repeat_interleave(rollouts, 0) for key, x in context.items()}
        ends.append(complete(policy, task, finished, position, memory, generator, context=given))
        written.append(finished)
        prefixes.append((position, going))
    # all sentences are scored at once, which is faster
    final, *finished_rewards = torch.split(reward(torch.cat(written), torch.cat(ends)), [len(w) for w in written])
    credit = torch.zeros_like(episodes.rewards)
    credit[lengths - 1, torch.arange(len(lengths), device=lengths.device)] = final
    for (position, going), rewards in zip(prefixes, finished_rewards, strict=True):
        credit[position - 1, going] = rewards.reshape(-1, rollouts).mean(1)
    return credit
