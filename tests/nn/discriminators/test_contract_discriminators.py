"""Every discriminator, over the registry; and the exact places where public ports went wrong."""

import pytest
import torch

from lhy_rl.nn.discriminators.sequence import ConvolutionalDiscriminator, discriminators

V, T, N = 30, 7, 50


@pytest.fixture(params=discriminators.names())
def network(request):
    torch.manual_seed(0)
    return discriminators.get(request.param)(V, T, dropout=0.5)


@pytest.fixture
def sentences():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(V, (N, T), generator=generator), torch.randint(1, T + 1, (N,), generator=generator)


def test_one_number_a_sentence_with_gradients(network, sentences):
    outputs = network(*sentences)
    assert outputs.shape == (N,)
    outputs.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    if network.is_energy:
        assert (outputs >= 0).all()


@pytest.mark.parametrize("number", [3, N])  # a convolution scores few sentences directly, many by tables
def test_scores_are_those_of_evaluation_mode(network, sentences, number):
    sentences = [part[:number] for part in sentences]
    network.train()
    first, second = network.score(*sentences), network.score(*sentences)
    assert network.training  # and training goes on as before
    assert torch.equal(first, second)  # no dropout
    network.eval()
    torch.testing.assert_close(first, network(*sentences), atol=1e-5, rtol=1e-4)
    network.train()
    assert not torch.allclose(network(*sentences), network(*sentences))  # there is dropout to switch off


def test_scores_belong_to_their_sentences(network, sentences):
    tokens, lengths = sentences
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    scores = network.score(tokens, lengths)
    torch.testing.assert_close(network.score(tokens[order], lengths[order]), scores[order])


def test_prefix_scores_do_not_see_the_future(network, sentences):
    tokens, lengths = sentences
    if not network.scores_prefixes:
        with pytest.raises(TypeError, match="does not score prefixes"):
            network.prefixes(tokens, lengths)
        return
    network.eval()
    changed = tokens.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % V
    before, after = network.prefixes(tokens, lengths), network.prefixes(changed, lengths)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert (before[:, 4:] != after[:, 4:]).any()
    whole = network(tokens, lengths)
    torch.testing.assert_close(whole, before[torch.arange(N), lengths - 1])


def test_the_papers_network_has_the_papers_size():
    network = ConvolutionalDiscriminator(5000, 20)
    assert sum(maps for _, maps in network.windows) == 1720
    assert [width for width, _ in network.windows] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20]
    assert network.highway.linear.weight.shape == (2 * 1720, 1720)
    assert [width for width, _ in ConvolutionalDiscriminator(50, 4).windows] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["cnn", "recurrent"])
def test_the_penalty_is_of_a_prefix_and_reaches_the_weights(name, sentences):
    torch.manual_seed(0)
    network = discriminators.get(name)(V, T, dropout=0.0)
    tokens, _ = sentences
    real, fake, ends = tokens[:5], tokens[5:10], torch.full((5,), 3)
    torch.manual_seed(1)
    penalty = network.penalty(real, fake, ends)
    penalty.backward()
    assert penalty > 0 and network.output.weight.grad.abs().sum() > 0
    if name == "recurrent":  # what stands behind the prefix does not count
        torch.manual_seed(1)
        changed = real.index_fill(1, torch.tensor([5]), 0)
        torch.testing.assert_close(network.penalty(changed, fake, ends), penalty)
