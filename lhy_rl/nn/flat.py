"""All parameters of a network in one piece of memory, so that an optimizer's step is one operation, not one each."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FlatParameters:
    """Moves a network's parameters into one vector; the network uses views of it.

    Args:
        network: On its device already. Its parameters stay the same objects.

    Attributes:
        vector: (P,) a parameter with all values, for the optimizer.
        grad: (P,) its gradient.
    """

    def __init__(self, network: nn.Module) -> None:
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.vector = nn.Parameter(torch.cat([p.detach().flatten() for p in self.parameters]))
        sizes = [p.numel() for p in self.parameters]
        for parameter, values in zip(self.parameters, torch.split(self.vector.data, sizes), strict=True):
            parameter.data = values.view_as(parameter)
        self.grad = torch.zeros_like(self.vector.data)
        grads = torch.split(self.grad, sizes)
        self.grads = [grad.view_as(parameter) for grad, parameter in zip(grads, self.parameters, strict=True)]

    def grad_of(self, parameter: Tensor) -> Tensor:
        """This parameter's part of :attr:`grad`, for those who write it down themselves before :meth:`step`."""
        return next(grad for grad, own in zip(self.grads, self.parameters, strict=True) if own is parameter)

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor, max_grad_norm: float) -> Tensor:
        """One step down the loss; the gradient's norm before it was shortened."""
        found = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        torch.cat([grad.flatten() for grad in found], out=self.grad)
        return self.step(optimizer, max_grad_norm)

    def step(self, optimizer: torch.optim.Optimizer, max_grad_norm: float) -> Tensor:
        """One step against :attr:`grad`; its norm before it was shortened."""
        norm = torch.linalg.vector_norm(self.grad)
        self.vector.grad = self.grad.mul_((max_grad_norm / (norm + 1e-6)).clamp_(max=1.0))
        optimizer.step()
        return norm  # type: ignore[no-any-return]
