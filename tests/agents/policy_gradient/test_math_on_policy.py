"""Actor-critic updates against closed forms and definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lhy_rl.agents import A2C, PPO
from lhy_rl.functional.policy_gradient import reinforce_loss
from lhy_rl.rollouts.final_values import final_values
from tests.agents.small_envs import Always, Parrot

SMALL = {"num_envs": 4, "n_steps": 16, "embedding_size": 16, "hidden_size": 16}


def vector(make, n=4, mode=AutoresetMode.SAME_STEP):
    return SyncVectorEnv([make] * n, autoreset_mode=mode)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize("core", [None, "gru"])
def test_truncation_bootstraps_and_termination_does_not(mode, core):
    """Reward 1 for ever is worth 1 / (1 - gamma); with an end after 10 steps that is seen, less."""
    values = {}
    for ending in ("truncated", "terminated"):
        env = vector(lambda ending=ending: Always(ending), mode=mode)
        agent = PPO(env, **{**SMALL, "n_steps": 32}, core=core, gamma=0.8, learning_rate=0.01, batch_size=128, seed=0)
        agent.learn(128 * 12)
        batch = agent.compute_advantages(agent.collector.collect(32))
        values[ending] = float(batch.values.mean())
    assert values["truncated"] == pytest.approx(5.0, abs=0.25)
    assert values["terminated"] < 4.0


def test_the_advantages_do_not_depend_on_how_the_environment_resets():
    """Next-step and same-step autoreset show the same episodes; the step that only resets is no step to learn from."""
    batches = []
    for mode in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
        agent = PPO(vector(Always, 1, mode), **{**SMALL, "n_steps": 22}, seed=3)
        batches.append(agent.compute_advantages(agent.collector.collect(22)))
    same, following = batches
    assert same.advantages.shape == (1, 22) and following.advantages.shape == (1, 20)
    np.testing.assert_allclose(same.advantages[0, :20], following.advantages[0], atol=1e-5)
    np.testing.assert_array_equal(following.start[0].nonzero()[:, 0], [0, 10])


@pytest.mark.parametrize("core", [None, "lstm"])
def test_the_first_step_is_the_vanilla_policy_gradient(core):
    agent = PPO(vector(Parrot), **SMALL, core=core, normalize_advantage=False, value_coef=0.0, seed=0)
    batch = agent.compute_advantages(agent.collector.collect(16))
    agent.policy.train()
    new = agent.policy.evaluate(batch.obs, batch.actions, batch.state, batch.start, entropy=True)
    torch.testing.assert_close((new.log_prob - batch.log_prob).exp(), torch.ones_like(new.log_prob), atol=1e-4, rtol=0)
    expected = torch.autograd.grad(
        reinforce_loss(new.log_prob, batch.advantages), agent.parameters.parameters, materialize_grads=True
    )
    agent.gradient(next(agent.minibatches(batch)), 0.2)
    torch.testing.assert_close(agent.parameters.grad, torch.cat([g.flatten() for g in expected]), atol=1e-6, rtol=1e-3)


def test_a_truncated_recurrent_critic_reads_the_episode_up_to_its_last_observation():
    """The value behind a cut is the one that reading the whole episode in one piece gives."""
    agent = PPO(vector(lambda: Parrot(length=5), 2), **{**SMALL, "n_steps": 7}, core="gru", critic="separate", seed=1)
    steps = agent.collector.collect(7)
    (t, i, final), *_ = steps.truncated_final_obs
    assert t == 4
    episode = torch.cat([steps.obs[:5, i], torch.as_tensor(final)[None]])[:, None]
    start = torch.zeros(6, 1, dtype=torch.bool)
    start[0] = True
    with torch.no_grad():
        whole, _ = agent.policy.value(episode, agent.policy.initial_state(1), start)
    where = torch.tensor([t + 1]), torch.tensor([i])
    found = final_values(agent.policy, steps.obs, steps.start, steps.state, *where, [final])
    assert float(found) == pytest.approx(float(whole[5, 0]), abs=1e-5)


def test_pieces_of_a_recurrent_rollout_begin_with_the_memory_that_was_there():
    agent = PPO(vector(Parrot), **SMALL, core="lstm", bptt_steps=4, seed=0)
    steps = agent.collector.collect(16)
    pieces = agent.compute_advantages(steps)
    vars(agent)["bptt_steps"] = 16  # which nobody else may change
    agent.collector.state = steps.state
    whole = agent.compute_advantages(steps)
    assert pieces.shape == (4, 16) and whole.shape == (16, 4)
    for name in ("log_prob", "values", "advantages"):
        cut = getattr(pieces, name).view(4, 4, 4).transpose(0, 1).reshape(16, 4)
        torch.testing.assert_close(cut, getattr(whole, name), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [A2C, PPO])
@pytest.mark.parametrize("core", [None, "gru"])
def test_same_seed_same_weights(kind, core):
    agents = [kind(vector(Parrot), **SMALL, core=core, seed=5).learn(200) for _ in range(2)]
    for a, b in zip(*(agent.policy.parameters() for agent in agents), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", [A2C, PPO])
@pytest.mark.parametrize("action", ["discrete", "box"])
def test_the_gradient_by_hand_learns_what_autograd_learns(kind, action):
    def learned(by_hand):
        agent = kind(vector(lambda: Parrot("box", action)), **SMALL, entropy_coef=0.01, seed=0)
        assert agent.manual is not None
        if not by_hand:
            agent.manual = None
        return agent.learn(64 * 3).parameters.vector

    torch.testing.assert_close(learned(True), learned(False), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("options", [{}, {"activation": "relu"}, {"core": "gru", "bptt_steps": 16}])
@pytest.mark.parametrize(("target_kl", "least", "most"), [(None, 30, 32), (1e-6, 1, 1)])
def test_target_kl_is_looked_at_before_every_step(options, target_kl, least, most):
    """The first step begins where the policy played; it moves it, and so the second is not made."""
    shape = {"num_envs": 8, "n_steps": 64, "batch_size": 16, "n_epochs": 1, "learning_rate": 0.01}
    agent = PPO("CartPole-v1", **shape, target_kl=target_kl, seed=0, **options).learn(8 * 64)
    assert least <= int(agent.optimizer.state[agent.parameters.vector]["step"]) <= most


def test_target_kl_bounds_how_far_an_update_goes():
    class Watched(PPO):
        def descend(self, batch):
            metrics = super().descend(batch)
            change = self.policy.evaluate(batch.obs, batch.actions, (), batch.start).log_prob.detach() - batch.log_prob
            ends.append(float((change.exp() - 1 - change).mean()))
            return metrics

    def furthest(target_kl):
        ends.clear()
        shape = {"num_envs": 8, "n_steps": 64, "batch_size": 16, "n_epochs": 1, "learning_rate": 0.02}
        Watched("CartPole-v1", **shape, target_kl=target_kl, seed=0).learn(8 * 64 * 3)
        return max(ends)

    ends: list[float] = []
    assert furthest(0.015) < 0.08 < furthest(None)  # one epoch, whose mean would be looked at too late
