"""The gradient by hand is autograd's."""

import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from torch.testing import assert_close

from lhy_rl.functional.policy_gradient import proximal_loss, proximal_slopes
from lhy_rl.nn.policy import ActorCritic
from lhy_rl.nn.twins import Twins

VECTOR = Box(-1, 1, (3,))


@pytest.mark.parametrize("space", [Discrete(5, start=2), Box(-1, 1, (2, 2))], ids=str)
@pytest.mark.parametrize("entropy_coef", [0.0, 0.1])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("masked", [False, True])
def test_twins_are_two_networks(space, entropy_coef, layers, masked):
    torch.manual_seed(0)
    policy = ActorCritic(VECTOR, space, core=None, critic="separate", encoder_layers=layers)
    twins = Twins.of(policy)
    assert twins is not None
    obs = torch.randn(1, 20, 3)
    actions = torch.stack([torch.as_tensor(space.sample()) for _ in range(20)])[None]
    legal = None
    if masked and isinstance(space, Discrete):
        legal = (torch.rand(1, 20, 5) < 0.5).scatter(-1, actions[..., None] - 2, True)
    start = torch.zeros(1, 20, dtype=torch.bool)
    new = policy.evaluate(obs, actions, (), start, entropy=True, legal=legal)
    said = twins.evaluate(obs, actions, legal)
    assert_close(said, (new.log_prob, new.value, new.entropy))

    old = new.log_prob.detach() + 0.2 * torch.randn(1, 20), torch.randn(1, 20), torch.randn(1, 20)
    loss, _ = proximal_loss(new.log_prob, new.value, new.entropy, *old, 0.1, 0.7, entropy_coef)
    _, pulled, pushed = proximal_slopes(*said, *old, 0.1, 0.7)
    expected = torch.autograd.grad(loss, list(policy.parameters()))
    assert_close(twins.pull(pulled, pushed, -entropy_coef / 20), list(expected), atol=1e-6, rtol=1e-4)


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
def test_other_policies_are_no_twins(observed, space, options):
    assert Twins.of(ActorCritic(observed, space, **{"core": None, "critic": "separate", **options})) is None
