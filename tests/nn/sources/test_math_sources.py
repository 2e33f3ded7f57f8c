"""Source encoders, attention and copying against what they are defined to be, written out."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import MultiDiscrete
from torch.testing import assert_close

from lhy_rl.core.protocols import SOURCE
from lhy_rl.nn.heads.copying import CopyHead
from lhy_rl.nn.sources import source_encoders
from lhy_rl.nn.sources.attention import AdditiveAttention, CoverageAttention, DotAttention, LocationAttention
from lhy_rl.nn.sources.base import SourceOptions
from tests.nn.sources.blocks import block, make_policy

SOURCES = torch.tensor([[3, 4, 0, 5, 0, 9], [6, 2, 9, 9, 9, 9], [9, 9, 9, 9, 9, 9]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]).bool()


def made(name, **options):
    torch.manual_seed(0)
    return source_encoders[name](MultiDiscrete([10] * 6), SourceOptions(size=4, **options))


def states_of(network, x):
    """(L, E) to (L, H), by torch's own module."""
    return network.layers[0](x[:, None])[0][:, 0]


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_a_recurrent_encoder_reads_each_source_for_itself_in_both_directions(name):
    encoder = made(name, bidirectional=True)
    summary, annotations, mask = encoder(SOURCES, MASK)
    assert torch.equal(mask, MASK)
    for k, length in enumerate((5, 2)):
        x = encoder.embedding(SOURCES[k, :length])
        ahead = states_of(encoder.network.ahead, x)
        back = states_of(encoder.network.back, x.flip(0)).flip(0)
        assert_close(annotations[k, :length], torch.cat([ahead, back], 1))
        assert_close(summary[k], torch.cat([ahead[-1], back[0]]))
    assert not annotations[~MASK].any() and not summary[2].any()


def test_the_mean_of_a_set():
    encoder = made("mean")
    summary, annotations, _ = encoder(SOURCES, MASK)
    x = encoder.embedding(SOURCES[1, :2])
    assert_close(annotations[1, :2], x)
    assert_close(summary[1], x.mean(0))
    assert not summary[2].any()


@pytest.mark.parametrize("name", ["hred", "hred_tokens"])
def test_hred_reads_words_into_turns_and_turns_into_a_dialogue(name):
    encoder = made(name)
    summary, annotations, mask = encoder(SOURCES, MASK)
    for k, turns in enumerate(([[3, 4, 0], [5, 0]], [[6, 2]])):  # the last one is not closed
        words = [states_of(encoder.tokens.ahead, encoder.embedding(torch.tensor(turn))) for turn in turns]
        dialogue = states_of(encoder.turns.ahead, torch.stack([states[-1] for states in words]))
        assert_close(summary[k], dialogue[-1])
        ends = np.cumsum([len(turn) for turn in turns]) - 1
        if name == "hred":
            assert mask[k].nonzero()[:, 0].tolist() == ends.tolist()
            assert_close(annotations[k, ends], dialogue)
        else:
            assert_close(annotations[k][mask[k]], torch.cat([w + z for w, z in zip(words, dialogue, strict=True)]))
    assert not mask[2].any() and not summary[2].any() and not annotations[2].any()


@pytest.mark.parametrize("kind", [DotAttention, AdditiveAttention])
def test_attention_is_its_formula(kind):
    torch.manual_seed(0)
    attention, h, m = kind(3, 4), torch.randn(3, 2, 3), torch.randn(3, 6, 4) * MASK[..., None]
    kept = attention.annotate(m)
    context = attention(h, kept, MASK)
    for n, t in np.ndindex(2, 2):
        real = kept[n][MASK[n]]
        if kind is DotAttention:
            scores = real @ attention.query(h[n, t]) / 4**0.5
        else:
            scores = (attention.query(h[n, t]) + attention.key(m[n][MASK[n]])).tanh() @ attention.score.weight[0]
        weights = torch.softmax(scores, 0)
        assert_close(context[n, t], weights @ real)
        assert_close(attention.weights(h, kept, MASK)[n, t][MASK[n]], weights)
    assert not context[2].any() and not attention.weights(h, kept, MASK)[2].any()  # nothing to look at


@pytest.mark.parametrize("kind", [CoverageAttention, LocationAttention])
def test_an_attention_that_knows_where_it_looked_is_its_formula(kind):
    torch.manual_seed(0)
    attention, h, m = kind(3, 4), torch.randn(3, 3, 3), torch.randn(3, 6, 4) * MASK[..., None]
    before = torch.rand(3, 6) * MASK
    weights, alignments = attention.run(h, attention.annotate(m), MASK, before)
    for n in range(2):
        real, alignment, side = MASK[n], before[n], attention.width // 2
        for t in range(3):
            near = torch.stack(
                [torch.nn.functional.pad(alignment, (side, side))[k : k + 2 * side + 1] for k in range(6)]
            )
            hidden = attention.query(h[n, t]) + attention.key(m[n]) + near @ attention.location.weight.T
            expected = torch.softmax((hidden.tanh() @ attention.score.weight[0])[real], 0)
            assert_close(weights[n, t][real], expected)
            assert not weights[n, t][~real].any()
            alignment = weights[n, t] + (alignment if kind is CoverageAttention else 0)
            assert_close(alignments[n, t], alignment)
    assert not weights[2].any()


def test_copying_mixes_two_distributions():
    head = CopyHead(3, 4, start=2)  # the words are 2 to 5
    weights, tokens = torch.tensor([[0.5, 0.25, 0.0, 0.25]]), torch.tensor([[4.0, 2.0, 4.0, 9.0]])  # 9 is no word
    features = torch.randn(1, 3)
    h = torch.cat([features, weights, tokens], 1)
    g = torch.sigmoid(head.gate(features))[0, 0]
    expected = (g + (1 - g) * 0.25) * torch.softmax(head.output(features), 1)[0]
    expected = expected + (1 - g) * torch.tensor([0.25, 0.0, 0.5, 0.0])
    assert_close(expected.sum(), torch.tensor(1.0))
    assert_close(head.log_probs(h)[0].exp(), expected)
    for word in range(4):
        assert_close(head.log_prob(h, torch.tensor([word + 2]))[0].exp(), expected[word])
        assert_close(head.evaluate(h, torch.tensor([word + 2])).log_prob[0].exp(), expected[word])
    draws = head.sample(h.expand(20_000, -1), torch.Generator().manual_seed(0)) - 2
    assert_close(torch.bincount(draws, minlength=4) / 20_000, expected, atol=0.02, rtol=0.0)
    mask = torch.tensor([[True, False, True, False]])
    masked = head.log_probs(h, action_mask=mask)[0].exp()
    assert_close(masked, expected * mask[0] / expected[mask[0]].sum())


def test_copying_reaches_a_word_that_the_generator_never_writes():
    head = CopyHead(3, 4)
    with torch.no_grad():
        head.output.bias[1] = -torch.inf
    h = torch.cat([torch.randn(2, 3), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0]] * 2)], 1)
    p = head.log_prob(h, torch.tensor([1, 1])).exp()
    assert_close(p[0], torch.sigmoid(-head.gate(h[0, :3]))[0])
    assert p[1] < 1e-30
    head.log_prob(h[:1], torch.tensor([1])).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())


@pytest.mark.parametrize("encoder", ["gru", "lstm", "hred_tokens"])
@pytest.mark.parametrize("attention", ["none", "dot", "additive"])
def test_gradients_equal_finite_differences(encoder, attention):
    copy = attention != "none"
    policy = make_policy(source_encoder=encoder, attention=attention, copy=copy, source_bidirectional=True).double()
    obs, start, actions = block(6, 3)
    obs[SOURCE][..., 1] = 0  # ends a turn
    weights = torch.randn(2, 6, 3, dtype=torch.float64)

    def loss():
        new = policy.evaluate(obs, actions, policy.initial_state(3), start)
        return (torch.stack([new.log_prob, new.value]) * weights).sum()

    parameters = list(policy.parameters())
    gradients = torch.autograd.grad(loss(), parameters)
    for name, parameter, gradient in zip(dict(policy.named_parameters()), parameters, gradients, strict=True):
        direction = torch.randn_like(parameter)
        with torch.no_grad():
            values = []
            for step in (1e-5, -2e-5):
                parameter.add_(direction, alpha=step)
                values.append(float(loss()))
            parameter.add_(direction, alpha=1e-5)
        expected = (values[0] - values[1]) / 2e-5
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-4, abs=1e-6), name
        assert gradient.any(), name


def test_a_block_begins_with_what_was_read_before_and_that_has_no_gradient():
    policy, (obs, start, actions) = make_policy(), block(4, 3, starts=0.0)
    state = policy.read_sources({key: x[0] for key, x in obs.items()}, policy.initial_state(3))
    other = {**obs, SOURCE: (obs[SOURCE] + 1) % 9}  # it is not looked at
    one, two = (policy.evaluate(x, actions, state, torch.zeros_like(start)).log_prob for x in (obs, other))
    assert torch.equal(one, two)
    one.sum().backward()
    assert all(parameter.grad is None for parameter in policy.trunk.source.encoder.parameters())


def test_tokens_whose_places_begin_at_different_numbers_are_read():
    space = MultiDiscrete([4, 4, 4], start=[0, 2, 5])
    encoder = source_encoders.get("mean")(space, SourceOptions(size=6))
    last = torch.as_tensor(space.start + space.nvec - 1)[None]
    assert encoder(last, torch.ones(1, 3, dtype=torch.bool)).annotations.shape == (1, 3, 6)
