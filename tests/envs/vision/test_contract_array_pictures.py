"""Pictures of recorded episodes and of arrays: the same pictures, or one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from lhy_rl.core.errors import UserError
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.data.npz import write_npz
from lhy_rl.data.picture_files import PictureSet
from lhy_rl.envs.vision.array_pictures import read_arrays

BYTES = np.random.default_rng(0).integers(256, size=(24, 9, 12, 3), dtype=np.uint8)


def recorded(path: Path, observations: np.ndarray, space: gymnasium.Space[Any]) -> Path:
    """Two episodes with these (24, ...) observations."""
    parts = observations[:10], observations[10:]
    episodes = [
        Episode(part, np.zeros(len(part) - 1, np.int64), np.zeros(len(part) - 1), True, False) for part in parts
    ]
    return write_npz(Demonstrations(episodes, space, Discrete(2), {}), path)


def all_of(found: PictureSet) -> np.ndarray:
    """Every picture of every part, sorted."""
    return np.unique(np.concatenate([part.inputs for part in found.splits]).reshape(24, -1), axis=0)


def test_what_was_recorded_and_arrays_are_the_same_pictures(tmp_path: Path) -> None:
    wanted = np.unique((BYTES / np.float32(255)).reshape(24, -1), axis=0)
    first = BYTES.transpose(0, 3, 1, 2)
    places = [
        recorded(tmp_path / "last.npz", BYTES, Box(0, 255, (9, 12, 3), np.uint8)),
        recorded(tmp_path / "first.npz", first, Box(0, 255, (3, 9, 12), np.uint8)),
        recorded(tmp_path / "floats.npz", np.float32(first / 127.5 - 1), Box(-1, 1, (3, 9, 12))),
        recorded(tmp_path / "stack.npz", first[:, :, None], Box(0, 255, (3, 1, 9, 12), np.uint8)),
        recorded(tmp_path / "folder/one.npz", BYTES, Box(0, 255, (9, 12, 3), np.uint8)).parent,
        tmp_path / "own.npz",
        tmp_path / "shares.npz",
    ]
    np.savez(tmp_path / "own.npz", pictures=BYTES)
    np.savez(tmp_path / "shares.npz", pictures=BYTES / 255)
    for place in places:
        found = read_arrays(place)
        assert found.splits.train.inputs.shape == (20, 9, 12, 3) and len(found.classes) == 1
        np.testing.assert_allclose(all_of(found), wanted, atol=1e-6)


def test_labels_are_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", pictures=BYTES[..., 0], labels=np.arange(24) % 3)
    env: Any = gymnasium.make_vec(
        "lhy_rl/Digits-v0", num_envs=2, pictures=str(tmp_path / "own.npz"), conditional=True
    ).unwrapped
    assert env.single_observation_space == Discrete(3) and env.single_action_space.shape == (9, 12, 1)
    train = env.samples("train")
    stored = BYTES[..., 0] / np.float32(127.5) - 1
    index = [int(np.abs(stored - row[..., 0]).sum((1, 2)).argmin()) for row in train.samples]
    assert np.array_equal(np.array(index) % 3, train.conditions)


def test_what_is_no_picture_is_one_line(tmp_path: Path) -> None:
    def own(**members: Any) -> Path:
        np.savez(tmp_path / "own.npz", **members)
        return tmp_path / "own.npz"

    def refused(place: Path, message: str) -> None:
        with pytest.raises(UserError, match=message) as caught:
            read_arrays(place)
        assert "\n" not in str(caught.value)

    refused(tmp_path / "nowhere.npz", "nowhere.npz'")
    refused(own(words=np.zeros(3)), r"holds \['words'\]; allowed: 'pictures', or a file of lhy-rl record")
    refused(own(pictures=BYTES[0]), "holds 9 pictures; allowed: at least 10")
    refused(own(pictures=BYTES[:3]), "holds 3 pictures; allowed: at least 10")
    refused(own(pictures=BYTES.astype(np.int64)), "is int64 of shape")
    refused(
        own(pictures=BYTES.transpose(0, 3, 1, 2)), r"shape \(24, 3, 9, 12\); allowed: \(N, H, W\) or \(N, H, W, C\)"
    )
    refused(own(pictures=BYTES / 200), "holds 1.*; floats must be from 0 to 1")
    refused(own(pictures=np.where(BYTES > 250, np.nan, 0.5)), "holds nan; floats must be from 0 to 1")
    refused(own(pictures=BYTES, labels=np.zeros(3, np.int64)), r"shape \(3,\); allowed: whole numbers of shape \(24,\)")
    refused(own(pictures=BYTES, labels=np.zeros(24)), "'labels' .* is float64")
    refused(own(pictures=BYTES, labels=np.arange(24) - 5), r"holds -5 \(picture 0\); allowed: 0 to 999")
    refused(own(pictures=BYTES, labels=np.arange(24) * 100), r"holds 1000 \(picture 10\)")
    refused(recorded(tmp_path / "v.npz", np.zeros((24, 3)), Box(-1, 1, (3,), np.float64)), "allowed: a Box of pixels")
    unbounded = Box(-np.inf, np.inf, (1, 9, 12))
    refused(recorded(tmp_path / "u.npz", np.zeros((24, 1, 9, 12), np.float32), unbounded), "have no bounds")
    (tmp_path / "cut.npz").write_bytes(own(pictures=BYTES).read_bytes()[:500])
    refused(tmp_path / "cut.npz", "cut off or damaged")
