"""The oracle against plain formulas, enumeration and the paper's levels."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.envs.text.oracle_lstm import Enumeration, OracleLSTM

PAPER = Path(__file__).parents[3] / "shared" / "data" / "seqgan_oracle.npz"
needs_paper = pytest.mark.skipif(not PAPER.exists(), reason=f"the paper's oracle file is not at {PAPER}")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def plain_log_prob(weights: dict[str, np.ndarray], sentence: list[int]) -> float:
    """log p of one sentence, formula by formula, in float64."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    h = c = np.zeros(w["bi"].shape)
    last, total = 0, 0.0
    for token in sentence:
        x = w["emb"][last]
        i = sigmoid(x @ w["Wi"] + h @ w["Ui"] + w["bi"])
        f = sigmoid(x @ w["Wf"] + h @ w["Uf"] + w["bf"])
        o = sigmoid(x @ w["Wo_gate"] + h @ w["Uo_gate"] + w["bo_gate"])
        g = np.tanh(x @ w["Wc"] + h @ w["Uc"] + w["bc"])
        c = f * c + i * g
        h = o * np.tanh(c)
        logits = h @ w["W_out"] + w["b_out"]
        total += logits[token] - np.log(np.exp(logits).sum())
        last = token
    return float(total)


@pytest.mark.parametrize("vocabulary_size", [7, 200])
def test_log_prob_is_the_formula(vocabulary_size: int) -> None:
    oracle = OracleLSTM.from_seed(vocabulary_size, 5, 6, seed=3)
    tokens = np.random.default_rng(0).integers(0, vocabulary_size, (70, 4))
    expected = [plain_log_prob(oracle.weights, sentence) for sentence in tokens.tolist()]
    np.testing.assert_allclose(oracle.log_prob(torch.from_numpy(tokens)).numpy(), expected, rtol=2e-5)


def test_log_prob_with_logits_too_large_for_a_bare_exponential() -> None:
    oracle = OracleLSTM.from_seed(7, 5, 6, seed=3)
    large = OracleLSTM({**oracle.weights, "b_out": oracle.weights["b_out"] + np.float32(200)})
    assert oracle._bounded and not large._bounded
    tokens = torch.randint(0, 7, (9, 4), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(large.log_prob(tokens), oracle.log_prob(tokens), atol=1e-3, rtol=1e-4)
    draws = [o.sample(500, 4, torch.Generator().manual_seed(1)) for o in (oracle, large)]
    assert (draws[0] == draws[1]).float().mean() > 0.99


def test_step_by_step_is_the_whole_sentence() -> None:
    oracle = OracleLSTM.from_seed(50, 4, 6, seed=1)
    tokens = np.random.default_rng(0).integers(0, 50, (37, 5))
    h = c = np.zeros((37, 6), np.float32)
    last, steps = np.zeros(37, np.int64), []
    for t in range(5):
        log_prob, h, c = oracle.step(last, tokens[:, t], h, c)
        last = tokens[:, t]
        steps.append(log_prob)
    whole = oracle.token_log_probs(torch.from_numpy(tokens)).numpy()
    np.testing.assert_allclose(np.stack(steps, 1), whole, atol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3, 15, 16, 17, 64])
def test_step_gives_a_row_the_same_bits_in_any_batch(n: int) -> None:
    oracle = OracleLSTM.from_seed(5000, 32, 32, seed=0)
    rng = np.random.default_rng(0)
    last, token = rng.integers(0, 5000, (2, 64))
    h, c = rng.standard_normal((2, 64, 32)).astype(np.float32)
    whole = oracle.step(last, token, h, c)
    for part, reference in zip(oracle.step(last[-n:], token[-n:], h[-n:], c[-n:]), whole, strict=True):
        np.testing.assert_array_equal(part, reference[-n:])


def test_same_seed_same_oracle() -> None:
    first, again, other = (OracleLSTM.from_seed(30, 4, 5, seed) for seed in (4, 4, 5))
    for name, array in first.weights.items():
        np.testing.assert_array_equal(array, again.weights[name])
        assert not np.array_equal(array, other.weights[name])
    wide = OracleLSTM.from_seed(5000, 32, 32, seed=0).weights
    assert abs(wide["emb"].mean()) < 0.01 and abs(wide["emb"].std() - 1) < 0.01
    assert abs(wide["W_out"].std() - 1) < 0.01


def test_sample_follows_the_probabilities() -> None:
    oracle = OracleLSTM.from_seed(3, 4, 4, seed=0)
    n = 40_000
    drawn = oracle.sample(n, 3, torch.Generator().manual_seed(0)).numpy()
    counts = np.bincount(drawn @ [9, 3, 1], minlength=27) / n
    p = np.exp(oracle.enumerate(3).log_probs)
    assert np.all(np.abs(counts - p) < 4.5 * np.sqrt(p * (1 - p) / n) + 1e-4)


def test_sample_is_seeded_and_greedy_is_the_best_token() -> None:
    oracle = OracleLSTM.from_seed(40, 4, 4, seed=0)
    first, again, other = (oracle.sample(80, 5, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    greedy = oracle.sample(2, 1, temperature=0.0)
    best = oracle.enumerate(1).step_log_probs[0].argmax()
    assert greedy.ravel().tolist() == [best, best]


# ------------------------------------------------------------------ enumeration
def test_enumeration_is_exact() -> None:
    oracle = OracleLSTM.from_seed(4, 3, 5, seed=2)
    everything = oracle.enumerate(3)
    assert everything.tokens.shape == (64, 3) and everything.tokens[27].tolist() == [1, 2, 3]
    np.testing.assert_allclose(np.exp(everything.log_probs).sum(), 1.0, atol=1e-12)
    expected = [plain_log_prob(oracle.weights, sentence) for sentence in everything.tokens.tolist()]
    np.testing.assert_allclose(everything.log_probs, expected, atol=1e-10)
    np.testing.assert_allclose(
        oracle.log_prob(torch.from_numpy(everything.tokens)).numpy(), everything.log_probs, atol=1e-4
    )


def test_values_by_hand() -> None:
    half = np.log(0.5)
    everything = Enumeration([np.array([[half, half]]), np.log(np.array([[0.25, 0.75], [0.5, 0.5]]))])
    np.testing.assert_allclose(np.exp(everything.log_probs), [0.125, 0.375, 0.25, 0.25])
    expected = everything.expected_values(np.array([1.0, 2.0, 3.0, 5.0]))
    np.testing.assert_allclose(expected[1], [1.75, 4.0])
    np.testing.assert_allclose(expected[0], [2.875])


def test_entropy_estimate_meets_the_exact_entropy() -> None:
    oracle = OracleLSTM.from_seed(5, 4, 4, seed=0)
    log_p = oracle.enumerate(4).log_probs
    exact = -(np.exp(log_p) * log_p).sum() / 4
    mean, error = oracle.entropy(3000, 4, torch.Generator().manual_seed(0))
    assert 0 < error < 0.02 and abs(mean - exact) < 4 * error


def test_too_many_sentences_are_refused() -> None:
    with pytest.raises(UserError, match=r"100 \*\* 4 sentences are too many"):
        OracleLSTM.from_seed(100, 3, 3, seed=0).enumerate(4)


# ------------------------------------------------------------------ files
def test_file_holds_the_same_oracle(tmp_path: Path) -> None:
    oracle = OracleLSTM.from_seed(11, 3, 4, seed=0)
    np.savez(tmp_path / "oracle.npz", **oracle.weights)
    again = OracleLSTM.from_file(tmp_path / "oracle.npz")
    tokens = torch.randint(0, 11, (9, 4), generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.log_prob(tokens), oracle.log_prob(tokens))


def broken_file(kind: str, folder: Path) -> Path:
    """An oracle's file with one thing wrong."""
    weights: dict[str, np.ndarray] = dict(OracleLSTM.from_seed(11, 3, 4, seed=0).weights)
    path = folder / "oracle.npz"
    match kind:
        case "absent":
            return path
        case "folder":
            return folder
        case "text":
            path.write_text("not an archive")
            return path
        case "npy":
            np.save(folder / "one.npy", np.zeros(3))
            return folder / "one.npy"
        case "missing":
            del weights["Uf"]
        case "shape":
            weights["bc"] = np.zeros(5, np.float32)
        case "transposed":
            weights["W_out"] = weights["W_out"].T.copy()
        case "nan":
            weights["emb"][2, 1] = np.nan
        case "integers":
            weights["bi"] = np.zeros(4, np.int64)
        case "pickle":
            weights["bi"] = np.array([print, None], dtype=object)
        case "scalar":
            weights["emb"] = np.float32(1.0)
    np.savez(path, **weights)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:900])
    if kind == "flipped":
        data = bytearray(path.read_bytes())
        data[300] ^= 0xFF
        path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("absent", "no oracle"),
        ("folder", "no oracle"),
        ("text", "is not loaded"),
        ("npy", "a single array"),
        ("missing", "missing arrays Uf"),
        ("shape", r"bc has shape \(5,\), must be \(4,\)"),
        ("transposed", "must be"),
        ("nan", "emb must hold finite"),
        ("integers", "bi must hold finite floating"),
        ("pickle", "is not loaded"),
        ("scalar", r"emb has shape \(\)"),
        ("truncated", "cut off or damaged"),
        ("flipped", "cut off or damaged"),
    ],
)
def test_bad_file_is_one_line(kind: str, message: str, tmp_path: Path) -> None:
    path = broken_file(kind, tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        OracleLSTM.from_file(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


# ------------------------------------------------------------------ the paper's levels
@needs_paper
def test_paper_oracle_levels() -> None:
    oracle = OracleLSTM.from_file(PAPER)
    generator = torch.Generator().manual_seed(0)
    mean, error = oracle.entropy(2000, 20, generator)
    assert error < 0.006 and abs(mean - 5.754) < 0.01
    uniform = torch.randint(0, 5000, (2000, 20), generator=generator)
    assert abs(float(-oracle.log_prob(uniform).mean() / 20) - 11.44) < 0.02
    greedy = oracle.sample(1, 20, temperature=0.0)
    assert abs(float(-oracle.log_prob(greedy).mean() / 20) - 2.76) < 0.01


def test_seeded_oracle_level() -> None:
    oracle = OracleLSTM.from_seed(5000, 32, 32, seed=0)
    mean, error = oracle.entropy(1000, 20, torch.Generator().manual_seed(0))
    print(f"entropy of the oracle of seed 0: {mean:.3f} +- {error:.3f} nats a token")
    assert 5.7 < mean < 6.3  # this one measured 5.83; the reference saw 5.90 to 6.10 for others
    uniform = torch.randint(0, 5000, (500, 20), generator=torch.Generator().manual_seed(1))
    assert 11.0 < float(-oracle.log_prob(uniform).mean() / 20) < 12.5


def test_speed_of_sampling_and_scoring() -> None:
    oracle = OracleLSTM.from_seed(5000, 32, 32, seed=0)
    best = {"sample": np.inf, "score": np.inf}
    for _ in range(3):
        start = time.process_time()
        tokens = oracle.sample(640, 20, torch.Generator().manual_seed(0))
        middle = time.process_time()
        oracle.log_prob(tokens)
        end = time.process_time()
        best = {"sample": min(best["sample"], middle - start), "score": min(best["score"], end - middle)}
    # 10,000 sentences in 2 to 3 CPU-seconds on a quiet core; torch.multinomial alone would take 20
    assert best["sample"] * 10_000 / 640 < 8 and best["score"] * 10_000 / 640 < 8, best
