"""Things chosen by name in a configuration: a table from names to places, imported when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from lhy_rl.errors import suggest


class Registry:
    """Names of one kind of thing and where each lives.

    Args:
        what: The kind, for messages ("agent", "core", ...).
        places: Name to ``"module:attribute"``. Nothing is imported before :meth:`get`.
    """

    def __init__(self, what: str, places: Mapping[str, str]) -> None:
        self.what = what
        self._places = dict(places)

    def names(self) -> list[str]:
        """All names, in alphabetical order."""
        return sorted(self._places)

    def register(self, name: str, place: str) -> None:
        """Add or replace a name; ``place`` is ``"module:attribute"``."""
        self._places[name] = place

    def get(self, name: str) -> Any:
        """The thing of that name.

        Raises:
            UserError: unknown name; the message holds the nearest known one.
        """
        if name not in self._places:
            raise suggest(name, self._places, self.what)
        module, _, attribute = self._places[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
