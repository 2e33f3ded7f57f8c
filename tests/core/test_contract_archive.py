"""Archives: what goes in comes out, and anything else is refused in one line."""

from __future__ import annotations

import errno
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError


def same(a: object, b: object) -> bool:
    """Equal in structure, type, dtype and every bit (NaN equals NaN)."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and same(a.numpy(), b.numpy())
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


def tree() -> dict:
    generator = torch.Generator().manual_seed(1)
    weight = torch.nn.Parameter(torch.randn(3, 4, generator=generator))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    return {
        "optimizer": optimizer.state_dict(),  # integer keys, tuples
        "generator": generator.get_state(),
        "numpy": np.random.default_rng(0).bit_generator.state,  # integers of 128 bits
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "scalar": np.array(3, dtype=np.uint32),
        "empty": [torch.zeros(0, 5), np.zeros((0,), bool), {}, [], ()],
        "numbers": [0.1, -0.0, float("inf"), 10**40, True, None, "text \u4f60\n"],
        "awkward": [{"$tensor": "0"}, {"$float": 1, "b": 2}, {None: 1, 2: 3}],
    }


def test_math_round_trip_is_exact(tmp_path: Path) -> None:
    before = tree()
    archive.write(tmp_path / "a.zip", before)
    after = archive.read(tmp_path / "a.zip")
    before["transposed"] = np.ascontiguousarray(before["transposed"])
    assert same(before, after)
    after["generator"][0] += 1  # its own memory, writable
    after["transposed"][0] = 7.0
    assert os.listdir(tmp_path) == ["a.zip"]
    assert archive.to_bytes(tree()) == archive.to_bytes(tree())


def test_contract_nan_and_numpy_scalars_and_shared_memory() -> None:
    shared = torch.arange(6.0)
    back = archive.from_bytes(
        archive.to_bytes([float("nan"), np.float32(0.5), np.int64(3), shared, shared[2:], shared])
    )
    assert np.isnan(back[0]) and back[1:3] == [0.5, 3]
    assert torch.equal(back[4], shared[2:]) and torch.equal(back[5], shared)


def test_contract_every_changed_byte_is_noticed() -> None:
    data = archive.to_bytes({"a": torch.ones(3), "b": [1, "two"]})
    assert archive.from_bytes(data)["b"] == [1, "two"]
    for i in range(len(data)):
        changed = data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]
        with pytest.raises(UserError):
            archive.from_bytes(changed)
    for length in range(0, len(data), 7):
        with pytest.raises(UserError):
            archive.from_bytes(data[:length])
    with pytest.raises(UserError):
        archive.from_bytes(data + b"x")


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (os.putenv, ("BOMB", "1"))


def test_contract_foreign_files_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pickle.zip").write_bytes(pickle.dumps(Bomb()))
    torch.save({"a": torch.ones(2)}, tmp_path / "torch.zip")
    with zipfile.ZipFile(tmp_path / "plain.zip", "w") as file:
        file.writestr("tree.json", "{}")
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "empty.zip").touch()
    for name in ["pickle.zip", "torch.zip", "plain.zip", "folder.zip", "empty.zip", "missing.zip"]:
        with pytest.raises(UserError) as caught:
            archive.read(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [object(), {"a": [np.array(["x"])]}, {(1, 2): 3}, {"a": {1, 2}}, b"bytes"])
def test_contract_other_types_are_refused_when_writing(tmp_path: Path, bad: object) -> None:
    with pytest.raises(TypeError, match="tree"):
        archive.write(tmp_path / "a.zip", bad)
    assert os.listdir(tmp_path) == []


def test_contract_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.write(tmp_path / "a.zip", [1])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        archive.write(tmp_path / "a.zip", [2])
    assert os.listdir(tmp_path) == ["a.zip"] and archive.read(tmp_path / "a.zip") == [1]
