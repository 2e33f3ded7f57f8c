"""How an agent is made from its options, which are those of all the constructors that it inherits."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from typing import TYPE_CHECKING, Any

from lhy_rl.agents.common import sb3_manners
from lhy_rl.core.errors import suggest


class AgentClass(ABCMeta):
    """The class of agents' classes: options are translated, checked and remembered before a constructor runs."""

    @property
    def __signature__(cls) -> inspect.Signature:
        """Every option with its default: the class's own, then what its bases add. Editors and ``help`` show it."""
        found: dict[str, inspect.Parameter] = {}
        own = [vars(base)["__init__"] for base in cls.__mro__[:-1] if "__init__" in vars(base)]
        for constructor in own:
            _, *parameters = inspect.signature(constructor).parameters.values()  # without self
            for parameter in parameters:
                if parameter.kind is parameter.KEYWORD_ONLY or constructor is own[0]:
                    found.setdefault(parameter.name, parameter)
        named = [parameter for parameter in found.values() if parameter.kind is not parameter.VAR_KEYWORD]
        return inspect.Signature(sorted(named, key=lambda parameter: parameter.kind))

    if not TYPE_CHECKING:  # type checkers read the constructors

        def __call__(cls, *given: Any, **options: Any) -> Any:
            parameters = cls.__signature__.parameters.values()
            allowed = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
            given, options, manners = sb3_manners.translate(cls, allowed, given, options)
            for name in options.keys() - allowed:
                raise suggest(name, allowed, f"option of {cls.__name__}")
            self = cls.__new__(cls)
            self.hyperparameters = options
            self.__init__(*given, **options)
            manners.take(self)
            return self
