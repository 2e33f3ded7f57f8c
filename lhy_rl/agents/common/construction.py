"""How an agent is made from its options, which are those of all the constructors that it inherits."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from typing import TYPE_CHECKING, Any

from lhy_rl.agents.common.sb3_arguments import translate
from lhy_rl.core.errors import renamed, suggest
from lhy_rl.core.signatures import option_sources
from lhy_rl.core.validation import plain


def defaults_of(kind: type) -> dict[str, Any]:
    """The options of an agent's class and their defaults."""
    parameters = inspect.signature(kind).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


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
            return self
