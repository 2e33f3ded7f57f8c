"""Finds the constructors that define the options of a class."""

from __future__ import annotations


def option_sources(kind: type) -> list[type]:
    """The classes whose constructors define the options of a class: itself, its bases, and those it passes options to.

    A class attribute ``takes_options_of`` names the latter: a learner's class, or a dataclass of options. It replaces
    that of a base class.
    """
    found: list[type] = []
    owner = next((base for base in kind.__mro__ if "takes_options_of" in vars(base)), None)
    for base in kind.__mro__[:-1]:
        others = vars(base)["takes_options_of"] if base is owner else ()
        handed_on = [source for other in others for source in option_sources(other)]
        found += [source for source in (base, *handed_on) if "__init__" in vars(source) and source not in found]
    return found
