"""Pooling by name: how a convolutional layer shrinks its maps."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

Window = tuple[int, int]
"""Height and width in places."""


class LpPool(nn.LPPool2d):
    """(sum |x|^2)^(1/2) over a window (Gulcehre et al. 2014), with gradient 0 instead of NaN if all x are 0."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.abs().clamp_min(1e-6))


class FractionalPool(nn.Module):
    """The maximum of windows that overlap by a place and whose borders are random for each map (Graham 2014).

    Like dropout it is random in training only: in evaluation the random numbers are fixed at their mean.

    Args:
        stride: Windows are one place larger; there are as many outputs as of a convolution of that stride.
    """

    def __init__(self, stride: Window) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        sizes = [-(-side // stride) for side, stride in zip(x.shape[2:], self.stride, strict=True)]
        windows = [
            min(stride + (stride > 1), side - size + 1)  # the windows of a small map do not overlap
            for side, stride, size in zip(x.shape[2:], self.stride, sizes, strict=True)
        ]
        shape = (*x.shape[:2], 2)
        samples = x.new_empty(shape).uniform_() if self.training else x.new_full(shape, 0.5)
        return F.fractional_max_pool2d(x, windows, sizes, _random_samples=samples)


POOLINGS: dict[str, Callable[[Window], nn.Module]] = {
    "strided": lambda stride: nn.Identity(),
    "max": lambda stride: nn.MaxPool2d(stride, ceil_mode=True),
    "average": lambda stride: nn.AvgPool2d(stride, ceil_mode=True),
    "lp": lambda stride: LpPool(2, stride, ceil_mode=True),
    "fractional": FractionalPool,
}
"""Poolings by name; ``strided`` is none of them, because there the convolution itself skips places."""


def make_pooling(name: str, stride: int | Window) -> nn.Module:
    """Pooling of windows of ``stride`` places that gives as many outputs as a convolution of that stride."""
    return POOLINGS[name]((stride, stride) if isinstance(stride, int) else stride)
