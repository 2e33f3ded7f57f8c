"""The arrays of an untrusted ``.npz`` file."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError


class Members(Mapping[str, np.ndarray]):
    """The arrays of a file, each read on access, so that unneeded pickled ones do not matter.

    Args:
        path: The file.
        what: What the file should hold, for messages.

    Raises:
        UserError: There is no such file, it is truncated, damaged, or too large when unpacked; on access, the member is
            pickled, or neither numbers nor text.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        self._file = self._guard(self._open)
        if not isinstance(self._file, np.lib.npyio.NpzFile):
            raise UserError(f"{str(path)!r} holds a single array, not the members of an .npz file")

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._file:
            raise KeyError(name)
        array = self._guard(lambda: self._file[name])
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufUS":
            kind = array.dtype if isinstance(array, np.ndarray) else "not an array"
            raise UserError(f"{name!r} in {str(self.path)!r} is {kind}; allowed: whole numbers, floats, flags, text")
        return array.astype(array.dtype.newbyteorder("="), "C", copy=False)

    def __iter__(self) -> Any:
        return iter(self._file.files)

    def __len__(self) -> int:
        return len(self._file.files)

    def _open(self) -> Any:
        if zipfile.is_zipfile(self.path):
            archive.check_growth(self.path)
        return np.load(self.path, allow_pickle=False)

    def _guard(self, load: Callable[[], Any]) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numpy's warnings about damaged headers
                return load()
        except UserError:
            raise
        except (FileNotFoundError, IsADirectoryError) as error:
            raise UserError(f"no {self.what} {str(self.path)!r}") from error
        except Exception as error:  # zipfile, zlib and numpy raise many kinds for damaged files
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            if "pickle" in reason:
                raise UserError(
                    f"{str(self.path)!r} holds pickled objects, which could run any code, and is not loaded; "
                    "save plain arrays with np.savez"
                ) from error
            raise UserError(f"{str(self.path)!r} is cut off or damaged: {reason}") from error
