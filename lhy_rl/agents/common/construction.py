"""How an agent is made from its options, which are those of all the constructors that it inherits.

An option can also be set on an agent that is made (``agent.entropy_coef = 0.0``): it then has its effect from the next
update on and is saved with the agent, or, where no update reads it (``n_steps``), one line says so.
"""

from __future__ import annotations

import inspect
from abc import ABCMeta
from functools import cache
from typing import TYPE_CHECKING, Any

from lhy_rl.agents.common.sb3_arguments import translate
from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, brief, renamed, suggest
from lhy_rl.core.registry import is_ours
from lhy_rl.core.signatures import option_sources
from lhy_rl.core.validation import plain

Names = tuple[str, ...]
SHARES = ("gamma", "gae_lambda", "pool_share")  # options that are at most 1


def defaults_of(kind: type) -> dict[str, Any]:
    """The options of an agent's class and their defaults."""
    parameters = inspect.signature(kind).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


@cache
def our_options(kind: Any) -> frozenset[str]:
    """The names of an agent's options without those that only a class outside this package states."""
    ours = [vars(source)["__init__"] for source in option_sources(kind) if is_ours(source)]
    return frozenset(defaults_of(kind)) & {name for init in ours for name in inspect.signature(init).parameters}


def changed(agent: Any, name: str, value: Any) -> Any:
    """The value of an option that is set on a made agent, checked, and remembered for ``save``.

    Raises:
        UserError: The option cannot be changed any more, or not to this value.
    """
    kind, value = type(agent), plain(value)
    if callable(value) and name in kind.schedulable:
        agent.schedules[name] = value
        return getattr(agent, name)
    present = getattr(agent, name, None)
    unchanged = value is present and name not in agent.schedules
    if unchanged or not isinstance(value, bool | int | float | str | None):
        return value  # not only the user sets it: an agent makes a reward model or a reference policy of an option
    if name not in kind.changeable:
        example = f"{kind.__name__}(env, {name}={brief(value, 40)})"
        raise UserError(f"{name} of {kind.__name__} cannot be changed any more; make a new agent: {example}")
    if isinstance(present, bool):
        validation.flag(name, value)
    elif isinstance(present, int):
        validation.integer(name, value, 1)
    elif value is not None or defaults_of(kind)[name] is not None:
        number: Any = value
        validation.check(**{name: (number, 0, 1) if name in SHARES else (number, 0)})
    agent.schedules.pop(name, None)
    agent.hyperparameters[name] = value
    return value


class AgentClass(ABCMeta):
    """The class of agents' classes: options are translated, checked and remembered before a constructor runs."""

    former_names: dict[str, str] = {}  # of options that were renamed
    takes_options_of: tuple[type, ...] = ()  # the learner, or dataclasses, that a constructor passes options to

    @property
    def __signature__(cls) -> inspect.Signature:
        """Every option with its default: the class's own, then what its sources add. Editors and ``help`` show it."""
        found: dict[str, inspect.Parameter] = {}
        for source in option_sources(cls):
            _, *parameters = inspect.signature(vars(source)["__init__"]).parameters.values()  # without self
            for parameter in parameters:
                if parameter.kind is parameter.KEYWORD_ONLY or source is cls:
                    found.setdefault(parameter.name, parameter)
        named = [parameter for parameter in found.values() if parameter.kind is not parameter.VAR_KEYWORD]
        return inspect.Signature(sorted(named, key=lambda parameter: parameter.kind))

    if not TYPE_CHECKING:  # type checkers read the constructors

        def __call__(cls, *given: Any, **options: Any) -> Any:
            allowed = set(defaults_of(cls))
            options = {name: plain(value) for name, value in renamed(options, cls.former_names).items()}
            given, options, sb3_arguments = translate(cls, allowed, given, options)
            for name in options.keys() - allowed:
                raise suggest(name, allowed, f"option of {cls.__name__}")
            self = cls.__new__(cls)
            self.hyperparameters = options
            self.__init__(*given, **options)
            sb3_arguments.apply(self)
            self.options_made_with = our_options(cls)
            return self
