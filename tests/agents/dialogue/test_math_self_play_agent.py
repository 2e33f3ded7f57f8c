"""Advantages along one's own moves, the pool, and the penalty, where the right numbers are known."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from lhy_rl.agents import SelfPlay
from lhy_rl.agents.dialogue.language_drift import penalize_drift
from lhy_rl.agents.dialogue.opponents import OpponentPool
from lhy_rl.rollouts.self_play import play_games
from tests.agents.small_games import Nim

SMALL = {"n_games": 16, "hidden_sizes": [8], "batch_size": 64, "n_epochs": 2}


def wise(game, state, player, rng):
    return np.where(state["left"] % 4 == 0, 1, state["left"] % 4) - 1


def test_advantages_discount_by_own_moves_only():
    """G_t = gamma^(own moves left) (+1 or -1), whatever the other did in between."""
    agent = SelfPlay(Nim(9), gamma=0.9, gae_lambda=1.0, **SMALL)
    played = play_games(agent.games, 30, agent.players(), np.zeros((30, 2), int))
    batch = agent.learner.compute_advantages(played.rollout(np.ones(len(played.actions), bool), agent.policy))
    expected = []
    for game, player in sorted(set(zip(played.game, played.player, strict=True))):
        count = int(((played.game == game) & (played.player == player)).sum())
        expected += [0.9 ** (count - 1 - k) * played.scores[game, player] for k in range(count)]
    # the batch has the rollout's steps in its own order
    assert sorted(batch.returns[0].tolist()) == pytest.approx(sorted(expected), abs=1e-5)
    torch.testing.assert_close(batch.advantages, batch.returns - batch.values)


def test_nothing_is_learned_from_the_moves_of_the_pool():
    agent = SelfPlay(Nim(5), opponents="pool", pool_share=1.0, pool_size=3, pool_interval=1, **SMALL)
    agent.learn(1)
    for _ in range(4):
        seats = agent.take_seats()
        own = seats == 0
        assert (own.sum(1) == 1).all()
        assert 0 < own[:, 0].mean() < 1
        assert seats.max() <= len(agent.pool.players)
    assert len(agent.pool) == 3


def test_independent_policies_meet_earlier_selves_of_the_other_seat():
    agent = SelfPlay(Nim(5), policies="independent", opponents="pool", pool_share=1.0, **SMALL)
    seats = agent.take_seats()
    players = [*agent.all_policies, *agent.pool.players]
    for row in seats:
        for seat, number in enumerate(row):
            assert number % 2 == seat, "a policy sits where it learned"
            assert number < len(players)
        assert (row < 2).sum() == 1


def test_the_pool_is_frozen_and_drops_the_oldest():
    policy = SelfPlay(Nim(5), **SMALL).policy
    pool = OpponentPool([policy], 2)
    weights = []
    for _ in range(3):
        pool.add()
        weights.append(policy.actor.output.bias.detach().clone())
        with torch.no_grad():
            policy.actor.output.bias += 1
    kept = [one.actor.output.bias for one in pool.players]
    assert torch.equal(kept[0], weights[1])
    assert torch.equal(kept[1], weights[2])
    assert not any(p.requires_grad for one in pool.players for p in one.parameters())


def test_sides_alternate():
    agent = SelfPlay(Nim(5), policies="independent", alternation=2, **SMALL)
    changed = []
    for _ in range(6):
        before = [copy.deepcopy(policy.state_dict()) for policy in agent.all_policies]
        agent.learn(1, reset_num_timesteps=False)
        after = [policy.state_dict() for policy in agent.all_policies]
        changed.append([any(not torch.equal(a[k], b[k]) for k in a) for a, b in zip(before, after, strict=True)])
    assert changed == [[True, False]] * 2 + [[False, True]] * 2 + [[True, False]] * 2


def test_the_penalty_is_the_log_ratio_and_its_mean_the_kl():
    agent = SelfPlay(Nim(9), demonstrations=wise, imitation_updates=1, kl_coef=0.5, **SMALL)
    agent.learn(1)  # the reference is the policy after its one supervised step
    reference = agent.reference[0]
    with torch.no_grad():
        for parameter in agent.policy.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    played = play_games(agent.games, 4000, agent.players(), np.zeros((4000, 2), int))
    rollout = played.rollout(np.ones(len(played.actions), bool), agent.policy)
    before = rollout.rewards.clone()
    kl = penalize_drift(agent.policy, reference, rollout, 0.5)
    penalty = ((before - rollout.rewards) / 0.5)[rollout.valid]
    assert kl > 0.01
    assert float(penalty.mean()) == pytest.approx(kl, abs=4 * float(penalty.std()) / len(penalty) ** 0.5)
    assert penalize_drift(agent.policy, agent.policy, rollout, 0.5) == pytest.approx(0, abs=1e-6)
