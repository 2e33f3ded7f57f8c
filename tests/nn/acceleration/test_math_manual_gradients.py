"""The gradient by hand is autograd's."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from torch.testing import assert_close

from lhy_rl.agents.common.rollout_batch import Arrays
from lhy_rl.functional.policy_gradient import (
    approximate_kl,
    clip_fraction,
    clipped_surrogate,
    reinforce_loss,
    value_loss,
)
from lhy_rl.nn.acceleration.flat_parameters import FlatParameters
from lhy_rl.nn.acceleration.manual_gradients import ManualActorCritic, a2c_gradient, ppo_gradient
from lhy_rl.nn.policies.actor_critic import ActorCritic

VECTOR, BYTES = Box(-1, 1, (3,)), Box(0, 255, (3, 2), np.uint8)
LOSSES = {
    "ppo": (
        lambda new, old: [
            clipped_surrogate(new[0] - old.log_prob, old.advantages, 0.1),
            value_loss(new[1], old.returns),
            new[2].mean(),
            approximate_kl(new[0] - old.log_prob),
            clip_fraction(new[0] - old.log_prob, 0.1),
        ],
        lambda manual, steps, *coefs: ppo_gradient(manual, steps, 0.1, *coefs),
    ),
    "a2c": (
        lambda new, old: [
            reinforce_loss(new[0], old.advantages),
            value_loss(new[1], old.returns),
            new[2].mean(),
        ],
        a2c_gradient,
    ),
}


@pytest.mark.parametrize("space", [Discrete(5, start=2), Box(-1, 1, (2, 2))], ids=str)
@pytest.mark.parametrize("observed", [VECTOR, BYTES], ids=["numbers", "bytes"])
@pytest.mark.parametrize("entropy_coef", [0.0, 0.1])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_by_hand_is_autograd(space, observed, entropy_coef, layers, masked, loss):
    torch.manual_seed(0)
    policy = ActorCritic(
        observed, space, core=None, critic="separate", encoder_layers=layers, log_std_init=-0.3 * isinstance(space, Box)
    )
    parameters = FlatParameters(policy)
    manual = ManualActorCritic.of(policy, parameters)
    assert manual is not None
    obs = torch.stack([torch.as_tensor(observed.sample()) for _ in range(20)])
    actions = torch.stack([torch.as_tensor(space.sample()) for _ in range(20)])
    action_mask = None
    if masked and isinstance(space, Discrete):
        action_mask = (torch.rand(20, 5) < 0.5).scatter(-1, actions[:, None] - 2, True)
    start, mask = torch.zeros(1, 20, dtype=torch.bool), None if action_mask is None else action_mask[None]
    found = policy.evaluate(obs[None], actions[None], (), start, entropy=True, action_mask=mask)
    new = found.log_prob[0], found.value[0], found.entropy[0]
    by_hand = manual.evaluate(obs.numpy(), actions.numpy(), None if action_mask is None else action_mask.numpy())
    assert_close([torch.as_tensor(x) for x in by_hand], list(new))

    old = Arrays(obs, actions, new[0].detach() + 0.2 * torch.randn(20), torch.randn(20), torch.randn(20), action_mask)
    terms, gradient = LOSSES[loss]
    stats = terms(new, old)
    expected = torch.autograd.grad(stats[0] + 0.7 * stats[1] - entropy_coef * stats[2], parameters.parameters)
    found = gradient(manual, Arrays._make(None if x is None else x.numpy() for x in old), 0.7, entropy_coef)
    assert_close(found, torch.stack(stats).detach(), atol=1e-6, rtol=1e-5)
    assert_close(parameters.grads, list(expected), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("observed", "space", "options"),
    [
        (VECTOR, Discrete(2), {"critic": "shared"}),
        (VECTOR, Discrete(2), {"core": "gru"}),
        (VECTOR, Discrete(2), {"activation": "relu"}),
        (VECTOR, Discrete(2), {"dropout": 0.1}),
        (VECTOR, MultiDiscrete([2, 2]), {}),
        (Discrete(3), Discrete(2), {}),
    ],
)
def test_other_policies_are_left_to_autograd(observed, space, options):
    policy = ActorCritic(observed, space, **{"core": None, "critic": "separate", **options})
    assert ManualActorCritic.of(policy, FlatParameters(policy)) is None


def test_double_precision_is_left_to_autograd():
    policy = ActorCritic(VECTOR, Discrete(2), core=None, critic="separate").double()
    assert ManualActorCritic.of(policy, FlatParameters(policy)) is None
