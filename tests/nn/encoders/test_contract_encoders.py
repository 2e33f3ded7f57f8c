"""Every encoder, on every space that it reads: shapes, leading dimensions, gradients, saving; and what is refused."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.data.spaces import to_json
from lhy_rl.nn.encoders.base import NORMS, Encoder, EncoderOptions
from lhy_rl.nn.encoders.select import default_encoder, encoders
from lhy_rl.nn.layers.activations import activations
from lhy_rl.nn.layers.pooling import POOLINGS
from lhy_rl.nn.policies.actor_critic import ActorCritic

spaces = gym.spaces
Box = spaces.Box
VECTOR = Box(-np.inf, np.inf, (3,))
MIXED = spaces.Dict(
    {
        "image": Box(0, 255, (9, 9, 3), np.uint8),
        "a.dotted keys": spaces.Tuple([VECTOR, spaces.Discrete(3)]),
        "action_mask": spaces.MultiBinary(4),
        "place": spaces.Dict({"x": Box(0, 1, ()), "action_mask": spaces.MultiBinary(2)}),
    }
)
TREES = Box(np.tile(np.array([0, -1, -1]), (9, 1)), np.tile(np.array([7, 8, 8]), (9, 1)), dtype=np.int64)

ARCHITECTURE = {
    "agent": "VAE",
    "networks": {"code_size": 5, "width": 4},
    "samples": to_json(Box(-1, 1, (35, 50, 3))),
}
# space, its default encoder, the other encoders that read it
SPACES: list[tuple[gym.Space[Any], str, list[str]]] = [
    (spaces.Discrete(5), "tokens", []),
    (spaces.Discrete(5, start=-2), "tokens", []),
    (spaces.MultiDiscrete([3, 4, 2]), "tokens", []),
    (spaces.MultiDiscrete([[3, 4], [2, 2]], start=[[1, 0], [0, -1]]), "tokens", []),
    (spaces.MultiBinary(6), "mlp", ["tokens"]),
    (spaces.MultiBinary((2, 3)), "mlp", ["tokens"]),
    (VECTOR, "mlp", []),
    (Box(-1, 1, ()), "mlp", []),
    (Box(-1, 1, (9,)), "mlp", ["cnn_series"]),
    (Box(-1, 1, (2, 8), np.float64), "mlp", ["cnn_series"]),
    (Box(-1, 1, (2, 3), np.float64), "mlp", []),
    (Box(0, 9, (4,), np.int64), "mlp", []),
    (Box(0, 255, (128,), np.uint8), "mlp", []),
    (Box(0, 1, (10, 10, 4), np.bool_), "cnn_small", ["mlp"]),
    (Box(0, 255, (7, 7, 3), np.uint8), "mlp", []),
    (Box(0, 1, (8, 8, 1)), "cnn_small", ["capsule", "capsule_shared", "mlp"]),
    (Box(0, 255, (3, 35, 50), np.uint8), "cnn_small", ["capsule", "capsule_shared", "mlp", "saved"]),
    (Box(0, 255, (36, 40, 3), np.uint8), "cnn", ["cnn_small", "cnn_pooled", "mlp"]),
    (Box(0, 255, (4, 84, 84), np.uint8), "cnn", ["cnn_small"]),
    (MIXED, "dict", []),
    (spaces.Tuple([spaces.Discrete(2), VECTOR]), "dict", []),
    (TREES, "mlp", ["recursive", "rntn", "mv_rnn"]),
    (spaces.Dict({"state": VECTOR, "image": Box(0, 255, (16, 16, 3), np.uint8)}), "dict", ["state", "image"]),
]
CASES = [(space, name) for space, default, others in SPACES for name in [default, *others]]
every_case = pytest.mark.parametrize(("space", "name"), CASES, ids=lambda x: x if isinstance(x, str) else str(x)[:40])


def draw(space: gym.Space[Any], *leading: int) -> Any:
    """Observations (*leading, ...) as tensors."""
    if isinstance(space, spaces.Dict):
        return {key: draw(part, *leading) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(draw(part, *leading) for part in space.spaces)
    if space is TREES:  # few of whose samples are trees
        return drawn_trees(int(np.prod(leading))).reshape(*leading, 9, 3)
    space.seed(0)
    samples = np.stack([np.asarray(space.sample()) for _ in range(int(np.prod(leading)))])
    return torch.as_tensor(samples.reshape(*leading, *samples.shape[1:]))


def drawn_trees(count: int) -> torch.Tensor:
    """(count, 9, 3): a row of random symbols, put together at random into trees of one to nine nodes."""
    rng = np.random.default_rng(0)
    tables = np.full((count, 9, 3), -1)
    tables[..., 0] = 0
    for table in tables:
        leaves = int(rng.integers(1, 6))
        free = list(range(2 * leaves - 1))[::-1]
        trees = []
        for _ in range(leaves):
            trees.append((free.pop(0), -1, -1))
        while len(trees) > 1:
            i = int(rng.integers(len(trees) - 1))
            (row, *below), (other, *others) = trees[i : i + 2]
            table[row], table[other] = (rng.integers(1, 8), *below), (rng.integers(1, 8), *others)
            trees[i : i + 2] = [(free.pop(0), row, other)]
        table[0] = (rng.integers(1, 8), *trees[0][1:])
    return torch.as_tensor(tables)


def at(obs: Any, *index: Any) -> Any:
    if isinstance(obs, dict):
        return {key: at(part, *index) for key, part in obs.items()}
    return tuple(at(part, *index) for part in obs) if isinstance(obs, tuple) else obs[index]


def make(space: gym.Space[Any], name: str, **options: Any) -> Encoder:
    torch.manual_seed(0)
    if name == "saved" and isinstance(space, Box):
        options = {**options, "architecture": ARCHITECTURE}
    encoder: Encoder = encoders.get(name)(space, EncoderOptions(**{"embedding_size": 6, "capsule_size": 3, **options}))
    return encoder


def test_all_encoders_are_covered() -> None:
    assert {name for _, name in CASES} == set(encoders.names())


@pytest.mark.parametrize(("space", "name", "others"), SPACES, ids=lambda x: str(x)[:40])
def test_default(space: gym.Space[Any], name: str, others: list[str]) -> None:
    assert default_encoder(space) == name and name not in others


@every_case
def test_leading_dimensions_agree_with_a_loop(space: gym.Space[Any], name: str) -> None:
    encoder = make(space, name).eval()
    obs = draw(space, 3, 2)
    y = encoder(obs)
    assert y.shape == (3, 2, encoder.output_size) and y.dtype == torch.float32
    one_by_one = torch.stack([torch.stack([encoder(at(obs, t, b)) for b in range(2)]) for t in range(3)])
    torch.testing.assert_close(y, one_by_one)
    torch.testing.assert_close(y[1], encoder(at(obs, 1)))
    assert encoder(at(obs, slice(0, 0))).shape == (0, 2, encoder.output_size)


@every_case
def test_gradients_flow(space: gym.Space[Any], name: str) -> None:
    encoder = make(space, name)
    encoder(draw(space, 16)).square().sum().backward()
    gradients = [parameter.grad for parameter in encoder.parameters()]
    assert gradients and all(g is not None and g.isfinite().all() and (g != 0).any() for g in gradients)


@every_case
def test_same_seed_same_weights_and_saving(space: gym.Space[Any], name: str, tmp_path: Any) -> None:
    from safetensors.torch import load_file, save_file

    encoder, again = make(space, name), make(space, name)
    for a, b in zip(encoder.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    save_file(encoder.state_dict(), tmp_path / "weights")  # refuses what is not contiguous
    other = make(space, name)
    torch.nn.init.zeros_(next(other.parameters()))
    other.load_state_dict(load_file(tmp_path / "weights"))
    obs = draw(space, 4)
    assert torch.equal(encoder(obs), other(obs))


@every_case
@pytest.mark.parametrize("norm", NORMS)
def test_norm_and_dropout(space: gym.Space[Any], name: str, norm: str) -> None:
    encoder = make(space, name, norm=norm, dropout=0.5)
    obs = draw(space, 8)
    assert encoder(obs).isfinite().all()
    encoder.eval()
    assert torch.equal(encoder(obs), encoder(obs))


@pytest.mark.parametrize("activation", [*activations.names(), "auto"])
@pytest.mark.parametrize(("space", "name"), [(VECTOR, "mlp"), (Box(0, 255, (8, 8, 3), np.uint8), "cnn_small")])
def test_every_activation(space: gym.Space[Any], name: str, activation: str) -> None:
    encoder = make(space, name, activation=activation)
    y = encoder(draw(space, 8))
    assert y.isfinite().all() and y.std() > 0
    standard = {"mlp": "tanh", "cnn_small": "relu"}[name]
    if activation == "auto":
        assert torch.equal(y, make(space, name, activation=standard)(draw(space, 8)))


@pytest.mark.parametrize("name", ["cnn", "cnn_small", "cnn_pooled"])
def test_a_spatial_transformer_learns_before_any_cnn(name: str) -> None:
    space = Box(0, 255, (36, 36, 3), np.uint8)
    encoder = make(space, name, spatial_transformer=True)
    obs = draw(space, 2, 3)
    y = encoder(obs)
    y.square().sum().backward()
    assert y.shape == (2, 3, encoder.output_size) and (encoder.front.weight.grad != 0).any()
    policy = ActorCritic(
        spaces.Dict({"image": space, "x": VECTOR}), spaces.Discrete(2), encoder_options={"spatial_transformer": True}
    )
    assert any(module.__class__.__name__ == "SpatialTransformer" for module in policy.modules())


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("name", ["cnn", "cnn_small"])
def test_every_pooling_learns_from_black_images(name: str, pooling: str) -> None:
    space = Box(0, 255, (40, 40, 1), np.uint8)
    encoder = make(space, name, pooling=pooling, activation="relu")
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.zeros_(module.bias)  # as the orthogonal initialisation does
    obs = draw(space, 4)
    obs[:2] = 0
    encoder(obs).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


def test_orthogonal_initialisation_from_outside() -> None:
    seen = 0
    for space, name in ((space, name) for space, name in CASES if name != "saved"):
        policy = ActorCritic(space, gym.spaces.Discrete(3), encoder=name, core=None, orthogonal=True)
        for module in policy.trunk.encoder.modules():
            if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
                rows = module.weight.flatten(1)
                rows = rows if len(rows) <= rows.shape[1] else rows.T
                torch.testing.assert_close(rows @ rows.T, 2 * torch.eye(len(rows)), atol=1e-4, rtol=0)
                seen += 1
    assert seen > 10


def test_an_lstm_remembers_from_the_beginning() -> None:
    """The forget gate's bias is 1, all others are 0: left alone, a cell keeps 0.73 of itself a step, not half."""
    space = gym.spaces.Box(-1, 1, (3,))
    core = ActorCritic(space, gym.spaces.Discrete(3), core="lstm", hidden_size=4, orthogonal=True).trunk.core
    layer = core.layers[0]
    bias = (layer.bias_ih_l0 + layer.bias_hh_l0).view(4, 4)  # input, forget, candidate, output
    assert bias.tolist() == [[0.0] * 4, [1.0] * 4, [0.0] * 4, [0.0] * 4]
    state = (torch.zeros(1, 1, 4), torch.ones(1, 1, 4))
    _, (_, c) = core(torch.zeros(1, 1, core.layers[0].input_size), state, torch.zeros(1, 1, dtype=torch.bool))
    torch.testing.assert_close(c, torch.full_like(c, 0.7311), atol=1e-4, rtol=0)


def test_dict_parts_stand_side_by_side_without_the_mask() -> None:
    encoder = make(MIXED, "dict", layers=0)
    obs = draw(MIXED, 5)
    y = encoder(obs)
    assert encoder.output_size == 6 + 3 + 6 + 1  # image, vector, token, x
    masked = {**obs, "action_mask": 1 - obs["action_mask"]}
    del masked["place"]["action_mask"]
    assert torch.equal(encoder(masked), y)
    moved = {**obs, "image": 255 - obs["image"]}
    different = (encoder(moved) != y).any(0)
    assert different.sum() > 3 and len(different.nonzero()) <= 6


def refused(function: Any) -> str:
    with pytest.raises(UserError) as caught:
        function()
    message = str(caught.value)
    assert "\n" not in message
    return message


TEXT = spaces.Text(5)
UNSUPPORTED = [TEXT, spaces.Sequence(VECTOR), spaces.Graph(VECTOR, None), spaces.OneOf([VECTOR, VECTOR])]


@pytest.mark.parametrize("space", UNSUPPORTED, ids=lambda space: type(space).__name__)
def test_unsupported_spaces(space: gym.Space[Any]) -> None:
    assert "allowed spaces: Box, Discrete" in refused(lambda: default_encoder(space))
    for name in encoders.names():
        assert "encoder" in refused(lambda name=name: make(space, name))
    message = refused(lambda: make(spaces.Dict({"mission": space}), "dict"))
    assert message.startswith("observation 'mission': no encoder for")


@pytest.mark.parametrize(
    ("space", "name", "message"),
    [
        (VECTOR, "tokens", "encoder 'tokens' reads Discrete, MultiDiscrete and MultiBinary spaces, not Box"),
        (spaces.Discrete(3), "mlp", "encoder 'mlp' reads Box and MultiBinary spaces, not Discrete(3); encoder='auto'"),
        (VECTOR, "cnn", "encoder 'cnn' reads Box spaces of three dimensions (images) or four"),
        (Box(0, 1, (3, 35, 99)), "cnn", "images from 36x36 up, not 35x99; encoder='cnn_small' reads this one"),
        (Box(0, 1, (3, 7, 7)), "cnn_small", "images from 8x8 up, not 7x7; encoder='mlp' reads this one"),
        (VECTOR, "cnn_series", "encoder 'cnn_series' reads Box spaces of series, (L,) or (channels, L), from L = 8 up"),
        (VECTOR, "dict", "encoder 'dict' reads Dict and Tuple spaces, not Box"),
        (
            spaces.Dict({"action_mask": spaces.MultiBinary(2)}),
            "dict",
            "has no observations; a Dict needs a key besides",
        ),
        (VECTOR, "saved", "it reads images of 50 x 35 pixels and 3 channels, not Box"),
        (VECTOR, "mpl", "unknown encoder 'mpl'; did you mean 'mlp'?"),
    ],
)
def test_wrong_spaces(space: gym.Space[Any], name: str, message: str) -> None:
    assert message in refused(lambda: make(space, name))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "rely"}, "unknown activation 'rely'; did you mean 'relu'?"),
        ({"norm": "bach"}, "unknown norm 'bach'; did you mean 'batch'?"),
        ({"pooling": "avrage"}, "unknown pooling 'avrage'; did you mean 'average'?"),
        ({"spatial_transformer": 1}, "spatial_transformer=1 is not allowed; must be true or false"),
        ({"routing_iterations": 0}, "routing_iterations=0 is not allowed; must be a whole number of at least 1"),
        ({"map_rate": 0.0}, "map_rate is 0.0; allowed: above 0"),
        ({"crop": 1.5}, "crop=1.5 is not allowed; must be a number from 0 to 1"),
        ({"layers": -1}, "layers is -1; must be at least 0"),
        ({"embedding_size": 0}, "embedding_size is 0; must be at least 1"),
        ({"dropout": 1.0}, "dropout is 1.0; must be at least 0 and below 1"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    assert refused(lambda: EncoderOptions(**options)).startswith(message)


def test_further_options_are_checked() -> None:
    message = refused(lambda: EncoderOptions().with_further({"spatial_transform": True}))
    assert message.startswith("unknown encoder_option 'spatial_transform'; did you mean 'spatial_transformer'?")
    series = Box(-1, 1, (9,))
    options = {"spatial_transformer": True, "crop": 0.5}
    assert make(Box(0, 1, (1, 20, 30)), "cnn_small", **options)(torch.rand(2, 1, 20, 30)).shape == (2, 6)
    assert "crop=0.5 leaves 7x15" in refused(lambda: make(Box(0, 1, (1, 14, 30)), "cnn_small", **options))
    assert "'cnn_series' has no spatial_transformer" in refused(
        lambda: make(series, "cnn_series", spatial_transformer=True)
    )
    uneven = refused(lambda: make(Box(0, 1, (8, 8, 1)), "capsule", capsule_size=4))
    assert uneven.startswith("embedding_size=6 is not allowed; must be a multiple of capsule_size, 4")


@pytest.mark.parametrize("name", ["capsule", "capsule_shared"])
@pytest.mark.parametrize("pooling", ["strided", "max", "average", "lp", "fractional"])
def test_capsules_are_pooled_as_other_convolutions_are(name: str, pooling: str) -> None:
    encoder = make(Box(0, 1, (1, 12, 16)), name, capsule_size=3, pooling=pooling)
    assert encoder(torch.rand(2, 1, 12, 16)).shape == (2, 6)


def test_a_space_whose_text_has_several_lines_is_refused_in_one() -> None:
    bounds = np.arange(6.0).reshape(2, 3)
    message = refused(lambda: make(Box(bounds, bounds + 1, dtype=np.float64), "cnn"))
    assert "\n" not in message and message.endswith("encoder='auto' chooses one that fits")


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        (VECTOR, {"spatial_transformer": True}, "encoder_option spatial_transformer is only for a spatial_transformer"),
        (Box(0, 1, (1, 9, 9)), {"crop": 0.5}, "encoder_option crop is only for a spatial_transformer, which a CNN has"),
        (
            Box(0, 1, (1, 9, 9)),
            {"capsule_size": 2},
            "encoder_option capsule_size is only for encoder 'capsule'; SmallEncoder",
        ),
    ],
)
def test_options_of_another_encoder_are_refused(space: gym.Space[Any], options: dict[str, Any], message: str) -> None:
    assert refused(lambda: ActorCritic(space, spaces.Discrete(2), encoder_options=options)).startswith(message)
    usual = {name: getattr(EncoderOptions(), name) for name in options}
    ActorCritic(space, spaces.Discrete(2), encoder_options=usual)  # what changes nothing may be said
