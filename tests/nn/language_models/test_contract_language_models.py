"""Every language model, over the registry: a distribution, that learns, survives a file, and speaks of bad input."""

import numpy as np
import pytest
import torch

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.nn.language_models.base import LanguageModel, language_models, load_language_model, make_language_model
from lhy_rl.nn.language_models.ngram import NGramModel
from lhy_rl.nn.language_models.rnn import PolicyModel

V = 7
NETWORK = {"embedding_size": 8, "hidden_size": 16, "batch_size": 32}
SMALL = {"ngram": {}, "neural": NETWORK, "rnn": NETWORK}


def counting(n, seed, longest=9):
    """Sentences that count up, or down, from anywhere, and end with 0: two tokens tell what comes next."""
    rng = np.random.default_rng(seed)
    tokens, lengths = np.full((n, longest), V + 1), np.zeros(n, np.int64)
    for i in range(n):
        up, at = rng.random() < 0.5, int(rng.integers(2, V - 1))
        row = list(range(at, V)) if up else list(range(at, 0, -1))
        tokens[i, : len(row) + 1], lengths[i] = [*row, 0], len(row) + 1
    return TokenSequences(tokens, lengths)


TEXT = counting(400, 0)


@pytest.fixture(scope="module", params=language_models.names())
def fitted(request):
    options = SMALL[request.param] | ({} if request.param == "ngram" else {"epochs": 8, "learning_rate": 0.03})
    return make_language_model(request.param, V, **options).fit(TEXT)


def test_sums_to_one(fitted):
    for prefix in ([], [3], [3, 4], [6, 6, 6, 1]):
        rows = np.array([[*prefix, word] for word in range(V)])
        last = fitted.log_probs(rows, np.full(V, len(prefix) + 1))[:, -1]
        assert np.exp(last).sum() == pytest.approx(1, abs=1e-5)


def test_learns_what_two_tokens_tell(fitted):
    """Up or down is seen from two tokens: what is left is the first token, and the second where both go on."""
    held_out = counting(200, 1)
    assert fitted.perplexity(held_out) < 1.9  # one token of context reaches 2.2, none 6.5
    shuffled = TokenSequences(np.random.default_rng(0).permuted(TEXT.tokens % V, axis=1), TEXT.lengths)
    assert fitted.perplexity(shuffled) > 10


def test_perplexity_is_that_of_the_log_probabilities(fitted):
    text = counting(30, 2)
    log_probs = fitted.log_probs(text.tokens, text.lengths)
    assert log_probs.shape == text.tokens.shape and log_probs.dtype == np.float64
    assert (log_probs[~text.mask] == 0).all() and (log_probs[text.mask] < 0).all()
    assert fitted.perplexity(text) == pytest.approx(np.exp(-log_probs[text.mask].mean()))


def test_a_sentence_is_scored_alike_in_any_batch(fitted):
    text = counting(30, 3)
    whole = fitted.log_probs(text.tokens, text.lengths)
    other = text.tokens[4:5].copy()
    other[:, text.lengths[4] :] = 10**6  # nothing behind the end is read
    np.testing.assert_allclose(fitted.log_probs(other, text.lengths[4:5])[0], whole[4], atol=1e-5)
    nothing = fitted.log_probs(text.tokens[:2], np.zeros(2, int))
    assert (nothing == 0).all() and fitted.log_probs(text.tokens[:0], text.lengths[:0]).shape == (0, 9)


def test_a_file_gives_the_same_scores(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    other = load_language_model(tmp_path / "model.zip")
    assert type(other) is type(fitted) and other.options == fitted.options and repr(other) == repr(fitted)
    scores, wanted = (model.log_probs(TEXT.tokens, TEXT.lengths) for model in (other, fitted))
    np.testing.assert_array_equal(scores, wanted)
    assert make_language_model(tmp_path / "model.zip", V).options == fitted.options
    with pytest.raises(UserError, match="vocabulary of 7, and the text one of 8"):
        make_language_model(tmp_path / "model.zip", 8)


def test_a_damaged_file_is_one_line(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    tree = archive.read(tmp_path / "model.zip")
    damages = (
        {"kind": "agent"}, {"name": "posix:system"}, {"name": "tetragram"}, {"state": {}}, {"state": None},
        {"options": {"size": 3}}, {"options": tree["options"] | {"vocabulary_size": 9}},
    )  # fmt: skip
    for damage in damages:
        archive.write(tmp_path / "odd.zip", tree | damage)
        with pytest.raises(UserError) as error:
            load_language_model(tmp_path / "odd.zip")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("tokens", "lengths", "message"),
    [
        ([[0, V]], [2], f"token {V} is not in the vocabulary; allowed: 0 to {V - 1}"),
        ([[-1]], [1], "token -1"),
        ([[0.5]], [1], "whole numbers"),
        ([0, 1], [1], "whole numbers"),
        ([[0, 1]], [1, 1], "whole numbers"),
        ([[0, 1]], [3], "allowed: 0 to 2"),
        ([[0, 1]], [-1], "lengths go from -1"),
    ],
)
def test_bad_sentences(fitted, tokens, lengths, message):
    with pytest.raises(UserError, match=message):
        fitted.log_probs(np.array(tokens), np.array(lengths))


@pytest.mark.parametrize("name", language_models.names())
def test_nothing_to_learn_from(name):
    nothing = TokenSequences(np.zeros((2, 3), int), np.zeros(2, int))
    for empty in (nothing, nothing[:0]):
        with pytest.raises(UserError, match="no sentence to learn from"):
            make_language_model(name, V, **SMALL[name]).fit(empty)
    with pytest.raises(UserError, match="perplexity needs at least one sentence"):
        make_language_model(name, V, **SMALL[name]).perplexity(nothing)


@pytest.mark.parametrize("name", ["neural", "rnn"])
def test_same_seed_same_weights_whatever_the_user_draws(name):
    found = []
    for drawn in (0, 5):
        torch.rand(drawn)
        options = SMALL[name] | ({"dropout": 0.3} if name == "rnn" else {})
        model = make_language_model(name, V, epochs=2, seed=3, **options).fit(TEXT)
        found.append(model.log_probs(TEXT.tokens, TEXT.lengths))
    np.testing.assert_array_equal(*found)
    third = make_language_model(name, V, epochs=2, seed=4, **SMALL[name]).fit(TEXT)
    assert np.abs(third.log_probs(TEXT.tokens, TEXT.lengths) - found[0]).max() > 1e-3


@pytest.mark.parametrize("name", ["neural", "rnn"])
def test_the_best_epoch_is_kept(name):
    """Validated on what contradicts the training, training only makes it worse: the first epoch stays."""
    other = TokenSequences(np.full((5, 2), 3), np.full(5, 2))
    kept = make_language_model(name, V, epochs=6, learning_rate=0.02, **SMALL[name]).fit(TEXT, other)
    last = make_language_model(name, V, epochs=6, learning_rate=0.02, **SMALL[name]).fit(TEXT)
    assert kept.perplexity(other) < 0.8 * last.perplexity(other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_language_model("trigram", V), "did you mean 'ngram'"),
        (lambda: make_language_model(3, V), "allowed: a LanguageModel"),
        (lambda: make_language_model("ngram", V, order=6), "from 1 to 5"),
        (lambda: make_language_model("ngram", 0), "vocabulary_size=0"),
        (lambda: make_language_model("neural", V, order=1), "order=1"),
        (lambda: make_language_model("neural", V, hidden_size=0), "nothing connects"),
        (lambda: make_language_model("rnn", V, core="lstn"), "did you mean 'lstm'"),
        (lambda: make_language_model("rnn", V, epochs=0), "epochs is 0"),
        (lambda: NGramModel(V).log_probs(TEXT.tokens, TEXT.lengths), "n-gram model is not fitted"),
        (lambda: load_language_model("nowhere.zip"), "cannot read"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(UserError, match=message):
        make()


class Uniform(LanguageModel):
    """Somebody's own."""

    def fit(self, sequences, validation=None):
        return self

    def score(self, tokens, lengths):
        return np.where(np.arange(tokens.shape[1]) < lengths[:, None], -np.log(self.vocabulary_size), 0.0)

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def test_ones_own_class(tmp_path):
    model = make_language_model(Uniform, V)
    assert model.perplexity(TEXT) == pytest.approx(V)
    model.save(tmp_path / "own.zip")
    assert load_language_model(tmp_path / "own.zip", Uniform).perplexity(TEXT) == pytest.approx(V)
    with pytest.raises(UserError, match="a file may not choose what is imported"):
        load_language_model(tmp_path / "own.zip")


def test_an_agents_policy_is_a_language_model():
    import gymnasium

    from lhy_rl.agents import MLE
    from lhy_rl.nn.decoding import nll_per_token

    envs = gymnasium.make_vec("lhy_rl/OracleText-v0", vocabulary_size=V, max_length=4, train_size=20, test_size=20)
    agent = MLE(envs, hidden_size=8, embedding_size=8, dropout=0.5, seed=0)
    agent.policy.train()
    model, test = PolicyModel(agent.policy, agent.task), agent.task.sequences("test")
    first, second = model.perplexity(test), model.perplexity(test)
    assert first == second and agent.policy.training  # without dropout, and training goes on
    agent.policy.eval()
    assert np.log(first) == pytest.approx(nll_per_token(agent.policy, test, agent.task), abs=1e-6)
    with pytest.raises(UserError, match="an agent's policy"):
        model.fit(test)
