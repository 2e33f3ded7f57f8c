"""The neural language model by its equation; its matrix of log-probabilities has a low rank."""

import numpy as np
import pytest
import torch

from lhy_rl.core.protocols import TokenSequences
from lhy_rl.nn.language_models.neural import NeuralModel, windows
from lhy_rl.nn.language_models.rnn import RecurrentModel


def test_windows_by_hand():
    found = windows(torch.tensor([[1, 2, 3], [4, 5, 6]]), 2, 9)
    assert found.tolist() == [[[9, 9], [9, 1], [1, 2]], [[9, 9], [9, 4], [4, 5]]]


@pytest.mark.parametrize(("hidden", "direct"), [(3, False), (3, True), (0, True)])
def test_equation_one(hidden, direct):
    """log softmax(b + U tanh(d + H x) + W x) (Bengio et al. 2003, eq. 1), at the third token of a sentence."""
    model = NeuralModel(5, order=3, embedding_size=2, hidden_size=hidden, direct=direct, seed=1)
    state = {name: value.double().numpy() for name, value in model.state_dict().items()}
    x = np.concatenate([state["embedding.weight"][4], state["embedding.weight"][1]])  # the oldest first
    hx = np.tanh(state["hidden.bias"] + state["hidden.weight"] @ x) if hidden else np.zeros(0)
    logits = state["head.output.bias"] + state["head.output.weight"][:, :hidden] @ hx
    if direct:
        logits = logits + state["head.output.weight"][:, hidden:] @ x
    wanted = logits - np.log(np.exp(logits).sum())
    rows = np.array([[4, 1, word] for word in range(5)])
    np.testing.assert_allclose(model.log_probs(rows, np.full(5, 3))[:, 2], wanted, atol=1e-5)


def bigrams(model, vocabulary):
    """(V, V): log p(column | row) of the tokens that follow one token."""
    pairs = np.array([[c, w] for c in range(vocabulary) for w in range(vocabulary)])
    return model.log_probs(pairs, np.full(len(pairs), 2))[:, 1].reshape(vocabulary, vocabulary)


def test_the_matrix_of_log_probabilities_is_a_product_of_thin_ones():
    """log p(w | c) = f(c) . g(w) + b(w) - log Z(c): rank E + 2 at most, however many tokens there are."""
    model = NeuralModel(12, order=2, embedding_size=3, hidden_size=0, direct=True, seed=0)
    values = np.linalg.svd(bigrams(model, 12), compute_uv=False)
    assert values[5] < 1e-5 * values[0] < values[4]


def test_a_log_bilinear_model_factorises_the_counts():
    """As wide as the vocabulary, it becomes the empirical p(w | c); with one dimension it cannot."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(6, 0.5), 6)
    tokens = np.array([[c, rng.choice(6, p=p[c])] for c in rng.integers(6, size=3000)])
    counts = np.zeros((6, 6))
    np.add.at(counts, (tokens[:, 0], tokens[:, 1]), 1)
    empirical, text = counts / counts.sum(1, keepdims=True), TokenSequences(tokens, np.full(3000, 2))

    def distance(width):
        options = {"embedding_size": width, "hidden_size": 0, "direct": True, "epochs": 20, "learning_rate": 0.05}
        model = NeuralModel(6, order=2, batch_size=300, **options).fit(text)
        return np.abs(np.exp(bigrams(model, 6)) - empirical).max()

    assert distance(6) < 0.03 < 0.1 < distance(1)


@pytest.mark.parametrize("make", [lambda: NeuralModel(5, 3, 2, 3, True), lambda: RecurrentModel(5, "gru", 2, 3)])
def test_gradients_are_finite_differences(make):
    model = make()
    model.network.double()
    tokens, mask = torch.tensor([[1, 2, 0], [3, 0, 0]]), torch.tensor([[True, True, True], [True, True, False]])
    loss = model.token_log_probs(tokens, mask).sum()
    loss.backward()
    for parameter in (p for p in model.network.parameters() if p.grad is not None):
        index = int(parameter.grad.abs().argmax())
        flat, found = parameter.data.view(-1), []
        for step in (1e-6, -1e-6):
            flat[index] += step
            found.append(model.token_log_probs(tokens, mask).sum().item())
            flat[index] -= step
        assert (found[0] - found[1]) / 2e-6 == pytest.approx(float(parameter.grad.view(-1)[index]), abs=1e-6)
