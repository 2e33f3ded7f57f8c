"""The normalised score, by which tasks can be compared: a random policy has 0, the expert 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lhy_rl.core.errors import UserError, suggest
from lhy_rl.data import shipped


@dataclass(frozen=True)
class NormalizedScore:
    """The score of a return between a random policy's and the expert's.

    Attributes:
        expert: Mean return of the demonstrations.
        random: Mean return of a random policy.
    """

    expert: float
    random: float

    def of(self, mean_return: float) -> float:
        """(R - random) / (expert - random): above 1 better than the expert, below 0 worse than chance."""
        return (mean_return - self.random) / (self.expert - self.random)

    def __str__(self) -> str:
        return f"expert {self.expert:.4g}, random {self.random:.4g}"


def check_expert(name: str) -> None:
    """Raise a UserError where no shipped demonstrations have that name and a score."""
    if name not in shipped.scores():
        raise suggest(name, sorted(shipped.scores()), "expert")


def normalized_score_of(name: str, env: dict[str, Any]) -> NormalizedScore:
    """Normalise by the scores of shipped demonstrations.

    Args:
        name: ``cartpole-expert``, ...
        env: The environment's section of a configuration: its ``id``, or the ``env_id`` inside a wrapper, must be the
            one that the expert acted in.

    Raises:
        UserError: no such demonstrations, or they are of another environment.
    """
    check_expert(name)
    score = shipped.scores()[name]
    inner_id = env.get("env_id", env["id"])
    if score["env_id"] != inner_id:
        raise UserError(f"expert {name!r} was recorded in {score['env_id']}, but the row's environment is {inner_id}")
    return NormalizedScore(score["mean"], score["random_mean"])
