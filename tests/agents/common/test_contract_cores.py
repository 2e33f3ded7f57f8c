"""Every backbone of ours in every agent: it learns, its memory is data, and a saved agent acts as the one that was."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.agents import A2C, BC, GAIL, MLE, PPO, DAgger, Reinforce, SeqGAN
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.nn.backbones.base import cores
from lhy_rl.rollouts.record_episodes import record
from tests.agents.tiny import make_env

CORES = sorted(set(cores.names()) - {"rnn", "gru", "lstm"})
REVERSE = "lhy_rl/Reverse-v0"
SMALL = {"embedding_size": 4, "hidden_size": 5, "seed": 0}
TEXT = {"train_size": 16, "validation_size": 8}


def demonstrations() -> Demonstrations:
    envs = gymnasium.make_vec(REVERSE, num_envs=2, max_length=2)
    return record(envs, lambda *_: (envs.unwrapped.expert_action(),) * 2, 4)  # type: ignore[attr-defined]


AGENTS = {
    "ppo": lambda core: PPO(REVERSE, core=core, num_envs=2, n_steps=12, batch_size=12, n_epochs=1, **SMALL),
    "a2c": lambda core: A2C(REVERSE, core=core, num_envs=2, critic="shared", **SMALL),
    "reinforce": lambda core: Reinforce(REVERSE, core=core, num_envs=2, baseline="critic", **SMALL),
    "bc": lambda core: BC(REVERSE, demonstrations=demonstrations(), core=core, gradient_steps=2, **SMALL),
    "dagger": lambda core: DAgger(REVERSE, core=core, num_envs=2, n_steps=12, gradient_steps=2, **SMALL),
    "gail": lambda core: GAIL(
        REVERSE, demonstrations=demonstrations(), core=core, num_envs=2, n_steps=12, batch_size=12, **SMALL
    ),
    "mle": lambda core: MLE(make_env(2, **TEXT), core=core, gradient_steps=2, **SMALL),
    "seqgan": lambda core: SeqGAN(
        make_env(2, **TEXT), core=core, rollouts=1, pretrain_epochs=1, discriminator="cnn_small",
        discriminator_pretrain_steps=1, discriminator_steps=1, **SMALL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("core", CORES)
def test_it_learns_and_is_saved(core: str, name: str, tmp_path) -> None:
    agent = AGENTS[name](core)
    before = torch.cat([p.detach().flatten().clone() for p in agent.policy.trunk.core.parameters()])
    agent.learn(24)
    after = torch.cat([p.detach().flatten() for p in agent.policy.trunk.core.parameters()])
    assert after.isfinite().all() and not torch.equal(before, after)
    agent.save(tmp_path / "agent.zip")
    again = type(agent).load(tmp_path / "agent.zip", agent.env)
    obs = np.array([0, 1])
    state = start = None
    for _ in range(3):
        action, next_state = agent.predict(obs, state, start, deterministic=True)
        same, _ = again.predict(obs, state, start, deterministic=True)
        assert np.array_equal(action, same)
        state, start = next_state, np.zeros(2, bool)
