"""Domain confusion: losses for features that do not reveal the domain of a picture."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class _GradientReversal(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradients[0], None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """x itself, with its gradient reversed: -strength * dL/dx (Ganin and Lempitsky 2015, eq. 7 to 9)."""
    reversed_: Tensor = _GradientReversal.apply(x, strength)  # type: ignore[no-untyped-call]
    return reversed_


def reversal_ramp(progress: float) -> float:
    """2 / (1 + exp(-10 p)) - 1: from 0 to 1 over a training, p from 0 to 1 (Ganin and Lempitsky 2015, section 4)."""
    return 2 / (1 + math.exp(-10 * min(max(progress, 0.0), 1.0))) - 1


def confusion_loss(logits: Tensor) -> Tensor:
    """-E[log D + log(1 - D)] / 2, minimal where D = 1/2 everywhere (Tzeng et al. 2015, eq. 3); logits of any shape."""
    return (F.softplus(logits) + F.softplus(-logits)).mean() / 2
