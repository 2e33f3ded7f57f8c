"""Transitions as rows, by hand; discriminators of them; what keeps them smooth."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

from lhy_rl.core.errors import UserError
from lhy_rl.functional.adversarial_penalties import gradient_penalty
from lhy_rl.nn.discriminators.transition import NetworkOptions, make_discriminator
from lhy_rl.nn.discriminators.transition_features import TransitionFeatures

LINE = Box(-10, 10, (2,), np.float32)
OBS, NEXT = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), np.array([[5.0, 6.0], [7.0, 8.0]], np.float32)
ACTIONS, ENDS = np.array([4, 3]), np.array([False, True])


CHOICE = Discrete(2, start=3)


def transition_features(inputs, absorbing=True, action=CHOICE):
    return TransitionFeatures(LINE, action, inputs, absorbing)


def test_rows_by_hand():
    assert transition_features("state").encode(OBS, ACTIONS, NEXT, ENDS).tolist() == [[1, 2, 0], [3, 4, 0]]
    assert transition_features("state_action", False).encode(OBS, ACTIONS, NEXT, ENDS).tolist() == [
        [1, 2, 0, 1],
        [3, 4, 1, 0],
    ]
    whole = transition_features("state_action_next_state").encode(OBS, ACTIONS, NEXT, ENDS)
    assert whole.tolist() == [[1, 2, 0, 0, 1, 5, 6, 0], [3, 4, 0, 1, 0, 0, 0, 1]]  # the end leads to absorption
    plain = transition_features("state_next_state", absorbing=False).encode(OBS, ACTIONS, NEXT, ENDS)
    assert plain.tolist() == [[1, 2, 5, 6], [3, 4, 7, 8]]


def test_the_absorbing_row_is_marks_only():
    assert transition_features("state_action_next_state").encode_absorbing().tolist() == [[0, 0, 1, 0, 0, 0, 0, 1]]


def test_other_spaces_by_hand():
    parts = {"at": MultiDiscrete([2, 3]), "image": Box(0, 255, (1, 8, 8), np.uint8), "action_mask": Box(0, 1, (2,))}
    space = Dict(parts)
    made = TransitionFeatures(space, Box(-1, 1, (1,), np.float32), "state_action", absorbing=False)
    image = np.full((1, 1, 8, 8), 51, np.uint8)
    obs = {"at": np.array([[1, 2]]), "image": image}
    row = made.encode(obs, np.array([[0.5]], np.float32), None, np.array([False]))[0]
    assert row[:5].tolist() == [0, 1, 0, 0, 1]
    torch.testing.assert_close(row[5:69], torch.full((64,), 0.2))
    assert row[69:].tolist() == [0.5]
    with pytest.raises(UserError, match="no discriminator reads Text"):
        TransitionFeatures(gym.spaces.Text(3), Discrete(2), "state", True)
    with pytest.raises(UserError, match="did you mean 'state_action'"):
        transition_features("state_acton")


def test_moments_of_parts_add_up_and_absorbed_is_zero():
    made = transition_features("state_next_state")
    data = torch.cat([torch.randn(300, made.size) * 3 + 2])
    data[:, [2, 5]] = 0.0
    for part in data.split(70):
        made.update_statistics(part)
    torch.testing.assert_close(made.mean, data.mean(0), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(made.variance, data.var(0, correction=0), atol=1e-2, rtol=1e-2)
    assert made.normalize(made.encode_absorbing()).tolist() == made.encode_absorbing().tolist()
    scaled = made.normalize(data)
    assert abs(float(scaled[:, 0].mean())) < 1e-3 and abs(float(scaled[:, 0].std()) - 1) < 1e-2


def test_spectral_norm_bounds_the_slope():
    """Layers that stretch nothing, with tanh between them: no two inputs' scores differ by more than the inputs do."""
    torch.manual_seed(0)
    _, network = make_discriminator("mlp", LINE, Discrete(2), NetworkOptions(spectral=True, hidden_size=16))
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    for _ in range(30):  # pull hard
        x = torch.randn(64, network.features.size)
        optimizer.zero_grad()
        (-(network.forward_embedded(x) * x[:, 0]).mean()).backward()
        optimizer.step()
    network.eval()
    a, b = torch.randn(2, 500, network.features.size).unbind()
    slope = (network.forward_embedded(a) - network.forward_embedded(b)).abs() / (a - b).norm(dim=1)
    assert 0.2 < float(slope.max()) < 1.05


def test_the_gradient_penalty_of_a_line_is_its_slope():
    """s(x) = 3 x_1: the norm of the gradient is 3, the penalty (3 - 1)^2 = 4."""
    x, y = torch.randn(2, 10, 4).unbind()
    weight = torch.tensor([3.0, 0, 0, 0], requires_grad=True)
    penalty = gradient_penalty(lambda z: z @ weight, x, y)
    assert float(penalty) == pytest.approx(4.0, rel=1e-5)
    (slope,) = torch.autograd.grad(penalty, weight)
    assert float(slope[0]) == pytest.approx(4.0, rel=1e-5)  # d/dw (|w| - 1)^2 = 2 (3 - 1)


@pytest.mark.parametrize("name", ["mlp", "autoencoder", "shaped"])
def test_discriminators_learn_what_is_apart(name):
    torch.manual_seed(0)
    inputs = "state_action_next_state" if name == "shaped" else "state_action"
    _, network = make_discriminator(name, LINE, Discrete(2), NetworkOptions(inputs=inputs))
    assert network.is_energy == (name == "autoencoder")
    x = torch.rand(64, network.features.size)
    scores = network(x)
    assert scores.shape == (64,) and network.score(x).shape == (64,) and network.reward_scores(x).shape == (64,)
    assert not network.is_energy or (scores >= 0).all()


def test_shaping_is_a_potential():
    """Over a closed path gamma = 1 shaping sums to nothing: f sums to g."""
    torch.manual_seed(0)
    options = NetworkOptions(inputs="state_action_next_state", absorbing=False, gamma=1.0)
    _, network = make_discriminator("shaped", LINE, Discrete(2), options)
    path = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    path[-1] = path[0]
    made = network.features.encode(path[:-1], np.zeros(5, np.int64), path[1:], np.zeros(5, bool))
    torch.testing.assert_close(network.score(made).sum(), network.reward_scores(made).sum(), atol=1e-5, rtol=1e-5)


def test_unfit_discriminators_speak():
    with pytest.raises(UserError, match="'cnn' reads images"):
        make_discriminator("cnn", LINE, Discrete(2), NetworkOptions())
    image = Box(0, 255, (1, 8, 8), np.uint8)
    with pytest.raises(UserError, match="does not read images"):
        make_discriminator("autoencoder", image, Discrete(2), NetworkOptions())
    assert make_discriminator("auto", image, Discrete(2), NetworkOptions())[0] == "cnn"
    assert make_discriminator("auto", LINE, Discrete(2), NetworkOptions(), "began")[0] == "autoencoder"
