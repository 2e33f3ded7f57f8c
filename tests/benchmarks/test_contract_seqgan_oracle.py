"""SeqGAN's benchmark on the synthetic language can make all that it compares; its quick run learns three of them."""

import pytest

from benchmarks.seqgan_oracle import GENERATORS, made, make_env, variants
from lhy_rl.agents import MLE

SMALL = {"vocabulary_size": 50, "max_length": 20, "train_size": 64, "test_size": 20, "validation_size": 20}


@pytest.fixture(scope="module")
def env():
    return make_env(SMALL, num_envs=4)


@pytest.mark.parametrize("variant", variants(quick=False), ids=lambda variant: variant.name)
def test_a_variant_can_be_made(variant, env):
    """And goes on from a checkpoint of maximum likelihood, as a policy of the same weights."""
    start = MLE(env, **GENERATORS[variant.start])
    made(variant, env, 0).policy.load_state_dict(start.policy.state_dict())
