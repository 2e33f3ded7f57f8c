"""The optimizer of a formula is torch's own where the formula is."""

import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.nn.rule_optimizer import RuleOptimizer


def trajectory(make, factor=lambda step: 1.0, reload=None):
    """The losses and the last weights of 12 steps on a small regression."""
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    for parameter in network.parameters():
        parameter.data.normal_(generator=generator)
    x = torch.randn(12, 16, 4, generator=generator, dtype=torch.double)
    optimizer = make(network.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(step + 1))
    for step, batch in enumerate(x):
        if step == reload:
            state = optimizer.state_dict()
            optimizer = make(network.parameters())
            optimizer.load_state_dict(state)
        optimizer.zero_grad()
        (network(batch) - batch.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()
        schedule.step()
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


@pytest.mark.parametrize(
    ("formula", "lr", "theirs", "factor"),
    [
        ("g", 0.1, lambda p: torch.optim.SGD(p, 0.1), None),
        ("adam", 0.01, lambda p: torch.optim.Adam(p, 0.01), None),
        ("rmsprop", 0.01, lambda p: torch.optim.RMSprop(p, 0.01), None),
        # torch sums the gradients, and has no correction of the bias towards 0
        ("m", 0.1, lambda p: torch.optim.SGD(p, 0.01, momentum=0.9), lambda step: 1 / (1 - 0.9**step)),
    ],
)
def test_it_is_torchs(formula, lr, theirs, factor):
    expected = trajectory(theirs, factor or (lambda step: 1.0))
    torch.testing.assert_close(trajectory(lambda p: RuleOptimizer(p, formula, lr)), expected, rtol=1e-6, atol=1e-9)


def test_it_goes_on_from_its_state():
    def make(parameters):
        return RuleOptimizer(parameters, "sign(m) * exp(sign(g) * sign(m))", 0.01)

    torch.testing.assert_close(trajectory(make, reload=5), trajectory(make), rtol=0, atol=0)


def test_bad_input():
    weights = [torch.zeros(2, requires_grad=True)]
    with pytest.raises(UserError, match="is not an update rule"):
        RuleOptimizer(weights, "adamw")
    with pytest.raises(UserError, match="lr"):
        RuleOptimizer(weights, "g", lr=-1.0)
