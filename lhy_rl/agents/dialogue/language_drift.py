"""Two ways to keep a language while a reward is maximised: imitate now and then, and pay for leaving a reference.

Without them two policies that are rewarded together may end in a code of their own (Lewis et al. 2017, section 4.2).
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
    """Supervised steps towards somebody: a scripted player, or moves that were recorded.

    Args:
        source: As ``demonstrations`` of ``selfplay``; None: nobody.
        games: What is played.
        first_updates: Steps before the first game.
        interval: One more after so many updates; None: never.
        num_games: Games of a step.
        learning_rate: Of the first steps, at their beginning; it falls to the learner's, which None takes.

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
        """Whether a step follows so many updates."""
        return bool(self.interval) and num_updates % (self.interval or 1) == 0

    def step(self, learners: Sequence[PPO], games: Games) -> float:
        """One gradient step of each down L = -E[log pi(a|s)] over the moves of its seat; the mean loss before it.

        Raises:
            UserError: nobody is there to imitate.
        """
        if self.recorded is not None:
            chosen = games.rng.permutation(len(self.recorded.scores))[: self.num_games]
            played, moves = self.recorded, np.isin(self.recorded.game, chosen)
        elif self.player is not None:
            seats = np.zeros((self.num_games, len(games.players)), np.int64)
            played = play_games(games, self.num_games, [self.player], seats)
            moves = np.ones(len(played.actions), bool)
        else:
            raise UserError("nobody is there to imitate; give demonstrations, the name of a scripted player")
        losses = []
        everybodys = len(learners) == 1 or self.recorded is not None  # of a recording nobody knows who played
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
    """A learner whose supervised steps have dropout; from games it learns as it played, without."""
    for trunk in (learner.policy.trunk, learner.policy.critic_trunk):
        if trunk is not None:
            trunk.dropout.p = share
    return learner


def supervised_step(learner: PPO, rollout: Rollout, learning_rate: float | None = None) -> float:
    """One gradient step down L = -E[log pi(a|s)] over the valid steps of somebody's rollout; the loss before it.

    Args:
        learner: Whose policy and optimizer.
        learning_rate: Of this step; None leaves the optimizer's.
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
    """Take ``coef`` (log pi(a|s) - log pi_reference(a|s)) off the rewards (Jaques et al. 2017, "KL-control").

    Returns:
        The exact KL(pi || pi_reference) at the states that were played, in nats a step, whatever ``coef`` is.
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
