"""The players of self-play: the policies that learn, and frozen earlier ones."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from lhy_rl.core.saved_states import check_like
from lhy_rl.nn.policies.actor_critic import ActorCritic


def frozen(policy: ActorCritic) -> ActorCritic:
    """A frozen copy of a policy."""
    return copy.deepcopy(policy).eval().requires_grad_(False)


class OpponentPool:
    """Frozen earlier versions of one or several policies; the oldest is dropped when the pool is full.

    Args:
        policies: The policies that learn; each has its own earlier versions.
        size: Number of generations that are kept.
    """

    def __init__(self, policies: list[ActorCritic], size: int) -> None:
        self.policies, self.size = policies, size
        self.generations: list[list[ActorCritic]] = []

    def __len__(self) -> int:
        return len(self.generations)

    def add(self) -> None:
        """Add the current policies, frozen, as the newest generation."""
        self.generations.append([frozen(policy) for policy in self.policies])
        del self.generations[: -self.size]

    @property
    def players(self) -> list[ActorCritic]:
        """All earlier versions: generation after generation, each in the order of the policies."""
        return [policy for generation in self.generations for policy in generation]

    def seat(self, seats: np.ndarray, share: float, rng: np.random.Generator) -> None:
        """Let earlier versions take all seats but one in a share of the games.

        Args:
            seats: (N, P) number of the policy in each seat; changed in place. The earlier version ``players[i]`` has
                the number ``i`` plus the number of policies.
            share: Share of the games, from 0 to 1.
            rng: Draws the games, the seat that stays and the generation.
        """
        count, players = seats.shape
        games = np.flatnonzero(rng.random(count) < share)
        stays = rng.integers(players, size=len(games))
        generation = rng.integers(len(self), size=len(games))
        earlier = len(self.policies) * (1 + generation[:, None]) + seats[games]
        seats[games] = np.where(np.arange(players) == stays[:, None], seats[games], earlier)

    def state_dict(self) -> list[list[dict[str, Any]]]:
        """The weights of all generations."""
        return [[policy.state_dict() for policy in generation] for generation in self.generations]

    def load_state_dict(self, state: list[list[dict[str, Any]]]) -> None:
        """Restore the generations."""
        self.generations = []
        for generation in state:
            if len(generation) != len(self.policies):
                raise ValueError(f"a generation of {len(generation)} policies, not {len(self.policies)}")
            made = []
            for policy, weights in zip(self.policies, generation, strict=True):
                check_like(weights, policy.state_dict(), "pool", shapes=True)
                made.append(frozen(policy))
                made[-1].load_state_dict(weights)
            self.generations.append(made)
