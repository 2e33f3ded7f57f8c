"""All parameters of a network in one vector, so that an optimizer's step is one operation, not one per parameter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.nn.acceleration.inventory import Inventory


class FlatParameters:
    """Moves a network's parameters into one vector; the network uses views of it.

    The link can break: a copy of the network has its own memory (``copy.deepcopy``, cloudpickle), and so has a
    parameter after ``p.data = ...``, ``load_state_dict(assign=True)``, ``network.double()`` or ``network.to(...)``;
    a layer may be replaced or frozen. The optimizer would then update a vector that the network no longer uses, so
    :meth:`tie` checks this once per update and restores the link.

    Args:
        network: The network, already on its device. Its parameters stay the same objects; frozen ones are left out.

    Attributes:
        vector: (P,) a parameter with all values, for the optimizer.
        grad: (P,) its gradient.
        parameters: The parameters in it, in the network's order; after a step, their ``grad`` is the clipped gradient.
    """

    def __init__(self, network: nn.Module) -> None:
        self.inventory = Inventory(network)
        self.vector = nn.Parameter(torch.empty(0))
        self.listened = False
        self._gather()

    def _gather(self) -> None:
        """Copy the network's current values into the vector, and make the parameters views of it."""
        self.inventory.take()
        trained = {name: p for name, p in self.inventory.parameters.items() if p.requires_grad}
        if not trained:
            raise UserError("every parameter of the network is frozen (requires_grad=False): there is nothing to learn")
        self.names, self.parameters = list(trained), list(trained.values())
        self.sizes = [p.numel() for p in self.parameters]
        self.vector.data = torch.cat([p.detach().flatten() for p in self.parameters])
        self.grad = torch.zeros_like(self.vector.data)
        values, grads = (torch.split(x, self.sizes) for x in (self.vector.data, self.grad))
        self.grads = [grad.view_as(parameter) for grad, parameter in zip(grads, self.parameters, strict=True)]
        for parameter, value, grad in zip(self.parameters, values, self.grads, strict=True):
            parameter.data, parameter.grad = value.view_as(parameter), grad

    @property
    def tied(self) -> bool:
        """Whether the network's parameters are still views of the vector."""
        step = self.vector.element_size()
        places = accumulate((size * step for size in self.sizes), initial=self.vector.data_ptr())
        return (
            self.inventory.complete
            and all(p.data_ptr() == place for p, place in zip(self.parameters, places, strict=False))
            and sum(p.requires_grad for p in self.inventory.parameters.values()) == len(self.parameters)
            and all(p.requires_grad for p in self.parameters)
        )

    def tie(self, optimizer: torch.optim.Optimizer) -> bool:
        """Before an update, restore the link between the vector and the network if it is broken.

        The network's values are kept. The optimizer's moments are kept for parameters of the same name and size; others
        begin at 0.

        Returns:
            Whether the link was broken, or a hook was added or the last one removed: objects made from the network's
            parts must be made again.
        """
        tied = self.tied  # first, because ``listened`` takes the inventory again if a part was replaced
        listened, self.listened = self.listened, self.inventory.listened
        if tied:
            return self.listened != listened
        names, sizes = self.names, self.sizes
        self._gather()
        for state in optimizer.state.values():
            for key, value in state.items():
                if isinstance(value, Tensor) and value.shape == (sum(sizes),):
                    kept = dict(zip(names, torch.split(value, sizes), strict=True))
                    found = [kept.get(name, value[:0]) for name in self.names]
                    pieces = zip(found, self.sizes, strict=True)
                    state[key] = torch.cat([x if len(x) == size else value.new_zeros(size) for x, size in pieces])
        optimizer.load_state_dict(optimizer.state_dict())  # converts the moments to the vector's dtype and device
        return True

    def grad_of(self, parameter: Tensor) -> Tensor:
        """This parameter's part of :attr:`grad`, to be written by hand before :meth:`step`."""
        return next(grad for grad, own in zip(self.grads, self.parameters, strict=True) if own is parameter)

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor, max_grad_norm: float) -> Tensor:
        """Take one gradient step on the loss; return the gradient's norm before clipping."""
        self.backward(loss)
        return self.step(optimizer, max_grad_norm)

    def backward(self, loss: Tensor) -> None:
        """Write the loss's gradient into :attr:`grad`."""
        found = self._hooked_gradients(loss) if self.listened else self._gradients(loss)
        torch.cat([grad.flatten() for grad in found], out=self.grad)

    def _gradients(self, loss: Tensor) -> Sequence[Tensor]:
        return torch.autograd.grad(loss, self.parameters, materialize_grads=True)

    def _hooked_gradients(self, loss: Tensor) -> Sequence[Tensor]:
        """As :meth:`_gradients`, but every hook fires, including those on accumulated gradients."""
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        found = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        for parameter, grad in zip(self.parameters, self.grads, strict=True):
            parameter.grad = grad
        return found

    def step(self, optimizer: torch.optim.Optimizer, max_grad_norm: float) -> Tensor:
        """Clip :attr:`grad` and take one optimizer step; return the gradient's norm before clipping."""
        norm = torch.linalg.vector_norm(self.grad)
        self.vector.grad = self.grad.mul_((max_grad_norm / (norm + 1e-6)).clamp_(max=1.0))
        optimizer.step()
        return norm  # type: ignore[no-any-return]
