"""Beam search on a hidden Markov model, where Viterbi's algorithm finds the most probable states exactly.

Given what was observed, the states are a Markov chain of their own: p(z_t | z_{t-1}, x) = A B beta_t / beta_{t-1}, with
the backward messages beta. A policy that writes the states with these probabilities is decoded.
"""

from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lhy_rl.nn.decoding import beam_search

STATES, SYMBOLS, LENGTH = 4, 3, 6
TASK: Any = SimpleNamespace(start_token=STATES, pad_token=STATES + 1, end_token=None, max_length=LENGTH)


class PosteriorOfStates:
    """A policy whose tokens are the states of a hidden Markov model, given its observations (T,)."""

    device = torch.device("cpu")
    observation_space = None

    def __init__(self, first: np.ndarray, transitions: np.ndarray, emissions: np.ndarray, observed: np.ndarray) -> None:
        self.joint = [first[None] * emissions[:, observed[0]]]
        self.joint += [transitions * emissions[:, symbol] for symbol in observed[1:]]  # (z, z') of p(z', x' | z)
        beta, tables = np.ones(STATES), []
        for joint in reversed(self.joint):
            tables.append(joint * beta / (joint @ beta)[:, None])
            beta = joint @ beta
        self.evidence = float(beta[0])
        self.tables = torch.from_numpy(np.stack([np.broadcast_to(t, (STATES, STATES)) for t in reversed(tables)]))
        self.categorical = SimpleNamespace(log_probs=lambda h: h)

    def initial_state(self, n: int) -> tuple[torch.Tensor]:
        return (torch.zeros(n, dtype=torch.int64),)

    def step(self, token: torch.Tensor, state: tuple[torch.Tensor]) -> tuple[torch.Tensor, tuple[torch.Tensor]]:
        (time,) = state
        return self.tables[time, token.clamp(max=STATES - 1)].log(), (time + 1,)

    def log_joint(self, states: np.ndarray) -> float:
        """log p(z, x)."""
        pairs = zip(self.joint, (0, *states[:-1]), states, strict=True)
        return float(sum(np.log(joint[before, now]) for joint, before, now in pairs))

    def viterbi(self) -> tuple[list[int], float]:
        """The most probable states, and log p(z, x) of them."""
        best, came_from = np.log(self.joint[0][0]), []
        for joint in self.joint[1:]:
            through = best[:, None] + np.log(joint)
            came_from.append(through.argmax(0))
            best = through.max(0)
        path = [int(best.argmax())]
        for back in reversed(came_from):
            path.insert(0, int(back[path[0]]))
        return path, float(best.max())


def model(seed: int) -> PosteriorOfStates:
    rng = np.random.default_rng(seed)
    first, transitions = rng.dirichlet(np.ones(STATES)), rng.dirichlet(0.4 * np.ones(STATES), STATES)
    emissions = rng.dirichlet(0.6 * np.ones(SYMBOLS), STATES)
    return PosteriorOfStates(first, transitions, emissions, rng.integers(SYMBOLS, size=LENGTH))


def found(hmm: Any, width: int) -> tuple[list[int], float]:
    states, scores = beam_search(hmm, TASK, width)
    return states.tokens[0].tolist(), float(scores[0]) + np.log(hmm.evidence)  # log p(z | x) + log p(x)


def test_viterbi_is_the_best_of_all():
    hmm = model(0)
    everything = list(product(range(STATES), repeat=LENGTH))
    scores = [hmm.log_joint(np.array(states)) for states in everything]
    path, score = hmm.viterbi()
    assert path == list(everything[int(np.argmax(scores))]) and score == pytest.approx(max(scores))
    assert np.exp(scores).sum() == pytest.approx(hmm.evidence)


def test_a_beam_finds_what_viterbi_finds_and_greedy_does_not():
    exact = [model(seed).viterbi() for seed in range(30)]
    for seed, (path, score) in enumerate(exact[:3]):
        states, value = found(model(seed), STATES ** (LENGTH - 1))
        assert states == path and value == pytest.approx(score, abs=1e-5)
    gaps = {width: [e[1] - found(model(seed), width)[1] for seed, e in enumerate(exact)] for width in (1, 2, 4)}
    assert all(gap > -1e-5 for width in gaps for gap in gaps[width])
    greedy, two, four = (float(np.mean(gaps[width])) for width in (1, 2, 4))
    assert greedy > 0.05 and two < greedy  # nats
    assert four < 0.1 * greedy  # as many as there are states: nine tenths of the gap are closed
    assert sum(gap < 1e-5 for gap in gaps[4]) > sum(gap < 1e-5 for gap in gaps[1])
