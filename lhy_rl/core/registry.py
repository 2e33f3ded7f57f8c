"""Things chosen by name in a configuration: tables from names to places, imported when asked for; environments' ids."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from lhy_rl.core.errors import UserError, brief, how_to_find, suggest

if TYPE_CHECKING:
    from gymnasium.envs.registration import EnvSpec

_from_others: ContextVar[bool] = ContextVar("_from_others", default=False)


@contextmanager
def names_from_a_file() -> Iterator[None]:
    """Inside, :meth:`Registry.choose` imports no ``"module:Class"``: what a file of others names must not be run."""
    token = _from_others.set(True)
    try:
        yield
    finally:
        _from_others.reset(token)


def place_of(kind: type) -> str:
    """``"module:Class"``, under which a class is written into a file."""
    return f"{kind.__module__}:{kind.__qualname__}"


def is_ours(kind: type) -> bool:
    """Whether a class is one of the package, and not of whoever uses it."""
    return kind.__module__.startswith("lhy_rl.")


class Registry:
    """Names of one kind of thing and where each lives; ``registry[name]`` imports it.

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
        """Names and things, in the order of the table."""
        return ((name, self.get(name)) for name in self)

    def register(self, name: str, place: str) -> None:
        """Add or replace a name; ``place`` is ``"module:attribute"``."""
        self._places[name] = place

    def place(self, name: str) -> str:
        """Where a known name lives, ``"module:attribute"``; nothing is imported."""
        return self._places[name]

    def get(self, name: str) -> Any:
        """Import the thing of that name.

        Raises:
            UserError: unknown name; the message holds the nearest known one.
        """
        if not isinstance(name, str) or name not in self._places:
            raise suggest(name, self._places, self.what)
        module, _, attribute = self._places[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def choose(self, given: str | type, base: type) -> Any:
        """A class of one's own, the class at a place ``"module:Class"``, or the thing of a name.

        Args:
            given: A class, a place or a name.
            base: The contract, which a class of one's own inherits.

        Raises:
            UserError: an unknown name; a place where nothing is, or that stands in a file of others
                (:func:`names_from_a_file`); a class that does not keep the contract.
        """
        if isinstance(given, str) and ":" not in given:
            return self.get(given)
        found = self._import(given) if isinstance(given, str) else given
        if not inspect.isclass(found) or not issubclass(found, base) or inspect.isabstract(found):
            name = place_of(found) if inspect.isclass(found) else repr(found)
            missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ()))) if inspect.isabstract(found) else ""
            reason = f"does not define {missing}" if missing else f"is no {base.__module__}.{base.__name__}"
            raise UserError(f"{self.what} {name} {reason}; give a class that inherits it, or a name: {self._known}")
        return found

    def choose_callable(self, given: Any) -> Any:
        """What can be called: itself, what stands at a place ``"module:name"``, or the thing of a name.

        Raises:
            UserError: an unknown name, a place where nothing is or that stands in a file of others, or what cannot be
                called.
        """
        if isinstance(given, str) and ":" not in given:
            return self.get(given)
        found = self._import(given) if isinstance(given, str) else given
        if not callable(found):
            raise UserError(f"{self.what} {brief(given)} cannot be called; give a callable, or a name: {self._known}")
        return found

    def _import(self, place: str) -> Any:
        """Import what stands at ``"module:attribute"``."""
        module, _, attribute = place.partition(":")
        if _from_others.get():
            raise UserError(
                f"the file asks for the {self.what} {place!r}, which is not imported on a file's word; "
                f"pass the class: load(..., {self.what}={attribute.rpartition('.')[2] or 'Class'})"
            )
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # the module is there, and lacks one that it imports
            raise UserError(
                f"{self.what} {place!r}: there is no module {module!r}; its folder must be the working directory or "
                "in PYTHONPATH"
            ) from error
        except ValueError as error:
            raise UserError(f"{self.what} {place!r} is no place; write module:Class") from error
        for name in attribute.split("."):
            if not hasattr(found, name):
                raise suggest(name, [n for n in vars(found) if not n.startswith("_")], f"name in {module!r},")
            found = getattr(found, name)
        return found

    @property
    def _known(self) -> str:
        return ", ".join(self.names())


def registered(env_id: str) -> str:
    """The id without its package, which is imported, as in ``minigrid:MiniGrid-Empty-5x5-v0``.

    Raises:
        UserError: it can be no id, or there is no such package.
    """
    package, colon, name = env_id.rpartition(":") if isinstance(env_id, str) else ("", "", "")
    if not name or (colon and not all(part.isidentifier() for part in package.split("."))):
        raise UserError(
            f"{brief(env_id)} can be no environment; allowed: ID, or PACKAGE:ID where importing it registers it"
        )
    if not colon:
        return env_id
    try:
        importlib.import_module(package)
    except ImportError as error:
        missing = (error.name if isinstance(error, ModuleNotFoundError) else None) or package
        raise UserError(f"environment {env_id!r}: {error}; {how_to_find(missing.partition('.')[0])}") from error
    return name


def spec_of(env_id: str) -> EnvSpec:
    """Return Gymnasium's specification of an environment.

    Raises:
        UserError: nobody registered it; the message holds what Gymnasium says, the nearest name mostly.
    """
    import gymnasium

    import lhy_rl  # noqa: F401  (registers the environments)

    try:
        return gymnasium.spec(registered(env_id))
    except gymnasium.error.Error as error:
        raise UserError(f"unknown environment {env_id!r}: {' '.join(str(error).split())}") from error


def game_spec_of(env_id: str) -> tuple[str, Any] | None:
    """PettingZoo's name for the kind of one of its games, ``aec`` or ``parallel``, and its specification.

    Args:
        env_id: As in its registry, ``classic/tictactoe-v3`` say.

    Returns:
        None where PettingZoo has no such game, and for ours, whose rules are found elsewhere.
    """
    if env_id.startswith("lhy_rl/"):
        return None
    import pettingzoo

    for kind, known in (("aec", pettingzoo.aec_registry), ("parallel", pettingzoo.parallel_registry)):
        if env_id in known:
            return kind, known[env_id]
    return None
