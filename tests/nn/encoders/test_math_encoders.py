"""Encoders against hand numbers and torch's own functions."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree
from lhy_rl.nn.encoders.base import EncoderOptions
from lhy_rl.nn.encoders.capsule import SharedCapsuleEncoder
from lhy_rl.nn.encoders.convolutional import NatureEncoder, SmallEncoder
from lhy_rl.nn.encoders.dict_encoder import DictEncoder
from lhy_rl.nn.encoders.image_spaces import channel_first
from lhy_rl.nn.encoders.mlp import MLPEncoder
from lhy_rl.nn.encoders.select import default_encoder
from lhy_rl.nn.encoders.series import SeriesEncoder
from lhy_rl.nn.encoders.tokens import TokenEncoder
from lhy_rl.nn.layers.dense import dense
from lhy_rl.nn.layers.pooling import LpPool, make_pooling
from lhy_rl.nn.policies.actor_critic import ActorCritic

Box = gym.spaces.Box


def images(*shape: int) -> Box:
    return Box(0, 255, shape, np.uint8)


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_mlp_by_hand() -> None:
    encoder = MLPEncoder(Box(-1, 1, (2,)), EncoderOptions(2, 2, "relu"))
    for layer, weight, bias in zip(
        (encoder.layers[0], encoder.layers[2]),
        ([[1.0, 2], [-1, 1]], [[2.0, 1], [1, -1]]),
        ([0.5, 0], [-1.0, 0]),
        strict=True,
    ):
        layer.weight.data, layer.bias.data = torch.tensor(weight), torch.tensor(bias)
    # relu(1 - 2 + .5, -1 - 1) = (0, 0); relu(3 + 2 + .5, -3 + 1) = (5.5, 0)
    y = encoder(torch.tensor([[1.0, -1.0], [3.0, 1.0]]))
    assert y.tolist() == [[0.0, 0.0], [10.0, 5.5]]


def test_mlp_without_layers_only_flattens() -> None:
    encoder = MLPEncoder(Box(0, 9, (2, 3), np.int64), EncoderOptions(layers=0))
    assert encoder.output_size == 6 and not list(encoder.parameters())
    assert encoder(torch.arange(12).reshape(2, 2, 3)).tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


@pytest.mark.parametrize(("high", "value", "expected"), [(255, 51, 0.2), (1, 1, 1.0), (10, 4, 0.4)])
def test_bytes_are_divided_by_the_largest(high: int, value: int, expected: float) -> None:
    encoder = MLPEncoder(Box(0, high, (1,), np.uint8), EncoderOptions(layers=0))
    assert encoder(torch.tensor([[value]], dtype=torch.uint8)).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "at_minus_one"),
    [
        ("tanh", -0.761594),
        ("relu", 0.0),
        ("leaky_relu", -0.01),
        ("prelu", -0.25),
        ("rrelu", -(1 / 8 + 1 / 3) / 2),
        ("elu", -0.632121),
        ("selu", -1.111331),
        ("gelu", -0.158655),
        ("silu", -0.268941),
    ],
)
def test_activations_by_name(name: str, at_minus_one: float) -> None:
    encoder = MLPEncoder(Box(-1, 1, (1,)), EncoderOptions(1, 1, name)).eval()
    encoder.layers[0].weight.data.fill_(1)
    encoder.layers[0].bias.data.fill_(0)
    assert encoder(torch.tensor([[-1.0]])).item() == pytest.approx(at_minus_one, abs=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_selu_keeps_mean_and_variance_through_50_layers(dropout: float) -> None:
    torch.manual_seed(0)
    network = dense(256, [256] * 50, "selu", dropout=dropout)
    h, activations = torch.randn(512, 256), 0
    for module in network:
        h = module(h)
        if isinstance(module, torch.nn.SELU if dropout == 0 else torch.nn.AlphaDropout):
            activations += 1
            assert abs(h.mean().item()) < 0.2 and 0.7 < h.var().item() < 1.5
    assert activations == 50


def test_torchs_gain_for_selu_would_not() -> None:
    torch.manual_seed(0)
    h = torch.randn(512, 256)
    for _ in range(50):
        weight = torch.nn.init.kaiming_normal_(torch.empty(256, 256), nonlinearity="selu")
        h = F.selu(F.linear(h, weight))
    assert h.var() < 0.1


def test_only_selu_owns_its_initialization() -> None:
    image, vector = images(8, 8, 1), Box(-1, 1, (2,))
    for name, owns in (("selu", True), ("relu", False)):
        options = EncoderOptions(activation=name)
        made = (
            MLPEncoder(vector, options),
            SmallEncoder(image, options),
            TokenEncoder(gym.spaces.MultiDiscrete([2, 3]), options),
            DictEncoder(gym.spaces.Tuple([gym.spaces.Discrete(2), gym.spaces.Dict({"x": vector})]), options),
        )
        for encoder in made:
            layers = [m for m in encoder.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)]
            assert layers and encoder.owns_initialization == owns
            assert all(bool((layer.bias == 0).all()) == owns for layer in layers)
    assert not TokenEncoder(gym.spaces.Discrete(2), EncoderOptions(activation="selu")).owns_initialization


def test_batch_norm_is_over_all_leading_dimensions() -> None:
    encoder = MLPEncoder(Box(-1, 1, (3,)), EncoderOptions(4, 1, "relu", norm="batch"))
    x = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0))
    linear = encoder.layers[0](x).flatten(0, 1)
    expected = F.relu((linear - linear.mean(0)) / (linear.var(0, unbiased=False) + 1e-5).sqrt())
    torch.testing.assert_close(encoder(x), expected.view(5, 7, 4))


def test_layer_norm_is_over_each_vector() -> None:
    encoder = MLPEncoder(Box(-1, 1, (3,)), EncoderOptions(4, 1, "tanh", norm="layer"))
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder(x), F.layer_norm(encoder.layers[0](x), (4,)).tanh())


def test_token_vectors() -> None:
    one = TokenEncoder(gym.spaces.Discrete(3, start=5), EncoderOptions(2))
    assert list(one.state_dict()) == ["embedding.weight"]
    torch.testing.assert_close(one(torch.tensor([[5, 7]])), one.embedding.weight[[0, 2]][None])
    many = TokenEncoder(gym.spaces.MultiDiscrete([3, 2], start=[0, 10]), EncoderOptions(2, 0))
    many.embedding.weight.data = torch.tensor([[1.0, 0], [2, 0], [3, 0], [0, 10], [0, 20]])
    assert many(torch.tensor([[0, 11], [2, 10]])).tolist() == [[1, 20], [3, 10]]
    bits = TokenEncoder(gym.spaces.MultiBinary((1, 2)), EncoderOptions(1, 0))
    bits.embedding.weight.data = torch.tensor([[1.0], [2], [10], [20]])
    assert bits(torch.tensor([[[0, 1]], [[1, 0]]], dtype=torch.int8)).tolist() == [[21], [12]]


def test_many_tokens_are_an_mlp_over_one_hots() -> None:
    encoder = TokenEncoder(gym.spaces.MultiDiscrete([3, 4]), EncoderOptions(5, 2, "tanh"))
    tokens = torch.tensor([[0, 3], [2, 1]])
    one_hot = torch.cat([F.one_hot(tokens[:, 0], 3), F.one_hot(tokens[:, 1], 4)], 1).float()
    linear = encoder.layers[1]
    expected = torch.tanh(linear(torch.tanh(one_hot @ encoder.embedding.weight)))
    torch.testing.assert_close(encoder(tokens), expected)


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ((3, 84, 84), True),
        ((84, 84, 3), False),
        ((1, 84, 84), True),
        ((4, 84, 84), True),
        ((210, 160, 3), False),
        ((3, 210, 160), True),
        ((119, 8, 8), True),  # more channels than pixels a side, but square
        ((8, 8, 17), False),
        ((10, 10, 10), True),  # ambiguous
    ],
)
def test_channel_order(shape: tuple[int, int, int], first: bool) -> None:
    assert channel_first(shape) == first


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [NatureEncoder, SmallEncoder])
def test_channel_order_does_not_matter_to_the_network(kind: type, channels: int) -> None:
    torch.manual_seed(0)
    first = kind(images(channels, 37, 41), EncoderOptions(8))
    last = kind(images(37, 41, channels), EncoderOptions(8))
    last.load_state_dict(first.state_dict())
    x = pixels(5, channels, 37, 41)
    torch.testing.assert_close(first(x), last(x.permute(0, 2, 3, 1)))
    assert first.maps(x).stride()[1] == 1  # the fast layout, also with one channel


def test_nature_network_is_that_of_stable_baselines3() -> None:
    layers = pytest.importorskip("stable_baselines3.common.torch_layers")
    space = images(4, 84, 84)
    theirs, ours = layers.NatureCNN(space, 512), NatureEncoder(space, EncoderOptions(512, activation="auto"))
    for a, b in zip(ours.convolutions, (theirs.cnn[0], theirs.cnn[2], theirs.cnn[4]), strict=True):
        a.load_state_dict(b.state_dict())
    dense_weight = theirs.linear[0].weight.detach()
    ours.dense[0].weight.data = dense_weight.view(512, 64, 49).transpose(1, 2).flatten(1)
    ours.dense[0].bias.data = theirs.linear[0].bias.detach()
    x = pixels(2, 4, 84, 84)
    torch.testing.assert_close(ours(x), theirs(x / 255), atol=1e-5, rtol=1e-4)


def test_pooling_is_torchs() -> None:
    x = torch.randn(2, 3, 7, 8, generator=torch.Generator().manual_seed(0))
    expected = {
        "max": F.max_pool2d(x, 3, ceil_mode=True),
        "average": F.avg_pool2d(x, 3, ceil_mode=True),
        "lp": F.lp_pool2d(x, 2.0, 3, ceil_mode=True),
    }
    for name, y in expected.items():
        torch.testing.assert_close(make_pooling(name, 3)(x), y)
        assert y.shape[2:] == (3, 3)
    window = torch.tensor([[[[1.0, 2.0], [2.0, -4.0]]]])
    assert [make_pooling(name, 2)(window).item() for name in ("max", "average", "lp")] == [2.0, 0.25, 5.0]


def test_lp_pooling_has_a_gradient_where_all_is_zero() -> None:
    x = torch.zeros(1, 1, 2, 4, requires_grad=True)
    (LpPool(2, 2)(x).sum() + LpPool(2, 2)(x + torch.tensor([0.0, 0, 3, 4])).sum()).backward()
    assert x.grad is not None and x.grad.isfinite().all()
    y = torch.tensor([[[[3.0, 0.0], [4.0, 0.0]]]], requires_grad=True)
    LpPool(2, 2)(y).backward()
    assert y.grad is not None
    torch.testing.assert_close(y.grad.flatten(), torch.tensor([0.6, 0.0, 0.8, 0.0]))


def test_fractional_pooling_draws_its_windows_in_training_only() -> None:
    x = torch.arange(7.0).view(1, 1, 1, 7)  # the largest of a window is its last place
    pool = make_pooling("fractional", (1, 2)).eval()
    # 4 windows of 3 places in 7: they begin at int((i + 1/2) 4/3) - int(2/3), the last one at 4
    assert pool(x).flatten().tolist() == [2.0, 4.0, 5.0, 6.0] and torch.equal(pool(x), pool(x))
    pool.train()
    torch.manual_seed(0)
    drawn = {tuple(pool(x).flatten().tolist()) for _ in range(50)}
    assert len(drawn) > 1 and all(ends[-1] == 6 and list(ends) == sorted(ends) for ends in drawn)
    for side in range(1, 12):
        for stride in range(2, 5):
            assert make_pooling("fractional", stride)(torch.zeros(2, 3, side, side)).shape[2] == -(-side // stride)


@pytest.mark.parametrize("pooling", ["max", "average", "lp", "fractional"])
@pytest.mark.parametrize("side", [36, 37, 38, 41, 84])
def test_pooling_reduces_as_the_strides_do(pooling: str, side: int) -> None:
    for kind in (NatureEncoder, SmallEncoder):
        strided = kind(images(1, side, side), EncoderOptions(4))
        pooled = kind(images(1, side, side), EncoderOptions(4, pooling=pooling))
        x = pixels(1, 1, side, side)
        assert strided.maps(x).shape == pooled.maps(x).shape


def test_a_pooled_layer_is_convolution_activation_pooling() -> None:
    encoder = SmallEncoder(images(1, 9, 9), EncoderOptions(4, activation="tanh", pooling="max"))
    x = pixels(2, 1, 9, 9)
    first, second = encoder.convolutions
    h = torch.tanh(F.conv2d(x / 255, first.weight, first.bias, 1, 1))
    h = F.max_pool2d(torch.tanh(F.conv2d(h, second.weight, second.bias, 1, 1)), 2, ceil_mode=True)
    torch.testing.assert_close(encoder.maps(x), h)


@pytest.mark.parametrize("pooling", ["strided", "max"])
def test_a_series_is_read_by_convolutions_of_one_dimension(pooling: str) -> None:
    encoder = SeriesEncoder(Box(-1, 1, (3, 11)), EncoderOptions(4, activation="tanh", pooling=pooling))
    x = torch.randn(2, 3, 11, generator=torch.Generator().manual_seed(0))
    h = x
    for convolution in encoder.convolutions:
        weight, pooled = convolution.weight[:, :, 0], pooling == "max"
        h = torch.tanh(F.conv1d(h, weight, convolution.bias, 1 if pooled else 2, weight.shape[-1] // 2))
        h = F.max_pool1d(h, 2, ceil_mode=True) if pooled else h
    assert h.shape == (2, 25, 2)
    torch.testing.assert_close(encoder.maps(x)[:, :, 0], h)
    torch.testing.assert_close(
        encoder(x), torch.tanh(F.linear(h.permute(0, 2, 1).flatten(1), *encoder.dense.weights()))
    )


def test_a_spatial_transformer_in_front_resamples_what_the_convolutions_read() -> None:
    space = images(1, 12, 12)
    torch.manual_seed(0)
    plain = SmallEncoder(space, EncoderOptions(4))
    front = SmallEncoder(space, EncoderOptions(4, spatial_transformer=True))
    front.load_state_dict(plain.state_dict(), strict=False)
    x = pixels(3, 1, 12, 12)
    torch.testing.assert_close(front(x), plain(x), atol=1e-4, rtol=1e-4)  # at first it changes nothing
    assert front.front is not None
    with torch.no_grad():
        front.front.bias[2] = 2 / 12  # looks one pixel further to the right
    shifted = torch.cat([x[..., 1:], x[..., -1:]], -1)
    torch.testing.assert_close(front(x), plain(shifted), atol=1e-4, rtol=1e-4)


def test_a_spatial_transformer_changes_nothing_at_first_in_an_orthogonal_policy() -> None:
    options = {"encoder": "cnn_small", "encoder_options": {"spatial_transformer": True}}
    policy = ActorCritic(images(12, 12, 1), gym.spaces.Discrete(2), core=None, orthogonal=True, **options)
    pictures = torch.rand(2, 1, 12, 12)
    assert torch.equal(policy.trunk.encoder.front.theta(pictures)[0], torch.eye(2, 3))


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_norm_of_maps(norm: str) -> None:
    encoder = SmallEncoder(images(1, 8, 8), EncoderOptions(4, activation="relu", norm=norm))
    x = pixels(6, 1, 8, 8)
    h = F.conv2d(x / 255, encoder.convolutions[0].weight, encoder.convolutions[0].bias, 1, 1)
    over = (0, 2, 3) if norm == "batch" else (1, 2, 3)
    variance, mean = torch.var_mean(h, over, unbiased=False, keepdim=True)
    expected = F.relu((h - mean) / (variance + 1e-5).sqrt())
    torch.testing.assert_close(encoder.after[0](h), expected)


def test_the_small_network_sees_every_pixel() -> None:
    for side in (8, 9, 10, 11):
        encoder = SmallEncoder(Box(0, 1, (1, side, side)), EncoderOptions(16))
        x = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0)).requires_grad_()
        encoder(x).square().sum().backward()
        assert x.grad is not None and (x.grad != 0).all()


TWO = gym.spaces.Dict({"a": Box(-1, 1, (1,)), "b": Box(-1, 1, (1,))})
PAIRS = {
    "boxes": (TWO, {"a": torch.tensor([[0.0], [1.0]]), "b": torch.tensor([[0.0], [1.0]])}),
    "tokens": (
        gym.spaces.Dict({"a": gym.spaces.Discrete(2), "b": gym.spaces.Discrete(2)}),
        {"a": torch.tensor([0, 1]), "b": torch.tensor([0, 1])},
    ),
    "image and token": (
        gym.spaces.Dict({"a": images(3, 9, 9), "b": gym.spaces.Discrete(2)}),
        {"a": torch.stack([torch.zeros(3, 9, 9), torch.full((3, 9, 9), 255.0)]), "b": torch.tensor([0, 1])},
    ),
    "nested": (
        gym.spaces.Dict({"a": gym.spaces.Tuple([Box(-1, 1, (1,))]), "b": gym.spaces.Dict({"c": Box(-1, 1, (1,))})}),
        {"a": (torch.tensor([[0.0], [1.0]]),), "b": {"c": torch.tensor([[0.0], [1.0]])}},
    ),
}


@pytest.mark.parametrize(("layers", "relates"), [(0, False), (1, True), (2, True)])
@pytest.mark.parametrize("name", PAIRS)
def test_a_policy_without_memory_relates_two_keys(name: str, layers: int, relates: bool) -> None:
    """f(a1, b1) - f(a1, b0) - f(a0, b1) + f(a0, b0) is 0 for every sum of a part of a and a part of b."""
    space, obs = PAIRS[name]
    torch.manual_seed(0)
    policy = ActorCritic(space, gym.spaces.Discrete(2), core=None, encoder_layers=layers)

    def pick(tree: Any, i: int) -> Any:
        return map_tree(lambda x: x[i][None], tree)

    def logits(a: int, b: int) -> torch.Tensor:
        return policy.actor.output(policy.step({"a": pick(obs["a"], a), "b": pick(obs["b"], b)}, ())[0])

    mixed = logits(1, 1) - logits(1, 0) - logits(0, 1) + logits(0, 0)
    assert (mixed.abs() > 1e-5).tolist() == [[relates] * 2]


def test_a_dict_of_vectors_is_the_same_network_as_the_flattened_vector() -> None:
    space = gym.spaces.Dict(
        {"a": Box(-1, 1, (2, 1)), "b": Box(-1, 1, (3,), np.float64), "c": gym.spaces.MultiBinary(2)}
    )
    flat = gym.spaces.flatten_space(space)
    policies = []
    for observed in (space, flat):
        torch.manual_seed(0)
        policies.append(ActorCritic(observed, gym.spaces.Discrete(2), core=None, hidden_sizes=[8, 5], orthogonal=True))
    samples = [space.sample() for _ in range(4)]
    obs = {key: torch.as_tensor(np.stack([sample[key] for sample in samples])) for key in space.spaces}
    flattened = torch.as_tensor(np.stack([gym.spaces.flatten(space, sample) for sample in samples]))
    for a, b in zip(policies[0].parameters(), policies[1].parameters(), strict=True):
        assert torch.equal(a, b)
    torch.testing.assert_close(policies[0].step(obs, ())[0], policies[1].step(flattened, ())[0])


@pytest.mark.parametrize(
    ("shape", "scale"),
    [((7, 7, 3), 1.0), ((3, 7, 7), 1.0), ((128,), 1 / 255), ((5, 5), 1 / 255), ((8, 8, 3), 1 / 255)],
)
def test_bytes_too_few_for_a_picture_are_symbols_and_stay_as_they_are(shape: tuple[int, ...], scale: float) -> None:
    obs = torch.full((1, *shape), 10, dtype=torch.uint8)
    encoder = MLPEncoder(images(*shape), EncoderOptions(layers=0))
    torch.testing.assert_close(encoder(obs), torch.full((1, obs.numel()), 10 * scale))


def test_a_token_in_a_dict_is_as_long_as_a_one_hot_vector() -> None:
    torch.manual_seed(0)
    encoder = DictEncoder(gym.spaces.Tuple([gym.spaces.Discrete(50), Box(-1, 1, (1,))]), EncoderOptions(64))
    assert 0.9 < float(encoder.parts[0].embedding.weight.detach().norm(dim=1).mean()) < 1.1


@pytest.mark.parametrize(
    ("shape", "order"),
    [((4, 9, 9, 3), None), ((4, 3, 9, 9), (0, 1, 3, 4, 2))],  # a stack first, the channels last or second
)
def test_a_stack_of_coloured_frames_is_an_image_of_all_their_channels(shape, order):
    """Not a vector of 84,672 numbers with 2.7 million weights (Atari's coloured frames, four of them)."""
    stacked, flat = Box(0, 255, shape, np.uint8), Box(0, 255, (9, 9, 12), np.uint8)
    assert default_encoder(stacked) == "cnn_small"
    assert default_encoder(Box(0, 255, (4, 84, 84, 3), np.uint8)) == "cnn"
    one, other = (SmallEncoder(space, EncoderOptions()) for space in (stacked, flat))
    other.load_state_dict(one.state_dict())
    x = torch.randint(256, (5, 2, *shape), dtype=torch.uint8)
    frames = x.flatten(0, 1) if order is None else x.flatten(0, 1).permute(order)  # (N, K, H, W, C)
    beside = torch.cat(list(frames.unbind(1)), -1)  # (N, H, W, K*C)
    torch.testing.assert_close(one(x).flatten(0, 1), other(beside))


@pytest.mark.parametrize("shape", [(84, 84), (16, 16, 16, 16), (200, 5, 5)])
def test_what_looks_like_no_image_is_not_made_a_large_vector_unasked(shape):
    space = Box(-1, 1, shape, np.float32)
    with pytest.raises(UserError, match=r"are neither an image nor .*ReshapeObservation\(env, \(.*encoder='mlp'"):
        default_encoder(space)
    with pytest.raises(UserError, match="observation 'map': observations of shape"):
        DictEncoder(gym.spaces.Dict({"map": space}), EncoderOptions())
    assert MLPEncoder(space, EncoderOptions(embedding_size=2))(torch.zeros(3, *shape)).shape == (3, 2)
    assert default_encoder(Box(-1, 1, (np.prod(shape),), np.float32)) == "mlp"
    assert default_encoder(Box(-1, 1, (64, 64), np.float32)) == "mlp"


def test_capsules_that_share_their_matrices_are_those_whose_matrices_are_the_same_at_all_places() -> None:
    class Own(SharedCapsuleEncoder):
        shared = False

    space, options = Box(0, 1, (1, 12, 12)), EncoderOptions(12, capsule_size=4)
    shared, own = SharedCapsuleEncoder(space, options), Own(space, options)
    assert shared.matrices.shape == (8, 3, 4, 8) and own.matrices.shape == (36 * 8, 3, 4, 8)
    own.load_state_dict({**shared.state_dict(), "matrices": shared.matrices.repeat(36, 1, 1, 1)})
    x = torch.rand(2, 1, 12, 12)
    torch.testing.assert_close(shared(x), own(x))
