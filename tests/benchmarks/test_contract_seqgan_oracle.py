"""SeqGAN's benchmark on the synthetic language can make all that it compares; its quick run learns three of them."""

import pytest
import torch

from benchmarks.seqgan_oracle import GENERATORS, made, make_env, variants
from lhy_rl.agents import MLE

SMALL = {"vocabulary_size": 50, "max_length": 20, "train_size": 64, "test_size": 20, "validation_size": 20}


@pytest.fixture(scope="module")
def env():
    return make_env(SMALL, num_envs=4)


@pytest.mark.parametrize("variant", variants(quick=False), ids=lambda variant: variant.name)
def test_a_variant_can_be_made(variant, env):
    """And goes on from a checkpoint of maximum likelihood, with all of its weights and without dropout."""
    start, agent = MLE(env, **GENERATORS[variant.start]).policy, made(variant, env, 0)
    agent.policy.load_state_dict(start.state_dict())
    assert type(agent) is variant.kind and agent.policy.trunk.dropout.p == 0
    assert all(map(torch.equal, agent.policy.trunk.parameters(), start.trunk.parameters()))
