"""All parameters of a network in one piece of memory, so that an optimizer's step is one operation, not one each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class FlatParameters:
    """Moves a network's parameters into one vector; the network uses views of it.

    Args:
        network: On its device already. Its parameters stay the same objects.

    Attributes:
        vector: (P,) a parameter with all values, for the optimizer.
    """

    def __init__(self, network: nn.Module) -> None:
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.vector = nn.Parameter(torch.cat([p.detach().flatten() for p in self.parameters]))
        sizes = [p.numel() for p in self.parameters]
        for parameter, values in zip(self.parameters, torch.split(self.vector.data, sizes), strict=True):
            parameter.data = values.view_as(parameter)

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor, max_grad_norm: float) -> Tensor:
        """One step down the loss; the gradient's norm before it was shortened."""
        return self.follow(optimizer, torch.autograd.grad(loss, self.parameters, materialize_grads=True), max_grad_norm)

    def follow(self, optimizer: torch.optim.Optimizer, grads: Sequence[Tensor], max_grad_norm: float) -> Tensor:
        """One step against the gradients of the parameters, in their order; the norm as of :meth:`descend`."""
        grad = torch.cat([g.flatten() for g in grads])
        norm = torch.linalg.vector_norm(grad)
        self.vector.grad = grad.mul_((max_grad_norm / (norm + 1e-6)).clamp_(max=1.0))
        optimizer.step()
        return norm  # type: ignore[no-any-return]
