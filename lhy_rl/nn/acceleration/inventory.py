"""An inventory of a network's parts, to notice cheaply when one is replaced or gets a hook.

Manual gradients, acting in numpy and fused layers do not call the modules that they replace, so hooks would not fire.
If there is a hook (wandb's ``watch``, a user's own), the plain modules are used; they give the same numbers.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules import module as torch_module

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def hooked(*modules: nn.Module) -> bool:
    """Whether one of these modules has a hook; their submodules are not checked."""
    return any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks for m in modules)


class Inventory:
    """The modules and parameters of a network, at the time of :meth:`take`.

    Args:
        network: The network.

    Attributes:
        parameters: All parameters by name, including frozen ones.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.take()

    def take(self) -> None:
        """Take the inventory again."""
        modules = list(self.network.modules())
        self.parameters = dict(self.network.named_parameters())
        held = [(m._modules, name, child) for m in modules for name, child in m._modules.items()]
        owned = [(m._parameters, name, p) for m in modules for name, p in m._parameters.items()]
        self._held: list[tuple[dict[str, Any], str, Any]] = [*held, *owned]
        self._sizes = [(owner, len(owner)) for m in modules for owner in (m._modules, m._parameters)]
        self._hooks = [getattr(m, kind) for m in modules for kind in HOOKS]

    @property
    def complete(self) -> bool:
        """Whether every module and parameter is still the same object in the same place, and none was added."""
        for owner, name, thing in self._held:  # hot: a generator costs twice as much
            if owner.get(name) is not thing:
                return False
        return all(len(owner) == size for owner, size in self._sizes)

    @property
    def listened(self) -> bool:
        """Whether a module or a parameter's gradient has a hook."""
        if not self.complete:
            self.take()
        return (
            any(self._hooks)
            or any(p._backward_hooks or p._post_accumulate_grad_hooks for p in self.parameters.values())
            or bool(torch_module._has_any_global_hook())  # type: ignore[no-untyped-call]  # empty dicts where none is
        )

    @property
    def frozen(self) -> bool:
        """Whether some parameter is frozen."""
        return not all(p.requires_grad for p in self.parameters.values())
