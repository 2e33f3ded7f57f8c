"""Where the operations that are fused here are to be the plain ones, which may be differentiated again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch.nn.attention import SDPBackend, sdpa_kernel

_plain = ContextVar("plain", default=False)


@contextmanager
def plain_operations() -> Iterator[None]:
    """Inside, tanh and softmax layers and attention are chains of torch's operations: for Hessians, ``torch.func``."""
    token = _plain.set(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        _plain.reset(token)


def plain() -> bool:
    """Whether :func:`plain_operations` holds."""
    return _plain.get()
