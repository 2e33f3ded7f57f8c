"""Torch's global generators, borrowed and given back.

Dropout, initialisation and the like take no generator of their own. Whoever uses them borrows the global ones, seeds
them, and leaves them as they were: what a user draws does not depend on us, nor we on what a user draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import torch
from torch import Tensor

CPU = torch.device("cpu")


class OwnRandomness:
    """Inside, torch functions that take no generator draw what the seed says.

    Args:
        seed: Of what is drawn inside.
        device: Whose generator is borrowed, besides the CPU's; those of other devices are left alone.
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
        """Inside, where something of the user's runs, the user's own numbers go on."""
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
