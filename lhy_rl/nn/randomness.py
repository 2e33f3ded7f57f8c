"""Seeds torch's global generators for a while, and restores them.

Dropout, initialisation and the like cannot be given a generator. Code that uses them seeds the global generators and
restores them afterwards, so that the user's random numbers and ours do not depend on each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import torch
from torch import Tensor

CPU = torch.device("cpu")


class OwnRandomness:
    """A context in which torch's global generators are seeded with ``seed``.

    Args:
        seed: The seed.
        device: Device whose generator is seeded besides the CPU's; those of other devices are left alone.
    """

    def __init__(self, seed: int, device: torch.device = CPU) -> None:
        self.seed, self.device = seed, device
        self.users: list[Tensor] = []

    def __enter__(self) -> OwnRandomness:
        self.users = self._states()
        torch.default_generator.manual_seed(self.seed)  # torch.manual_seed would seed every GPU
        if self.device.type == "cuda":
            with torch.cuda.device(self.device):
                torch.cuda.manual_seed(self.seed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._set(self.users)

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """A context inside this one, for calls of the user's code, in which the user's random numbers continue."""
        ours = self._states()
        self._set(self.users)
        try:
            yield
        finally:
            self.users = self._states()
            self._set(ours)

    def _states(self) -> list[Tensor]:
        gpu = [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        return [torch.get_rng_state(), *gpu]

    def _set(self, states: list[Tensor]) -> None:
        torch.set_rng_state(states[0])
        for state in states[1:]:
            torch.cuda.set_rng_state(state, self.device)
