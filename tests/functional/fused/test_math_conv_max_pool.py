"""Convolution and maximum over time: against conv1d, and its gradients against finite differences."""

import pytest
import torch
import torch.nn.functional as F

from lhy_rl.functional.fused.conv_max_pool import convolve_max

N, T, E, M = 3, 5, 2, 4


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double, requires_grad=True)


@pytest.mark.parametrize("width", [1, 2, T])
def test_is_conv1d_and_max(width):
    x, weight = draw(N, T, E, seed=0), draw(M, width * E, seed=1)
    kernel = weight.reshape(M, width, E).transpose(1, 2)
    expected = F.conv1d(x.transpose(1, 2), kernel).amax(2)
    got = convolve_max(x, weight, width)
    torch.testing.assert_close(got, expected)
    slope = draw(N, M, seed=2).detach()
    for a, b in zip(
        torch.autograd.grad(got, [x, weight], slope), torch.autograd.grad(expected, [x, weight], slope), strict=True
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("width", [1, 3])
def test_first_and_second_gradients_are_those_of_finite_differences(width):
    inputs = draw(N, T, E, seed=0), draw(M, width * E, seed=1)

    def output(x, weight):
        return convolve_max(x, weight, width)

    assert torch.autograd.gradcheck(output, inputs)
    assert torch.autograd.gradgradcheck(output, inputs)


def test_of_equal_windows_one_gets_the_gradient():
    x = torch.ones(1, 3, 1, requires_grad=True)
    convolve_max(x, torch.tensor([[2.0]]), 1).sum().backward()
    assert x.grad.flatten().tolist() == [0.0, 0.0, 2.0]
