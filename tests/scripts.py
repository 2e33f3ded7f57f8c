"""The scripts of docs/ as modules."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"


@functools.cache
def script(name: str) -> Any:
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module
