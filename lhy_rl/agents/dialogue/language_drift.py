"""Two ways to preserve a language while a reward is maximised: imitation steps, and a KL penalty to a reference.

Without them two policies that share a reward may end up with a private code (Lewis et al. 2017, section 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from lhy_rl.agents.policy_gradient.ppo import PPO
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.policy_gradient import categorical_kl, masked_mean
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.game_sources import make_player
from lhy_rl.rollouts.games import Games
from lhy_rl.rollouts.recorded_games import are_recorded, recorded_games
from lhy_rl.rollouts.rollout import Rollout
from lhy_rl.rollouts.self_play import play_games


class Imitation:
    """Supervised steps that imitate a scripted player or recorded moves.

    Args:
        source: As ``demonstrations`` of ``selfplay``; None: there is nothing to imitate.
        games: The games that are played.
        first_updates: Steps before the first game.
        interval: Updates between further steps; None: no further steps.
        num_games: Games in a step.
        learning_rate: Initial learning rate of the first steps; it falls to the learner's, which None takes at once.

    Attributes:
        done: Steps so far.
    """

    def __init__(
        self,
        source: Any,
        games: Games,
        first_updates: int,
        interval: int | None,
        num_games: int,
        learning_rate: float | None,
    ) -> None:
        check(imitation_updates=(first_updates, 0), imitation_games=(num_games, 1))
        check(imitation_interval=(1 if interval is None else interval, 1))
        positive(imitation_learning_rate=1.0 if learning_rate is None else learning_rate)
        recorded = are_recorded(source)
        self.recorded = recorded_games(source, games) if recorded else None
        self.player = None if recorded or source is None else make_player(games, source)
        self.first_updates, self.interval, self.num_games = first_updates, interval, num_games
        self.learning_rate = learning_rate
        self.done = 0

    @property
    def unfinished(self) -> bool:
        """Whether steps before the first game are left."""
        return self.done < self.first_updates

    def is_due(self, num_updates: int) -> bool:
        """Whether a step follows after ``num_updates`` updates."""
        return bool(self.interval) and num_updates % (self.interval or 1) == 0

    def step(self, learners: Sequence[PPO], games: Games) -> float:
        """One gradient step of each learner down L = -E[log pi(a|s)] over the moves of its seat.

        Returns:
            The mean loss before the step.

        Raises:
            UserError: there is nothing to imitate.
        """
        if self.recorded is not None:
            chosen = games.rng.permutation(len(self.recorded.scores))[: self.num_games]
            played, moves = self.recorded, np.isin(self.recorded.game, chosen)
        elif self.player is not None:
            seats = np.zeros((self.num_games, len(games.players)), np.int64)
            played = play_games(games, self.num_games, [self.player], seats)
            moves = np.ones(len(played.actions), bool)
        else:
            raise UserError("imitation needs demonstrations: the name of a scripted player, or recorded games")
        losses = []
        everybodys = len(learners) == 1 or self.recorded is not None  # a recording does not say who played
        for number, learner in enumerate(learners):
            mine = moves if everybodys else moves & (played.player == number)
            losses.append(supervised_step(learner, played.rollout(mine, learner.policy), self._rate(learner)))
        self.done += 1
        return float(np.mean(losses))

    def _rate(self, learner: PPO) -> float | None:
        if self.learning_rate is None or not self.unfinished:
            return None
        return self.learning_rate + self.done / self.first_updates * (learner.learning_rate - self.learning_rate)


def with_dropout(learner: PPO, share: float) -> PPO:
    """Add dropout to a learner's supervised steps; it plays and learns from games without."""
    for trunk in (learner.policy.trunk, learner.policy.critic_trunk):
        if trunk is not None:
            trunk.dropout.p = share
    return learner


def supervised_step(learner: PPO, rollout: Rollout, learning_rate: float | None = None) -> float:
    """One gradient step down L = -E[log pi(a|s)] over the valid steps of a rollout; returns the loss before it.

    Args:
        learner: The learner whose policy and optimizer are used.
        learning_rate: Learning rate of this step; None takes the optimizer's.
    """
    group = learner.optimizer.param_groups[0]
    usual = group["lr"]
    group["lr"] = usual if learning_rate is None else learning_rate
    learner.policy.train()
    found = learner.policy.evaluate(
        map_tree(lambda x: x[:-1], rollout.obs), rollout.actions, rollout.state, rollout.start[:-1],
        action_mask=rollout.action_mask, valid=rollout.valid,
    )  # fmt: skip
    loss = -masked_mean(found.log_prob, rollout.valid)
    learner.parameters.descend(learner.optimizer, loss, learner.max_grad_norm)
    group["lr"] = usual
    return float(loss.detach())


@torch.no_grad()
def penalize_drift(policy: ActorCritic, reference: ActorCritic, rollout: Rollout, coef: float) -> float:
    """Subtract ``coef`` (log pi(a|s) - log pi_reference(a|s)) from the rewards (Jaques et al. 2017, "KL-control").

    Returns:
        The exact KL(pi || pi_reference) at the visited states, in nats per step, whatever ``coef`` is.
    """
    obs, start, mask = map_tree(lambda x: x[:-1], rollout.obs), rollout.start[:-1], rollout.action_mask
    own, other = (
        one.evaluate(obs, rollout.actions, rollout.state, start, all_actions=True, action_mask=mask)
        for one in (policy, reference)
    )
    assert own.log_probs is not None
    assert other.log_probs is not None
    if coef:
        rollout.rewards = rollout.rewards - coef * (own.log_prob - other.log_prob)
    return float(masked_mean(categorical_kl(own.log_probs, other.log_probs), rollout.valid))
