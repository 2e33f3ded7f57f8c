"""Stacked children: the gradient by hand is autograd's, and each child is what it is alone."""

import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.search.children.batched_mlp import BLOCK, BatchedMLP

B, N, SIZES = BLOCK + 3, 7, (5, 6, 4, 3)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(B, N, SIZES[0])).astype(np.float32)
    return x, rng.integers(SIZES[-1], size=(B, N))


def by_autograd(mlp, row, x, labels):
    """The loss and gradient of one child, by torch."""
    flat = torch.tensor(row, requires_grad=True)
    h, first = torch.tensor(x), 0
    for layer, (inputs, outputs) in enumerate(mlp.shapes):
        weights = flat[first : first + inputs * outputs].view(inputs, outputs)
        first += inputs * outputs
        h = h @ weights + flat[first : first + outputs]
        first += outputs
        h = h.relu() if layer < len(mlp.shapes) - 1 else h
    loss = torch.nn.functional.cross_entropy(h, torch.tensor(labels))
    loss.backward()
    return loss.item(), flat.grad.numpy()


@pytest.mark.parametrize("sizes", [SIZES, (5, 3)], ids=["two hidden layers", "none"])
@pytest.mark.parametrize("shared", [False, True], ids=["own inputs", "shared inputs"])
def test_gradient(data, sizes, shared):
    x, labels = (array[0] for array in data) if shared else data
    mlp = BatchedMLP(sizes)
    parameters = mlp.initial(range(B)) + np.float32(0.1)  # biases that are not 0, too
    losses, gradient = mlp.gradient(parameters, x, labels)
    for child in (0, BLOCK - 1, BLOCK, B - 1):
        own = (x, labels) if shared else (x[child], labels[child])
        loss, expected = by_autograd(mlp, parameters[child], *own)
        assert losses[child] == pytest.approx(loss, rel=1e-5)
        np.testing.assert_allclose(gradient[child], expected, atol=1e-6)
    np.testing.assert_allclose(losses, mlp.loss(parameters, x, labels), rtol=1e-6)


def test_loss_and_accuracy_by_hand():
    mlp = BatchedMLP((1, 2))
    parameters = np.array([[0, 0, 0, 0], [1, 0, 0, 0]], np.float32)  # weights 1, 0 and biases 0, 0 of the second
    x, labels = np.array([[0.0], [np.log(3)]], np.float32), np.array([0, 1])
    expected = [np.log(2), (np.log(2) + np.log(4)) / 2]  # P(1 | log 3) = 1 / 4
    np.testing.assert_allclose(mlp.loss(parameters, x, labels), expected, rtol=1e-6)
    assert mlp.accuracy(parameters, x, labels).tolist() == [0.5, 0.5]
    assert mlp.num_parameters == 4


def test_a_child_is_what_it_is_alone(data):
    x, labels = data
    mlp = BatchedMLP(SIZES)
    together, alone = mlp.initial(range(B)), mlp.initial([4])
    assert np.array_equal(together[4], alone[0]) and not np.array_equal(together[3], together[4])
    losses, gradient = mlp.gradient(together, x, labels)
    loss, grad = mlp.gradient(alone, x[4:5], labels[4:5])
    assert losses[4] == loss[0] and np.array_equal(gradient[4], grad[0])


def test_a_diverged_child_disturbs_no_other(data):
    x, labels = data
    mlp = BatchedMLP(SIZES)
    parameters = mlp.initial(range(B))
    expected = mlp.gradient(parameters, x, labels)
    parameters[2] = np.nan
    parameters[3] *= np.float32(1e30)
    losses, gradient = mlp.gradient(parameters, x, labels)
    assert not np.isfinite(losses[2:4]).any()
    rest = np.delete(np.arange(B), [2, 3])
    assert np.array_equal(losses[rest], expected[0][rest]) and np.array_equal(gradient[rest], expected[1][rest])


def test_weights_have_the_variance_that_relu_needs():
    mlp = BatchedMLP((64, 32, 10))
    (first, bias), (second, _) = mlp.layers(mlp.initial(range(40)))
    assert first.var() == pytest.approx(2 / 64, rel=0.02) and second.var() == pytest.approx(2 / 32, rel=0.03)
    assert not bias.any()


def test_sizes_that_are_none():
    with pytest.raises(UserError, match="at least two"):
        BatchedMLP((3,))
    with pytest.raises(UserError, match="sizes=0"):
        BatchedMLP((3, 0))
