"""What is diagnosed: a network, examples, and the mean loss on any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call


@dataclass
class Subject:
    """A network whose loss is looked at; its parameters are moved only while a method runs.

    Attributes:
        network: In evaluation mode and in double precision, see :func:`prepared`.
        loss: The mean loss on the examples of these numbers (n,), or on all where None is given, as the network's
            parameters are.
        count: How many examples there are.
    """

    network: nn.Module
    loss: Callable[[Tensor | None], Tensor]
    count: int

    def weights(self) -> Tensor:
        """All parameters, one behind the other, (P,)."""
        return torch.cat([parameter.detach().flatten() for parameter in self.network.parameters()])

    def loss_at(self, weights: Tensor, rows: Tensor | None = None) -> Tensor:
        """The loss as a function of all parameters (P,), which torch.func may differentiate."""
        wrapped, parts, first = _Loss(self), {}, 0
        for name, parameter in wrapped.named_parameters():
            parts[name] = weights[first : first + parameter.numel()].view_as(parameter)
            first += parameter.numel()
        found: Tensor = functional_call(wrapped, parts, (rows,))
        return found

    def gradient(self, rows: Tensor | None = None) -> Tensor:
        """The loss's gradient (P,)."""
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        found = torch.autograd.grad(self.loss(rows), parameters, allow_unused=True)
        known = {id(p): g for p, g in zip(parameters, found, strict=True) if g is not None}
        return torch.cat([known.get(id(p), torch.zeros_like(p)).flatten() for p in self.network.parameters()])

    @torch.no_grad()
    def set_weights(self, weights: Tensor) -> None:
        """Move all parameters to (P,)."""
        first = 0
        for parameter in self.network.parameters():
            parameter.copy_(weights[first : first + parameter.numel()].view_as(parameter))
            first += parameter.numel()

    @torch.no_grad()
    def losses(self, points: Tensor) -> Tensor:
        """The losses (K,) at parameters (K, P); the network's own are as before afterwards."""
        before, found = self.weights(), []
        for point in points:
            self.set_weights(point)
            found.append(self.loss(None))
        self.set_weights(before)
        return torch.stack(found)


class _Loss(nn.Module):
    """The loss as a module, so that its parameters can be replaced for a call."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.network, self.subject = subject.network, (subject,)  # a tuple is no submodule

    def forward(self, rows: Tensor | None) -> Tensor:
        return self.subject[0].loss(rows)


def prepared(network: nn.Module) -> nn.Module:
    """The network in evaluation mode and in double precision, as Hessians and small steps need it."""
    return network.double().eval()
