"""Stable-Baselines3's PPO trains on our encoders and sequence backbones."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError

pytest.importorskip("stable_baselines3", reason="the extra sb3 is not installed")

from stable_baselines3 import PPO
from stable_baselines3.common.preprocessing import preprocess_obs

from lhy_rl.interop.feature_extractors import Encoder, Sequence

spaces = gymnasium.spaces
IMAGE = spaces.Box(0, 255, (12, 12, 1), np.uint8)
VECTOR = spaces.Box(-1, 1, (3,))


class Guess(gymnasium.Env[Any, int]):
    """Random observations of a space, four steps an episode, reward 1 for action 1."""

    action_space = spaces.Discrete(2)

    def __init__(self, space: gymnasium.Space[Any]) -> None:
        self.observation_space = space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.place = 0
        return self.observation_space.sample(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place += 1
        return self.observation_space.sample(), float(action), self.place == 4, False, {}


def train(space: gymnasium.Space[Any], kind: type, **kwargs: Any) -> PPO:
    """SB3's PPO with that extractor, trained; every parameter of the extractor has moved."""
    policy = "MultiInputPolicy" if isinstance(space, spaces.Dict) else "MlpPolicy"
    policy_kwargs = {"features_extractor_class": kind, "features_extractor_kwargs": kwargs, "net_arch": [8]}
    if "normalize_images" in kwargs:
        policy_kwargs["normalize_images"] = kwargs["normalize_images"]
    model = PPO(
        policy, Guess(space), n_steps=64, batch_size=64, n_epochs=1, seed=0, policy_kwargs=policy_kwargs, device="cpu"
    )
    before = [p.detach().clone() for p in model.policy.features_extractor.parameters()]
    model.learn(256)
    after = model.policy.features_extractor.parameters()
    assert all(not torch.equal(a, b.detach()) for a, b in zip(before, after, strict=True))
    return model


@pytest.mark.parametrize(
    ("space", "kwargs"),
    [
        (IMAGE, {"encoder": "cnn_small", "embedding_size": 64}),
        (IMAGE, {"encoder": "cnn_small", "pooling": "lp", "normalize_images": False}),
        (spaces.Box(0, 255, (3, 36, 36), np.uint8), {"encoder": "cnn"}),
        (IMAGE, {"encoder": "cnn_small", "spatial_transformer": True}),
        (VECTOR, {"encoder": "mlp", "activation": "selu", "norm": "layer", "layers": 3}),
        (spaces.Discrete(4), {"encoder": "tokens"}),
        (spaces.MultiDiscrete([3, 2]), {}),
        (spaces.Dict({"image": IMAGE, "vector": VECTOR, "token": spaces.Discrete(3)}), {"encoder": "dict"}),
    ],
    ids=lambda x: str(x)[:40],
)
def test_ppo_trains_with_an_encoder(space: gymnasium.Space[Any], kwargs: dict[str, Any]) -> None:
    assert train(space, Encoder, **kwargs).num_timesteps == 256


@pytest.mark.parametrize(
    ("space", "kwargs"),
    [
        (spaces.Box(-1, 1, (5, 3)), {"core": "gru"}),
        (spaces.Box(0, 255, (4, 12, 12), np.uint8), {"core": "lstm", "encoder": "cnn_small", "num_layers": 2}),
        (spaces.MultiDiscrete([7] * 5), {"core": "gru", "hidden_size": 16}),
        (spaces.Box(2, 8, (5,), np.int64), {"core": "rnn"}),
    ],
    ids=lambda x: str(x)[:40],
)
def test_ppo_trains_with_a_sequence(space: gymnasium.Space[Any], kwargs: dict[str, Any]) -> None:
    assert train(space, Sequence, **kwargs).num_timesteps == 256


def test_images_are_scaled_once() -> None:
    torch.manual_seed(0)
    scaled = Encoder(IMAGE, "cnn_small")
    raw = Encoder(IMAGE, "cnn_small", normalize_images=False)
    raw.load_state_dict(scaled.state_dict())
    obs = torch.as_tensor(np.stack([IMAGE.sample() for _ in range(3)]))
    a = scaled(preprocess_obs(obs, IMAGE, normalize_images=True))
    b = raw(preprocess_obs(obs, IMAGE, normalize_images=False))
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_tokens_arrive_as_tokens() -> None:
    space = spaces.MultiDiscrete([4, 3, 2])
    extractor = Encoder(space)
    tokens = torch.tensor([[3, 0, 1], [1, 2, 0]])
    torch.testing.assert_close(extractor(preprocess_obs(tokens, space)), extractor.encoder(tokens))


def test_one_vector_an_observation_also_from_the_buffer() -> None:
    space = spaces.Discrete(4)
    extractor = Encoder(space, embedding_size=6)
    tokens = torch.tensor([3, 1, 0])
    expected = extractor.encoder(tokens)
    assert expected.shape == (3, 6)
    for stored in (tokens, tokens[:, None]):
        torch.testing.assert_close(extractor(preprocess_obs(stored, space)), expected)


@pytest.mark.parametrize("space", [spaces.MultiDiscrete([6] * 5), spaces.Box(0, 5, (5,), np.int64)])
def test_a_sequence_is_read_step_by_step(space: gymnasium.Space[Any]) -> None:
    extractor = Sequence(space, core="lstm", hidden_size=3)
    tokens = torch.tensor([[3, 0, 1, 5, 2], [1, 2, 0, 0, 4]])
    state = extractor.core.initial_state(2)
    for t in range(5):
        y, state = extractor.core(extractor.encoder(tokens[None, :, t]), state, torch.zeros(1, 2, dtype=torch.bool))
    torch.testing.assert_close(extractor(preprocess_obs(tokens, space)), y[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Encoder(VECTOR, "mlpp"), "did you mean 'mlp'"),
        (lambda: Encoder(VECTOR, actvation="relu"), "'actvation'; allowed options: embedding_size, layers"),
        (lambda: Encoder(VECTOR, "cnn"), "encoder 'cnn' reads Box spaces of three dimensions"),
        (lambda: Sequence(VECTOR, core="gruu"), "did you mean 'gru'"),
        (lambda: Sequence(spaces.Discrete(3)), "Sequence reads Box"),
        (lambda: Sequence(spaces.MultiDiscrete([3, 4])), "of equal sizes"),
    ],
)
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_missing_stable_baselines3_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "stable_baselines3"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, Encoder.__module__)
    with pytest.raises(ValueError) as caught:
        importlib.import_module(Encoder.__module__)
    assert str(caught.value).startswith("stable-baselines3 is not installed; ")
    assert str(caught.value).endswith("pip install 'stable-baselines3>=2.9'")
