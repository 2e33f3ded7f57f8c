"""Where the operations that are fused here are to be the plain ones, which may be differentiated again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_plain = ContextVar("plain", default=False)


@contextmanager
def plain_operations() -> Iterator[None]:
    """Inside, tanh layers and softmax layers are chains of torch's own operations: for Hessians and ``torch.func``."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def plain() -> bool:
    """Whether :func:`plain_operations` holds."""
    return _plain.get()
