"""Registries from names in a configuration to objects, which are imported on demand; and ids of environments."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from lhy_rl.core.errors import OTHERS, UserError, brief, how_to_find, suggest

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec

_from_others: ContextVar[bool] = ContextVar("_from_others", default=False)


@contextmanager
def names_from_a_file() -> Iterator[None]:
    """A context in which no ``"module:Class"`` and no ``package:ID`` is imported, for names from untrusted files."""
    token = _from_others.set(True)
    try:
        yield
    finally:
        _from_others.reset(token)


def place_of(kind: type) -> str:
    """``"module:Class"``, the name of a class in a file."""
    return f"{kind.__module__}:{kind.__qualname__}"


def is_ours(kind: type) -> bool:
    """Whether a class is part of this package, not a user's."""
    return kind.__module__.startswith("lhy_rl.")


class Registry:
    """Maps the names of one kind of object to places; ``registry[name]`` imports the object.

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

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Names and imported objects, in the order of the table."""
        return ((name, self.get(name)) for name in self)

    def register(self, name: str, place: str) -> None:
        """Add or replace a name; ``place`` is ``"module:attribute"``."""
        self._places[name] = place

    def place(self, name: str) -> str:
        """The place of a known name, ``"module:attribute"``; nothing is imported."""
        return self._places[name]

    def get(self, name: str) -> Any:
        """Import the object of that name.

        Raises:
            UserError: The name is unknown; the message suggests the nearest known one.
        """
        if not isinstance(name, str) or name not in self._places:
            raise suggest(name, self._places, self.what)
        module, _, attribute = self._places[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def choose(self, given: str | type, base: type) -> Any:
        """The given custom class, the class at a place ``"module:Class"``, or the class of a name.

        Args:
            given: A class, a place or a name.
            base: The base class, which a custom class must inherit.

        Raises:
            UserError: The name is unknown; there is nothing at the place, or it comes from an untrusted file
                (:func:`names_from_a_file`); or the class does not inherit ``base``.
        """
        if isinstance(given, str) and ":" not in given:
            return self.get(given)
        found = self._import(given) if isinstance(given, str) else given
        if not inspect.isclass(found) or not issubclass(found, base) or inspect.isabstract(found):
            name = place_of(found) if inspect.isclass(found) else repr(found)
            missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ()))) if inspect.isabstract(found) else ""
            reason = f"does not define {missing}" if missing else f"is not a {base.__module__}.{base.__name__}"
            raise UserError(f"{self.what} {name} {reason}; give a class that inherits it, or a name: {self._known}")
        return found

    def choose_callable(self, given: Any) -> Any:
        """The given callable, the one at a place ``"module:name"``, or the one of a name.

        Raises:
            UserError: The name is unknown, there is nothing at the place, it comes from an untrusted file, or the
                object is not callable.
        """
        if isinstance(given, str) and ":" not in given:
            return self.get(given)
        found = self._import(given) if isinstance(given, str) else given
        if not callable(found):
            raise UserError(f"{self.what} {brief(given)} cannot be called; give a callable, or a name: {self._known}")
        return found

    def _import(self, place: str) -> Any:
        """Import the object at ``"module:attribute"``."""
        module, _, attribute = place.partition(":")
        if _from_others.get():
            raise UserError(
                f"the file names the {self.what} {place!r}, but a file may not choose what is imported; "
                f"pass the class: load(..., {self.what}={attribute.rpartition('.')[2] or 'Class'})"
            )
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # the module exists, but one that it imports is missing
            raise UserError(
                f"{self.what} {place!r}: there is no module {module!r}; its folder must be the working directory or "
                "in PYTHONPATH"
            ) from error
        except ValueError as error:
            raise UserError(f"{self.what} {place!r} cannot be imported; write module:Class") from error
        for name in attribute.split("."):
            if not hasattr(found, name):
                raise suggest(name, [n for n in vars(found) if not n.startswith("_")], f"name in {module!r},")
            found = getattr(found, name)
        return found

    @property
    def _known(self) -> str:
        return ", ".join(self.names())


def registered(env_id: str) -> str:
    """Import the package before an id, as in ``minigrid:MiniGrid-Empty-5x5-v0``; return the id without it.

    Raises:
        UserError: It is no valid id, there is no such package, or an untrusted file names it
            (:func:`names_from_a_file`).
    """
    package, colon, name = env_id.rpartition(":") if isinstance(env_id, str) else ("", "", "")
    if not name or (colon and not all(part.isidentifier() for part in package.split("."))):
        raise UserError(
            f"{brief(env_id)} is not an environment id; allowed: ID, or PACKAGE:ID, if importing PACKAGE registers ID"
        )
    if not colon:
        return env_id
    if _from_others.get() and package not in sys.modules and package.partition(".")[0] not in OTHERS:
        raise UserError(
            f"a file names the environment {env_id!r}, but a file may not choose what is imported, here {package}; "
            f"name it yourself: load(path, {env_id!r}), or --env {env_id} on the command line"
        )
    try:
        importlib.import_module(package)
    except ImportError as error:
        missing = (error.name if isinstance(error, ModuleNotFoundError) else None) or package
        raise UserError(f"environment {env_id!r}: {error}; {how_to_find(missing.partition('.')[0])}") from error
    return name


def spec_of(env_id: str) -> EnvSpec:
    """Return Gymnasium's specification of an environment.

    Raises:
        UserError: It is not registered; the message is Gymnasium's, which mostly suggests the nearest name.
    """
    import gymnasium

    import lhy_rl  # noqa: F401  (registers the environments)

    try:
        return gymnasium.spec(registered(env_id))
    except gymnasium.error.Error as error:
        raise UserError(f"unknown environment {env_id!r}: {' '.join(str(error).split())}") from error


def game_spec_of(env_id: str) -> tuple[str, Any] | None:
    """The kind of one of PettingZoo's games, ``aec`` or ``parallel``, and its specification.

    Args:
        env_id: The id in PettingZoo's registry, such as ``classic/tictactoe-v3``.

    Returns:
        None if PettingZoo has no such game, and for our games, whose rules are found elsewhere.
    """
    if env_id.startswith("lhy_rl/"):
        return None
    import pettingzoo

    for kind, known in (("aec", pettingzoo.aec_registry), ("parallel", pettingzoo.parallel_registry)):
        if env_id in known:
            return kind, known[env_id]
    return None
