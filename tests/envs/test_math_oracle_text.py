"""OracleText: rewards are the true likelihood, values are exact, the paper's file gives the paper's levels."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import KnownDensity
from lhy_rl.envs.text.oracle import OracleText, OracleTextEnv

PAPER = Path(__file__).parents[3] / "shared" / "data" / "seqgan_oracle.npz"
SMALL: dict[str, Any] = {"vocabulary_size": 6, "max_length": 4, "hidden_size": 5, "embedding_size": 3}


def write(env: OracleText, tokens: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Rewards (N, T) of writing these sentences, and the last info."""
    env.reset(seed=0)
    rewards = []
    for t in range(tokens.shape[1]):
        _, reward, terminated, _, info = env.step(tokens[:, t])
        assert terminated.all() == (t == tokens.shape[1] - 1)
        rewards.append(reward)
    return np.stack(rewards, 1), info


@pytest.mark.parametrize("reward", ["likelihood", "final", "none"])
def test_reward_and_info(reward: str) -> None:
    env = OracleText(50, reward=reward, **SMALL)
    tokens = np.random.default_rng(0).integers(0, 6, (50, 4))
    rewards, info = write(env, tokens)
    true = env.log_likelihood(tokens)
    np.testing.assert_allclose(info["log_likelihood"], true, atol=1e-5)
    assert info["_log_likelihood"].all()
    if reward == "likelihood":
        np.testing.assert_allclose(rewards.sum(1), true, atol=1e-5)
        np.testing.assert_allclose(rewards, env.oracle.token_log_probs(torch.from_numpy(tokens)).numpy(), atol=1e-5)
    elif reward == "final":
        np.testing.assert_allclose(rewards[:, -1], true, atol=1e-5)
        assert (rewards[:, :-1] == 0).all()
    else:
        assert (rewards == 0).all()


def test_no_info_before_the_end() -> None:
    env = OracleText(2, **SMALL)
    assert env.reset()[1] == {} and env.step(np.array([1, 2]))[4] == {}


def test_all_sentences_and_the_best_return() -> None:
    env = OracleText(6**4, **SMALL)
    everything = env.oracle.enumerate(4)
    rewards, _ = write(env, everything.tokens)
    np.testing.assert_allclose(np.exp(rewards.sum(1)).sum(), 1.0, atol=1e-5)
    np.testing.assert_allclose(rewards.sum(1).max(), everything.log_probs.max(), atol=1e-5)


def test_log_likelihood_needs_tokens_of_the_vocabulary() -> None:
    env = OracleText(1, **SMALL)
    assert isinstance(env, KnownDensity) and isinstance(OracleTextEnv(**SMALL), KnownDensity)
    for tokens, message in [
        ([[0, 6]], "must lie in 0 to 5; got 0 to 6"),
        ([[-1, 0]], "must lie"),
        ([0, 1], r"shape \(2,\)"),
        ([[0.5]], "whole numbers"),
    ]:
        with pytest.raises(UserError, match=message):
            env.log_likelihood(np.array(tokens))


def test_sequences_are_drawn_from_the_oracle() -> None:
    env = OracleText(1, test_size=30_000, **SMALL)
    tokens = env.sequences("test").tokens
    p = np.exp(env.oracle.enumerate(4).log_probs)
    frequency = np.bincount(tokens @ 6 ** np.arange(3, -1, -1), minlength=6**4) / 30_000
    assert np.all(np.abs(frequency - p) < 5 * np.sqrt(p * (1 - p) / 30_000) + 2e-4)
    assert env.sequences("test") is env.sequences("test")  # drawn once


def test_seeds_of_oracle_and_data() -> None:
    def train(**kwargs: int) -> np.ndarray:
        return OracleText(1, train_size=50, **SMALL, **kwargs).sequences("train").tokens

    np.testing.assert_array_equal(train(), train())
    assert not np.array_equal(train(), train(data_seed=1))
    assert not np.array_equal(train(), train(oracle_seed=1))
    env = OracleText(1, train_size=7, validation_size=3, test_size=5, **SMALL)
    assert [len(env.sequences(split)) for split in ("train", "validation", "test")] == [7, 3, 5]
    with pytest.raises(UserError, match="unknown split 'tests'; did you mean 'test'"):
        env.sequences("tests")  # type: ignore[arg-type]


def test_oracle_from_a_file(tmp_path: Path) -> None:
    drawn = OracleText(3, oracle_seed=4, **SMALL)
    path = str(tmp_path / "oracle.npz")
    np.savez(path, **drawn.oracle.weights)  # type: ignore[arg-type]
    read = OracleText(3, oracle_path=path, **SMALL)
    tokens = np.random.default_rng(0).integers(0, 6, (3, 4))
    np.testing.assert_array_equal(write(drawn, tokens)[0], write(read, tokens)[0])
    with pytest.raises(UserError, match="other sizes; give vocabulary_size=6, embedding_size=3, hidden_size=5"):
        OracleText(1, oracle_path=path)
    with pytest.raises(UserError, match="no oracle"):
        OracleText(1, oracle_path="/nowhere/oracle.npz")


def test_bad_sizes() -> None:
    for name in ("hidden_size", "embedding_size", "train_size", "validation_size", "test_size"):
        with pytest.raises(UserError, match=f"{name}=0 is not allowed; must be a whole number of at least 1"):
            OracleText(1, **{**SMALL, name: 0})
    for name in ("oracle_seed", "data_seed"):
        with pytest.raises(UserError, match=f"{name}=-1 is not allowed"):
            OracleText(1, **{**SMALL, name: -1})


@pytest.mark.skipif(not PAPER.exists(), reason=f"the paper's oracle file is not at {PAPER}")
def test_paper_levels_as_returns() -> None:
    env = OracleText(500, oracle_path=str(PAPER), test_size=500)
    uniform, _ = write(env, np.random.default_rng(0).integers(0, 5000, (500, 20)))
    assert abs(-uniform.mean() - 11.44) < 0.06
    own, info = write(env, env.sequences("test").tokens)
    assert abs(-own.mean() - 5.754) < 0.06
    np.testing.assert_allclose(info["log_likelihood"], env.log_likelihood(env.sequences("test").tokens), rtol=1e-4)


def test_step_is_fast() -> None:
    env = OracleText(64, autoreset_mode="SameStep")
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, 5000, (40, 64))
    best = np.inf
    for _ in range(4):
        start = time.process_time()
        for action in actions:
            env.step(action)
        best = min(best, (time.process_time() - start) / len(actions))
    assert best < 0.004, f"{best * 1e3:.2f} ms a step"  # about 1 ms on a quiet core
