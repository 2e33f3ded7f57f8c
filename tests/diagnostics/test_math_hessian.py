"""Hessians, landscapes and layers of small networks against what is computed otherwise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from gymnasium.spaces import Box, Discrete
from torch import nn

from lhy_rl.diagnostics import hessian
from lhy_rl.diagnostics.activations import layer_statistics
from lhy_rl.diagnostics.landscape import filter_normalized_direction, loss_on_line, loss_on_plane
from lhy_rl.diagnostics.subject import Subject, prepared
from lhy_rl.nn.layers.dense import dense
from lhy_rl.nn.policies.actor_critic import ActorCritic


def subject(activation: str = "tanh", seed: int = 0) -> Subject:
    torch.manual_seed(seed)
    network = prepared(nn.Sequential(dense(3, (4, 4), activation), nn.Linear(4, 2)))
    x, y = torch.randn(20, 3).double(), torch.randint(2, (20,))

    def loss(rows: Any) -> torch.Tensor:
        return F.cross_entropy(network(x if rows is None else x[rows]), y if rows is None else y[rows])

    return Subject(network, loss, 20)


def exact(case: Subject) -> torch.Tensor:
    """By autograd twice; the tanh layers are the fused ones in the first pass only where nothing is plain."""
    from lhy_rl.functional.fused.plain import plain_operations

    parameters = list(case.network.parameters())
    with plain_operations():
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(case.loss(None), parameters, create_graph=True)])
        rows = [torch.autograd.grad(g, parameters, retain_graph=True, allow_unused=True) for g in gradient]
    return torch.stack(
        [
            torch.cat(
                [(torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(row, parameters, strict=True)]
            )
            for row in rows
        ]
    )


@pytest.mark.parametrize("activation", ["tanh", "selu", "gelu"])
def test_products_the_whole_and_its_ends_are_autograds(activation: str) -> None:
    case = subject(activation)
    whole = exact(case)
    torch.testing.assert_close(hessian.whole_hessian(case), whole)
    v = torch.randn(len(whole)).double()
    torch.testing.assert_close(hessian.hessian_product(case)(v), whole @ v)
    torch.testing.assert_close(hessian._central_difference(case, v), whole @ v, rtol=1e-4, atol=1e-6)
    found = hessian.extreme_eigenvalues(case, len(whole), torch.Generator().manual_seed(0))
    values = torch.linalg.eigvalsh(whole)
    assert found.eigenvalues[0].item() == pytest.approx(values[0].item(), abs=1e-8)
    assert found.eigenvalues[-1].item() == pytest.approx(values[-1].item(), abs=1e-8)


def test_the_plain_operations_are_the_fused_ones() -> None:
    from lhy_rl.functional.fused.categorical import linear_log_prob, log_prob_and_entropy
    from lhy_rl.functional.fused.plain import plain_operations
    from lhy_rl.functional.fused.tanh_mlp import tanh_layers

    x, w, b = torch.randn(5, 3), torch.randn(4, 3), torch.randn(4)
    actions, logits = torch.tensor([0, 1, 2, 3, 0]), torch.randn(5, 4)
    logits[0, 2] = -torch.inf
    calls = (
        lambda: tanh_layers(x, w, b),
        lambda: log_prob_and_entropy(logits, actions)[0],
        lambda: log_prob_and_entropy(logits, actions)[1],
        lambda: linear_log_prob(x, w, b, actions, 2.0),
    )
    for call in calls:
        fused = call()
        with plain_operations():
            torch.testing.assert_close(call(), fused)


def test_the_gradient_and_its_noise() -> None:
    case = subject()
    parameters = list(case.network.parameters())
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(case.loss(None), parameters)])
    torch.testing.assert_close(case.gradient(), expected)
    found = hessian.noise_of(case, 5, torch.Generator().manual_seed(0))
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    gradients = torch.stack([case.gradient(order[i : i + 4]) for i in range(0, 20, 4)])
    assert found.variance == pytest.approx(4 * float(gradients.var(0).sum()))


def test_lines_and_planes_leave_the_network_as_it_was() -> None:
    case = subject()
    now, before = case.weights(), float(case.loss(None).detach())
    other = torch.randn_like(now)
    line = loss_on_line(case, other, now, torch.tensor([0.0, 1.0]).double())
    assert line[1].item() == pytest.approx(before)
    x, y = torch.linspace(0, 1, 3).double(), torch.tensor([0.0, 2.0]).double()
    plane = loss_on_plane(case, other, now - other, torch.ones_like(now), x, y)
    assert plane.shape == (2, 3)
    torch.testing.assert_close(plane[0, [0, 2]], line)
    case.set_weights(other + 2)
    assert plane[1, 0].item() == pytest.approx(float(case.loss(None).detach()))
    case.set_weights(now)
    assert float(case.loss(None).detach()) == before


def test_a_direction_has_the_lengths_of_the_units() -> None:
    case = subject()
    direction = filter_normalized_direction(case.network, torch.Generator().manual_seed(0))
    first = next(case.network.parameters())
    torch.testing.assert_close(direction[: first.numel()].view_as(first).norm(dim=1), first.detach().norm(dim=1))


def test_layers_by_hand() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 0], [0, 1], [-1, -1]]))
        network[0].bias.zero_()
    x = torch.tensor([[1.0, 2], [3, 4]])
    (layer,) = layer_statistics(network, lambda: network(x))
    y = torch.tensor([[1.0, 2, 0], [3, 4, 0]])
    assert layer == ("1", pytest.approx(float(y.mean())), pytest.approx(float(y.var())), pytest.approx(1 / 3), 3)
    assert not network[1]._forward_hooks


def test_the_units_of_a_cnn_are_its_maps() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    with torch.no_grad():
        network[0].bias.copy_(torch.tensor([-100.0, 1.0]))
    (layer,) = layer_statistics(network, lambda: network(torch.rand(4, 1, 6, 6)))
    assert layer.units == 2 and layer.dead == 0.5


def test_steps_that_do_not_count_are_in_no_layers_statistics() -> None:
    torch.manual_seed(0)
    valid = torch.tensor([[True, True], [True, False], [True, False]])
    x = torch.where(valid[..., None], torch.randn(3, 2, 4), 100.0)
    policy = ActorCritic(Box(-1, 1, (4,)), Discrete(2), core="gru", hidden_size=3, embedding_size=5, encoder_layers=1)
    start = torch.zeros(3, 2, dtype=torch.bool)

    def run() -> None:
        policy.trunk(x, policy.trunk.initial_state(2), start)

    found = {layer.name: layer for layer in layer_statistics(policy, run, valid)}
    outputs = policy.trunk.encoder(x)[valid]
    assert found["trunk.encoder.layers.1"].mean == pytest.approx(outputs.mean().item(), abs=1e-6)
    assert found["trunk.encoder.layers.1"].variance == pytest.approx(outputs.var().item(), rel=1e-4)
    with torch.no_grad():
        y, _ = policy.trunk(x, policy.trunk.initial_state(2), start)
    assert found["trunk.core"].mean == pytest.approx(y[valid].mean().item(), abs=1e-6)
