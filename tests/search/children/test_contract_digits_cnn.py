"""A CNN on digits is trained from its tokens, and live training gives what the table holds."""

import math
import pickle

import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.search.children.digits_cnn import ACTIVATIONS, CNN, cnn_space, digits_cnn, train
from lhy_rl.search.early_stopping import Thresholds

SPACE = cnn_space()
GOOD = {
    "layers": 2,
    "filters_1": 4,
    "filters_2": 12,
    "kernel": 3,
    "stride": 2,
    "activation": "relu",
    "optimizer": "adam",
    "learning_rate": 0.03,
}
DIVERGES = {
    "layers": 1,
    "filters_1": 12,
    "kernel": 1,
    "stride": 2,
    "activation": "identity",
    "optimizer": "momentum",
    "learning_rate": 1.0,
}


def test_a_layer_that_is_not_there_has_no_filters():
    assert SPACE.num_configurations == 5376 == (2 + 4 + 8) * 2 * 2 * 4 * 4 * 6
    assert SPACE.encode(DIVERGES)[2:4].tolist() == [0, 0]


@pytest.mark.parametrize(("layers", "size"), [(1, 4), (2, 2), (3, 1)])
def test_the_network_is_the_one_that_is_described(layers, size):
    configuration = {**GOOD, "layers": layers, "filters_3": 12}
    network = CNN(configuration, torch.Generator().manual_seed(0))
    filters = [4, 12, 12][:layers]
    assert [tuple(weight.shape) for weight in network.weights[::2]] == [
        (out, inputs, 3, 3) for inputs, out in zip([1, *filters], filters, strict=False)
    ] + [(10, filters[-1] * size * size)]
    modules = []
    for inputs, out in zip([1, *filters], filters, strict=False):
        modules += [torch.nn.Conv2d(inputs, out, 3, stride=2, padding=1), torch.nn.ReLU()]
    reference = torch.nn.Sequential(*modules, torch.nn.Flatten(), torch.nn.Linear(filters[-1] * size * size, 10))
    with torch.no_grad():
        for mine, theirs in zip(network.weights, reference.parameters(), strict=True):
            theirs.copy_(mine)
    pictures = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(pictures), reference(pictures))


def test_activations_are_those_of_their_names():
    x = torch.linspace(-3, 3, 7)
    assert torch.equal(ACTIVATIONS["identity"](x), x)
    torch.testing.assert_close(ACTIVATIONS["swish"](x), x / (1 + (-x).exp()))


def test_training_from_tokens_learns_and_repeats_itself():
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    objective = digits_cnn()
    trial = objective.evaluate(SPACE.encode(GOOD), 0)
    assert trial.score is not None and trial.score > 0.85
    assert [step for step, _ in trial.curve] == list(range(1, 10)) and trial.epochs == 9
    assert trial.curve == pickle.loads(pickle.dumps(objective)).evaluate(SPACE.encode(GOOD), 0).curve
    assert trial.curve != objective.evaluate(SPACE.encode(GOOD), 1).curve
    assert torch.equal(before, torch.get_rng_state()) and threads == torch.get_num_threads()
    assert trial.curve[:3] == digits_cnn(epochs=3).evaluate(SPACE.encode(GOOD), 0).curve


def test_a_training_that_diverges_is_a_failed_trial():
    trial = digits_cnn().evaluate(SPACE.encode(DIVERGES), 0)
    assert trial.score is None and trial.status == "failed" and "nan" in trial.failure
    curve = train(DIVERGES, 0)
    assert math.isnan(curve.validation[-1]) and math.isnan(curve.test) and len(curve.validation) == 9


def test_a_training_is_stopped_at_a_rung():
    trial = digits_cnn().evaluate(SPACE.encode(GOOD), 0, Thresholds((3.0,), (0.999,)))
    assert trial.status == "stopped" and trial.epochs == 3 and len(trial.curve) == 3


def test_no_epochs_is_bad_input():
    with pytest.raises(UserError, match="epochs is 0"):
        digits_cnn(epochs=0)
