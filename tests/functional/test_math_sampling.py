"""Sampling: frequencies, tokens that must not be drawn, reproducibility, edges of the block search."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lhy_rl.functional import sample_categorical
from lhy_rl.functional.sampling import BLOCK, invert_cumulative


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def chi_square(counts, probabilities):
    """Pearson's statistic and its degrees of freedom, over the tokens that can occur."""
    possible = probabilities > 0
    assert counts[~possible].sum() == 0
    expected = probabilities[possible] * counts.sum()
    assert expected.min() >= 5, "too few draws for the approximation"
    return float(((counts[possible] - expected).square() / expected).sum()), int(possible.sum()) - 1


def assert_distributed(tokens, probabilities):
    counts = torch.bincount(tokens, minlength=len(probabilities)).double()
    statistic, freedom = chi_square(counts, probabilities)
    # Four standard deviations of the chi-square distribution: mean k, variance 2 k, and its skew for small k.
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5 + 10


@pytest.mark.parametrize("size", [2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 17])
@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_frequencies_are_the_softmax(size, temperature):
    logits = torch.rand(size, generator=seeded(size)) * 2 - 1
    tokens = sample_categorical(logits.expand(60_000, -1), seeded(1), temperature)
    assert_distributed(tokens, (logits.double() / temperature).softmax(-1))


def test_the_frequency_test_notices_a_small_bias():
    logits = torch.randn(100, generator=seeded()) * 0.7
    tokens = sample_categorical(logits.expand(60_000, -1), seeded(1), temperature=0.9)
    with pytest.raises(AssertionError):
        assert_distributed(tokens, logits.double().softmax(-1))


def test_rows_have_their_own_distributions():
    logits = torch.full((200, 150), -torch.inf)
    wanted = torch.randint(150, (200,), generator=seeded())
    logits[torch.arange(200), wanted] = 3.0
    assert torch.equal(sample_categorical(logits, seeded()), wanted)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 3 * BLOCK + 5), st.floats(0.01, 1.0))
def test_tokens_of_weight_zero_are_never_drawn(seed, size, share):
    generator = seeded(seed)
    weights = torch.rand(64, size, generator=generator) * (torch.rand(64, size, generator=generator) < share)
    weights[torch.arange(64), torch.randint(size, (64,), generator=generator)] = 1e-3  # at least one positive
    tokens = invert_cumulative(weights, generator)
    assert (weights.gather(1, tokens[:, None]) > 0).all()


@pytest.mark.parametrize("size", [3, BLOCK, 2 * BLOCK + 3])
@pytest.mark.parametrize("possible", [[0], [1, 2], [0, 1, 2], None], ids=str)
@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2**-24, 1.0])
def test_the_ends_of_the_uniform_range_hit_possible_tokens(uniform, possible, size, monkeypatch):
    """1 is never drawn, but a number just below it times the sum of the weights may round up to the sum."""
    possible = list(range(size)) if possible is None else possible
    weights = torch.zeros(1, size)
    weights[0, possible] = 0.7
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.full(shape, uniform))
    assert invert_cumulative(weights).item() == (possible[0] if uniform == 0.0 else possible[-1])


def test_rounding_between_blocks_hits_no_impossible_token(monkeypatch):
    """The draw falls on the border of two blocks, and the second begins with a token of weight 0."""
    weights = torch.rand(5_000, 5, BLOCK, generator=seeded())
    weights[:, :, 0] = 0
    blocks = weights.sum(-1)  # (N, 5)
    borders = blocks.cumsum(-1)[:, 1:2] / blocks.sum(-1, keepdim=True)
    weights = weights.flatten(1)
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: borders)
    tokens = invert_cumulative(weights)
    assert (weights.gather(1, tokens[:, None]) > 0).all()


def test_same_generator_same_draws():
    logits = torch.randn(50, 130, generator=seeded())
    first, again, other = (sample_categorical(logits, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_draws_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    sample_categorical(torch.zeros(5, 10), seeded())
    assert torch.equal(before, torch.get_rng_state())


def test_logits_are_not_changed():
    logits = torch.randn(5, 10, generator=seeded())
    kept = logits.clone()
    for options in ({}, {"temperature": 0.5}, {"top_k": 3}, {"top_k": 3, "temperature": 2.0}, {"temperature": 0.0}):
        sample_categorical(logits, seeded(), **options)
        assert torch.equal(logits, kept)


def test_temperature_zero_takes_the_best():
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, -1.0, 4.9]])
    assert sample_categorical(logits, seeded(), temperature=0.0).tolist() == [1, 0]


def test_top_k_keeps_the_best_and_their_proportions():
    logits = torch.tensor([0.0, 1.0, -2.0, 0.5, -1.0])
    tokens = sample_categorical(logits.expand(20_000, -1), seeded(), top_k=3)
    assert_distributed(tokens, torch.where(logits > -1, logits, -torch.inf).double().softmax(-1))
    assert sample_categorical(logits[None], seeded(), top_k=1).item() == 1
    everything = sample_categorical(logits.expand(20_000, -1), seeded(), top_k=99)
    assert_distributed(everything, logits.double().softmax(-1))


def test_huge_logits_do_not_overflow():
    logits = torch.tensor([[1e4, 1e4 - 1.0, -1e4]])
    tokens = sample_categorical(logits.expand(20_000, -1), seeded())
    assert_distributed(tokens, torch.tensor([0.0, -1.0, -torch.inf]).double().softmax(-1))
