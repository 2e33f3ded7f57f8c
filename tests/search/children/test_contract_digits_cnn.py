"""A CNN on digits is trained from its tokens, and live training gives what the table holds."""

import math
import pickle

import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.search.children.digits_cnn import ACTIVATIONS, CNN, cnn_space, digits_cnn, train
from lhy_rl.search.early_stopping import Thresholds
from lhy_rl.search.objective import TableObjective
from lhy_rl.search.table import load_table

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
ONE_LAYER = {name: value for name, value in GOOD.items() if name != "filters_2"} | {"layers": 1}
DIVERGES = {  # in the first epoch: one that only just diverges does so on some processors and not on others
    "layers": 2,
    "filters_1": 4,
    "filters_2": 4,
    "kernel": 3,
    "stride": 1,
    "activation": "identity",
    "optimizer": "momentum",
    "learning_rate": 1.0,
}


def test_a_layer_that_is_not_there_has_no_filters():
    assert SPACE.num_configurations == 2400 == (2 + 4 + 4) * 2 * 2 * 4 * 3 * 5
    assert SPACE.names[2] == "filters_2" and SPACE.encode({**ONE_LAYER, "filters_2": 12})[2] == 0


@pytest.mark.parametrize(("layers", "size"), [(1, 4), (2, 2), (3, 1)])
def test_the_network_is_the_one_that_is_described(layers, size):
    configuration = {**GOOD, "layers": layers}
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


@pytest.mark.parametrize(
    ("configuration", "seed"),
    [(GOOD, 0), (GOOD, 1), ({**GOOD, "activation": "sigmoid"}, 0), ({**ONE_LAYER, "optimizer": "momentum"}, 1)],
)
def test_live_training_agrees_with_the_table(configuration, seed):
    """Bit for bit on a machine like that which made the table; elsewhere sums may come in another order."""
    table, tokens = load_table("digits-cnn"), SPACE.encode(configuration)
    assert table.space.names == SPACE.names and (table.space.sizes == SPACE.sizes).all()
    trial, known = digits_cnn().evaluate(tokens, seed), TableObjective(table).evaluate(tokens, seed)
    assert trial.status == known.status == "complete" and trial.epochs == known.epochs == 9
    np.testing.assert_allclose(np.array(trial.curve), np.array(known.curve), atol=0.02)


def test_what_diverges_has_failed_in_the_table_too():
    tokens = SPACE.encode(DIVERGES)
    assert TableObjective(load_table("digits-cnn")).evaluate(tokens, 0).status == "failed"
    assert digits_cnn().evaluate(tokens, 0).status == "failed"


def test_the_tables_test_scores_are_those_of_the_end():
    table = load_table("digits-cnn")
    tests = [train(GOOD, seed).test for seed in range(table.num_seeds)]
    assert table.test_scores(SPACE.encode(GOOD)[None])[0] == pytest.approx(np.mean(tests), abs=0.02)
