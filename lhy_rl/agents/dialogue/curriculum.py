"""A curriculum: the rules of a game change while it is learned, from easy to hard (Bengio et al. 2009)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lhy_rl.core.errors import UserError, brief
from lhy_rl.rollouts.games import Games


class Curriculum:
    """Attributes of a game's rules and the values that they take in turn, each for an equal share of the training.

    Args:
        stages: Attribute to its values, in order.
        games: The games; each value is tried on their rules.

    Raises:
        UserError: the rules have no such attribute, no values are given, or the rules refuse one.
    """

    def __init__(self, stages: Mapping[str, Sequence[Any]] | None, games: Games) -> None:
        self.stages = dict(stages or {})
        if self.stages and games.batched is None:
            raise UserError(f"{games.name} is not a BatchedGame, which a curriculum needs; curriculum must be None")
        for name, values in self.stages.items():
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                raise UserError(f"curriculum of {name} is {brief(values)}; allowed: a list of values, as [2, 5, 8]")
            if not self.changeable(name, games):
                raise UserError(f"curriculum: {games.name} has no {name!r} that may change between games")
            for value in reversed(values):  # so that the first one stays set
                setattr(games.batched, name, value)

    def changeable(self, name: str, games: Games) -> bool:
        """Whether this attribute of the rules may change between games: it is a property with a setter."""
        found = getattr(type(games.batched), name, None)
        return isinstance(found, property) and found.fset is not None

    def apply(self, games: Games, share: float) -> None:
        """Set the rules for the point at which ``share`` of the training, 0 to 1, is done."""
        for name, values in self.stages.items():
            setattr(games.batched, name, values[min(int(share * len(values)), len(values) - 1)])
