"""The classical schedules of trainings as policies of ``lhy_rl/MultiFidelity-v0``.

Each is a generator: it yields an action and is sent the networks of the next observation, so that a schedule reads as
in its paper. None uses more than the observation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import numpy as np

from lhy_rl.core.errors import suggest
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.envs.search.multi_fidelity import CONTINUE, NEW, PROMOTE

Curve = tuple[float, ...]
ETA = 3  # one of this many trainings continues
FIRST_CURVES = 5  # number of curves for which the median rule waits


@dataclass(frozen=True)
class Networks:
    """The networks in an observation.

    Attributes:
        curves: Accuracies after each epoch so far, of the present network and of the paused ones, the best first.
        can_continue: Whether the present one has neither ended nor diverged.
    """

    curves: tuple[Curve, ...]
    can_continue: bool

    @property
    def present(self) -> Curve:
        """The present network's curve."""
        return self.curves[0]

    def action_for(self, curve: Curve) -> int | None:
        """The action that continues the network of this curve; None if it no longer exists."""
        if curve == self.present:
            return CONTINUE if self.can_continue else None
        places = [place for place, other in enumerate(self.curves) if other == curve]
        return PROMOTE + places[0] - 1 if places else None


Schedule = Generator[int, Networks, None]


def read_networks(observation: Mapping[str, np.ndarray], num_epochs: int) -> Networks:
    """The networks in the observation of one instance.

    Args:
        observation: An observation of ``MultiFidelity-v0``.
        num_epochs: E, of a whole training.
    """
    rows = observation["observation"][2:].reshape(-1, 1 + num_epochs)
    trained = np.rint(rows[:, 0] * num_epochs).astype(int)
    curves = [tuple(row[1 : 1 + count].tolist()) for row, count in zip(rows, trained, strict=True)]
    return Networks((curves[0], *(curve for curve in curves[1:] if curve)), bool(observation[ACTION_MASK][CONTINUE]))


def full_training(num_epochs: int, budget: int) -> Schedule:
    """Random search: every configuration is trained to its end."""
    while True:
        networks = yield NEW
        while networks.can_continue:
            networks = yield CONTINUE


def one_epoch(num_epochs: int, budget: int) -> Schedule:
    """The other extreme: a new configuration every epoch."""
    while True:
        yield NEW


def median_stopping(num_epochs: int, budget: int) -> Schedule:
    """Stop a training whose best accuracy is below the median of the earlier trainings' average accuracies so far.

    Golovin et al. 2017 (Google Vizier), section 3.2.1; the rule applies after five trainings that reached the epoch.
    """
    earlier: list[Curve] = []
    while True:
        networks = yield NEW
        while networks.can_continue:
            epoch = len(networks.present)
            averages = [float(np.mean(curve[:epoch])) for curve in earlier if len(curve) >= epoch]
            if len(averages) >= FIRST_CURVES and max(networks.present) < np.median(averages):
                break
            networks = yield CONTINUE
        earlier.append(networks.present)


def bracket(count: int, rungs: list[int]) -> Schedule:
    """Successive halving once: train ``count`` new configurations to the first rung, the best third to the next, ..."""
    reached: list[Curve] = []
    for _ in range(count):
        networks = yield NEW
        while networks.can_continue and len(networks.present) < rungs[0]:
            networks = yield CONTINUE
        reached.append(networks.present)
    for rung in rungs[1:]:
        best = sorted(reached, key=lambda curve: curve[-1], reverse=True)
        number, reached = max(1, len(best) // ETA), []
        for curve in best:
            action = networks.action_for(curve)
            if len(reached) == number:
                break
            if action is None:  # it has diverged, or was abandoned for lack of a slot
                continue
            networks = yield action
            while networks.can_continue and len(networks.present) < rung:
                networks = yield CONTINUE
            reached.append(networks.present)


def rungs_of(num_epochs: int, most: int | None = None) -> list[int]:
    """E / eta^s, ..., E / eta, E: the epochs at which trainings are compared, at least one each."""
    levels = int(math.log(num_epochs, ETA) + 1e-9) if most is None else most
    return [max(1, num_epochs // ETA**level) for level in range(levels, -1, -1)]


def cost(count: int, rungs: list[int]) -> int:
    """The epochs of a bracket."""
    total = count * rungs[0]
    for before, rung in itertools.pairwise(rungs):
        count = max(1, count // ETA)
        total += count * (rung - before)
    return total


def successive_halving(num_epochs: int, budget: int) -> Schedule:
    """One bracket of as many configurations as the budget allows (Jamieson and Talwalkar 2016); then another one."""
    rungs = rungs_of(num_epochs)
    counts = [count for count in range(1, budget + 1) if cost(count, rungs) <= budget]
    while True:
        yield from bracket(max(counts, default=1), rungs)


def hyperband(num_epochs: int, budget: int) -> Schedule:
    """Brackets from many short trainings to few whole ones, repeatedly (Li et al. 2018, algorithm 1)."""
    most = len(rungs_of(num_epochs)) - 1
    while True:
        for level in range(most, -1, -1):
            count = math.ceil((most + 1) / (level + 1) * ETA**level)
            yield from bracket(count, rungs_of(num_epochs, level))


def asha(num_epochs: int, budget: int) -> Schedule:
    """Promote a training in the best third of its rung at once, highest rung first; otherwise begin a new one.

    Li et al. 2020, algorithm 2, with one worker.
    """
    rungs = rungs_of(num_epochs)
    reached: list[list[Curve]] = [[] for _ in rungs]  # curves of all trainings that reached a rung
    waiting: list[list[Curve]] = [[] for _ in rungs]  # curves of those that were not promoted
    networks = Networks(((),), False)
    while True:
        rung, action = 0, NEW
        for level in range(len(rungs) - 2, -1, -1):
            best = sorted(reached[level], key=lambda curve: curve[-1], reverse=True)[: len(reached[level]) // ETA]
            found = [curve for curve in best if curve in waiting[level] and networks.action_for(curve) is not None]
            if found:
                waiting[level].remove(found[0])
                rung, action = level + 1, networks.action_for(found[0]) or CONTINUE
                break
        networks = yield action
        while networks.can_continue and len(networks.present) < rungs[rung]:
            networks = yield CONTINUE
        reached[rung].append(networks.present)
        waiting[rung].append(networks.present)


POLICIES: dict[str, Callable[[int, int], Schedule]] = {
    "full_training": full_training,
    "one_epoch": one_epoch,
    "median_stopping": median_stopping,
    "successive_halving": successive_halving,
    "hyperband": hyperband,
    "asha": asha,
}


class SchedulePolicy:
    """A named schedule as a policy for one instance, episode after episode.

    Args:
        name: One of :data:`POLICIES`.
        num_epochs: E, of a whole training.
        budget: Epochs of an episode.

    Raises:
        UserError: an unknown name.
    """

    def __init__(self, name: str, num_epochs: int, budget: int) -> None:
        if name not in POLICIES:
            raise suggest(name, POLICIES, "policy")
        self.name, self.num_epochs, self.budget = name, num_epochs, budget
        self._schedule: Schedule | None = None

    def act(self, observation: Mapping[str, np.ndarray]) -> int:
        """The action for an observation of one instance; where nothing was trained yet, an episode begins."""
        if self._schedule is None or observation["observation"][0] == 1:  # all epochs are left
            self._schedule = POLICIES[self.name](self.num_epochs, self.budget)
            return next(self._schedule)
        return self._schedule.send(read_networks(observation, self.num_epochs))
