"""A switch from the fused operations to torch's plain ones, which can be differentiated any number of times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch.nn.attention import SDPBackend, sdpa_kernel

_plain = ContextVar("plain", default=False)


@contextmanager
def plain_operations() -> Iterator[None]:
    """Context in which tanh and softmax layers and attention use torch's operations, for Hessians or ``torch.func``."""
    token = _plain.set(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        _plain.reset(token)


def plain() -> bool:
    """Whether :func:`plain_operations` is active."""
    return _plain.get()
