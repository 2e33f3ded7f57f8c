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
POSITIVE = ("learning_rate", "max_grad_norm", "clip_range", "target_kl", "temperature")  # options that are above 0
SHARES = ("gamma", "gae_lambda", "label_weight", "decay")  # options from 0 to 1; other fractions are at least 0


def defaults_of(kind: type) -> dict[str, Any]:
    """The options of an agent's class and their defaults."""
    parameters = inspect.signature(kind).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


@cache
def our_options(kind: Any) -> frozenset[str]:
    """The names of an agent's options without those that only a class outside this package states."""
    ours = [vars(source)["__init__"] for source in option_sources(kind) if is_ours(source)]
    return frozenset(defaults_of(kind)) & {name for init in ours for name in inspect.signature(init).parameters}


def whole(name: str, value: Any, default: Any) -> Any:
    """The value of an option; where the default is an integer, a float without a fraction becomes one (64.0 is 64).

    Raises:
        UserError: It has a fraction.
    """
    if not isinstance(value, float) or isinstance(default, bool) or not isinstance(default, int):
        return value
    if not value.is_integer():
        raise UserError(f"{name} is {value}; allowed: a whole number")
    return int(value)


def changed(agent: Any, name: str, value: Any) -> Any:
    """The value of an option that is set on a made agent, checked, and remembered for ``save``.

    Raises:
        UserError: The option cannot be changed any more, or not to this value.
    """
    kind, value = type(agent), plain(value)
    if callable(value) and name in kind.schedulable:
        agent.schedules[name] = value
        return getattr(agent, name)
    if name not in kind.changeable:
        if name in vars(agent) and not isinstance(value, bool | int | float | str):
            return value  # the agent sets it itself: a reward model, or a reference policy, that it made of the option
        example = f"{kind.__name__}(env, {name}={brief(value, 40)})"
        raise UserError(f"{name} of {kind.__name__} cannot be changed any more; make a new agent: {example}")
    default = defaults_of(kind)[name]
    value = whole(name, value, default)
    if isinstance(default, int):
        validation.check(**{name: (value, 1)})
    elif name in SHARES:
        validation.check(**{name: (value, 0, 1)})
    elif name not in POSITIVE:
        validation.check(**{name: (value, 0)})
    elif value is not None or default is not None:
        validation.positive(**{name: value})
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
            defaults = defaults_of(cls)
            allowed = set(defaults)
            options = {name: plain(value) for name, value in renamed(options, cls.former_names).items()}
            given, options, sb3_arguments = translate(cls, allowed, given, options)
            for name in options.keys() - allowed:
                raise suggest(name, allowed, f"option of {cls.__name__}")
            ours = our_options(cls)
            options |= {name: whole(name, options[name], defaults[name]) for name in options.keys() & ours}
            self = cls.__new__(cls)
            self.hyperparameters = options
            self.__init__(*given, **options)
            sb3_arguments.apply(self)
            self.options_made_with = ours
            return self
