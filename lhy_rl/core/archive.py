"""Archives: a tree of tensors, arrays and plain values, saved in a zip. Nothing is ever unpickled.

An archive is a zip with two members, ``tree.json`` (the structure) and ``tensors.safetensors`` (the numbers),
and a SHA-256 over all its bytes in the zip's comment, so that any changed byte is noticed. It is written to a
temporary file in the same folder and renamed when complete: a reader sees either the old archive or the new one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from lhy_rl.core.errors import UserError, brief

MARK = b"lhy_rl archive, sha256 "
DIGEST = 64  # hexadecimal characters at the very end of the file
GROWN, GROWTH = 2**31, 100  # a zip may unpack to this many bytes, or to this many times its size
TREE, TENSORS = "tree.json", "tensors.safetensors"
TAGS = ("$tensor", "$array", "$tuple", "$items", "$float")


def zipped(path: str | os.PathLike[str]) -> Path:
    """The path, with ``.zip`` added if it has no suffix.

    Raises:
        UserError: The path is invalid.
    """
    path = Path(path)
    if not path.name or "\0" in str(path):
        raise UserError(f"{brief(str(path))} is not a file name")
    return path if path.suffix else path.with_suffix(".zip")


def write(path: str | os.PathLike[str], tree: Any) -> None:
    """Save a tree; the file is written completely or not at all.

    Args:
        path: The file. Its folder must exist.
        tree: Dicts (with str, int, float, bool or None keys), lists and tuples of tensors, numpy arrays, str, int,
            float, bool and None, nested in any way. Tensors come back on the CPU, without gradient.

    Raises:
        TypeError: Something else is in the tree; the message says where.
        OSError: The file cannot be written (permission, full disk). An existing file is unchanged.
    """
    write_bytes(path, to_bytes(tree))


def read(path: str | os.PathLike[str]) -> Any:
    """Load what :func:`write` saved.

    Raises:
        UserError: There is no such file, it is no archive of lhy_rl (but a pickle, for instance), or it was truncated
            or changed.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    return from_bytes(data, str(path))


def is_one(path: str | os.PathLike[str]) -> bool:
    """Whether the file is an archive of lhy_rl, intact or damaged, and not another zip."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return TREE in file.namelist()


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """A context that adds the file's name to an OSError, since Python omits it when writing fails (a full disk)."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace a file atomically: write a temporary file, flush it to the disk, rename it.

    Raises:
        OSError: The file cannot be written. The old file is unchanged and the temporary one removed.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with naming(path), open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_made(path: str | os.PathLike[str], make: Callable[[IO[bytes]], Any]) -> None:
    """Write a file atomically with a function ``make`` that writes to an open file, for a picture for instance; an
    error names the path."""
    buffer = io.BytesIO()
    make(buffer)
    write_bytes(path, buffer.getvalue())


def check_growth(path: str | os.PathLike[str]) -> None:
    """Raise a UserError if a foreign zip would unpack to a suspicious size (a zip bomb).

    Identical pictures compress to a thousandth, so any ratio is allowed up to :data:`GROWN` bytes.
    """
    size = os.path.getsize(path)
    with zipfile.ZipFile(path) as file:
        grown = sum(info.file_size for info in file.infolist())
    if grown > max(GROWN, GROWTH * size):
        raise UserError(
            f"{str(path)!r} has {size:,} bytes and would grow to {grown:,}, more than {GROWTH} times as many; if it is "
            "yours, save it without compression"
        )


def to_bytes(tree: Any) -> bytes:
    """The archive of a tree, in memory. The same tree gives the same bytes."""
    import safetensors.torch

    tensors: dict[str, Any] = {}
    text = json.dumps(_encode(tree, tensors, "tree"), allow_nan=False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        file.writestr(zipfile.ZipInfo(TREE), text)
        file.writestr(zipfile.ZipInfo(TENSORS), safetensors.torch.save(tensors))
        file.comment = MARK + b"0" * DIGEST
    body = buffer.getvalue()[:-DIGEST]
    return body + hashlib.sha256(body).hexdigest().encode()


def from_bytes(data: bytes, name: str = "the archive") -> Any:
    """The tree of an archive in memory; ``name`` is for the message.

    Raises:
        UserError: It is no archive, was truncated or changed, or has contents that no archive of ours has: compressed
            members (which may be zip bombs), one tensor in two places, or extremely deep nesting.
    """
    import safetensors.torch

    if not data.startswith(b"PK"):
        raise UserError(f"{name!r} is not an archive of lhy_rl (JSON and safetensors in a zip); nothing else is read")
    body, digest = data[:-DIGEST], data[-DIGEST:]
    if not body.endswith(MARK):
        if _is_of_sb3(data):
            raise UserError(
                f"{name!r} is a model of Stable-Baselines3, whose pickles are not loaded here; "
                "lhy_rl.interop.sb3.load_expert reads its policy"
            )
        raise UserError(f"{name!r} is cut off, or a zip that lhy_rl did not write; use an older checkpoint")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise UserError(f"{name!r} is damaged: its bytes do not match its checksum; use an older checkpoint")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            if any(file.getinfo(name).compress_type != zipfile.ZIP_STORED for name in (TREE, TENSORS)):
                raise ValueError("its members are compressed")
            tensors = safetensors.torch.load(file.read(TENSORS))
            return _decode(json.loads(file.read(TREE)), tensors)
    except Exception as error:  # the checksum is right, so the file was made on purpose
        raise UserError(f"{name!r} is not a readable archive of lhy_rl: {brief(error)}") from error


def _is_of_sb3(data: bytes) -> bool:
    """Whether ``model.save`` of Stable-Baselines3 wrote these bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return {"data", "policy.pth"} <= set(file.namelist())
    except zipfile.BadZipFile:
        return False


def _encode(value: Any, tensors: dict[str, Any], where: str) -> Any:
    """JSON for a value; tensors are moved to ``tensors`` and replaced by their names."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, dict):
        plain = all(type(key) is str for key in value) and not (len(value) == 1 and next(iter(value)) in TAGS)
        if plain:
            return {key: _encode(v, tensors, f"{where}.{key}") for key, v in value.items()}
        return {"$items": [[_encode_key(k, where), _encode(v, tensors, f"{where}.{k}")] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        items = [_encode(v, tensors, f"{where}[{i}]") for i, v in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    return _encode_tensor(value, tensors, where)


def _encode_key(key: Any, where: str) -> Any:
    if key is None or isinstance(key, bool | int | float | str):
        return key
    raise TypeError(f"{where} has the key {key!r} of type {type(key).__name__}; an archive takes str and numbers")


def _encode_tensor(value: Any, tensors: dict[str, Any], where: str) -> dict[str, str]:
    import torch

    name = str(len(tensors))
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        native = np.array(value, dtype=value.dtype.newbyteorder("="), order="C")  # a copy
        tensors[name] = torch.from_numpy(native)
        return {"$array": name}
    if isinstance(value, torch.Tensor) and value.layout == torch.strided:
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"$tensor": name}
    kind = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(f"{where} is a {kind}; an archive holds tensors, numeric arrays and JSON values only")


def _decode(value: Any, tensors: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_decode(v, tensors) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, content),) = value.items()
        if tag == "$float":
            return float(content)
        if tag == "$tuple":
            return tuple(_decode(v, tensors) for v in content)
        if tag == "$items":
            return {k: _decode(v, tensors) for k, v in content}
        if tag in ("$tensor", "$array"):
            tensor = tensors.pop(content).clone()  # its own memory, writable
            return tensor if tag == "$tensor" else tensor.numpy()
    return {k: _decode(v, tensors) for k, v in value.items()}
