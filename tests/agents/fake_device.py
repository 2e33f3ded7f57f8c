"""A device that is none: tensors in the CPU's memory that may not meet others, as on a GPU.

Where a tensor is said to be follows its memory. An operation on tensors of both kinds raises what CUDA raises; allowed
are, as there, numbers without dimensions, indices of the CPU into a tensor of the device, and copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("hpu", 0)
COPIES = {"copy_", "_to_copy"}
INDEXED = {"index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_"}


class Places:
    """Which memory is said to be on the device; it is kept, so that no other gets its address."""

    def __init__(self) -> None:
        self.known: dict[int, Any] = {}

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self.known

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self.known[storage._cdata] = storage


class Operations(TorchDispatchMode):
    """Holds every operation to the device's rules; its results are on the device where its arguments are."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.places = places

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.__name__.partition(".")[0]
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        there = any(x in self.places for x in given)
        if there and name not in COPIES:
            free = []
            if name in INDEXED and args[0] in self.places:
                free = [x for x in tree_leaves(args[1]) if isinstance(x, Tensor)]
            if name.startswith("_embedding_bag"):  # torch makes the offsets itself, on the side of the indices
                free = [x for x in given if not x.is_floating_point()]
            strays = [x for x in given if x not in self.places and x.dim() and not any(x is f for f in free)]
            if strays:
                raise RuntimeError(f"Expected all tensors to be on the same device, but {name} got hpu:0 and cpu")
        result = func(*args, **kwargs)
        if there and name != "copy_":  # which gives back what it wrote to
            for x in tree_leaves(result):
                if isinstance(x, Tensor):
                    self.places.add(x)
        return result


class FakeDevice(TorchFunctionMode):
    """Moves, factories and the attribute ``device`` of tensors, as if there were the device."""

    def __init__(self) -> None:
        super().__init__()
        self.places = Places()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if func == Tensor.device.__get__:
            return DEVICE if args[0] in self.places else torch.device("cpu")
        if name in ("numpy", "__array__") and args[0] in self.places:
            raise TypeError("can't convert hpu:0 device type tensor to numpy. Use Tensor.cpu() first")
        if name == "cpu":
            return self._move(args[0], False)
        if name == "to":
            return self._to(args[0], args[1:], kwargs)
        if func is Tensor.backward and args[0].dim() == 0 and not kwargs.get("create_graph"):
            one = torch.ones_like(args[0])
            with self:  # what is written in Python on the way back makes tensors, too
                engine: Any = torch.autograd.Variable._execution_engine
                keep = bool(kwargs.get("retain_graph"))
                return engine.run_backward(
                    (args[0],), (one,), keep, False, (), allow_unreachable=True, accumulate_grad=True
                )
        if name == "one_hot":  # makes its result inside, where nobody can say on which side
            with _disable_current_modes():
                return self._mark(func(*args, **kwargs), args[0] in self.places)
        wanted = kwargs.get("device")
        if wanted is None:
            made = func(*args, **kwargs)
            return self._mark(made, args[0] in self.places) if name.startswith("new_") else made
        target = _is_ours(wanted)
        generator = kwargs.get("generator")
        if target and generator is not None:
            raise RuntimeError("Expected a 'hpu' device type for generator but found 'cpu'")
        made = func(*args, **{**kwargs, "device": "cpu"})
        if isinstance(args[0] if args else None, Tensor):  # torch.as_tensor, zeros_like, new_zeros
            return self._move(made, target) if name == "as_tensor" else self._mark(made.clone(), target)
        return self._mark(made.clone() if name == "as_tensor" and target else made, target)

    def _to(self, tensor: Tensor, rest: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """``tensor.to`` a device, a type, or another tensor's."""
        target = tensor in self.places
        kept: list[Any] = []
        for word in (*rest, kwargs.pop("device", None)):
            if isinstance(word, torch.device | str):
                target = _is_ours(word)
            elif isinstance(word, Tensor):
                target = word in self.places
                kept.append(word.dtype)
            elif isinstance(word, torch.dtype):
                kept.append(word)
        moved = self._move(tensor, target)
        return moved.to(*kept, **kwargs) if kept or kwargs else moved

    def _move(self, tensor: Tensor, target: bool) -> Tensor:
        """On the other side a copy, with its gradient; on the same side the tensor itself."""
        if (tensor in self.places) == target:
            return tensor
        return _Copy.apply(tensor, self, target)

    def _mark(self, tensor: Tensor, target: bool) -> Tensor:
        if target:
            self.places.add(tensor)
        return tensor


class _Copy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, device: FakeDevice, target: bool) -> Tensor:
        ctx.device, ctx.target = device, target
        return _unchecked(tensor, device, target)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return _unchecked(grad, ctx.device, not ctx.target), None, None


def _unchecked(tensor: Tensor, device: FakeDevice, target: bool) -> Tensor:
    copied = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
    if target:
        device.places.add(copied)
    return copied.copy_(tensor)


def _is_ours(device: Any) -> bool:
    return torch.device(device).type == DEVICE.type


@contextmanager
def fake_device() -> Iterator[str]:
    """Inside there is a device of this name."""
    functions = FakeDevice()
    with functions, Operations(functions.places):
        yield "hpu"
