"""An update rule found by a search, as a torch optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

from lhy_rl.core.validation import positive
from lhy_rl.functional.update_rules import Gradients, direction, moments_of, parse


class RuleOptimizer(Optimizer):
    """w <- w - lr d, where d is a formula of the gradient (Bello et al. 2017): "g" is SGD, "adam" Adam, "rmsprop"
    RMSProp, "m" momentum; see :mod:`lhy_rl.functional.update_rules`.

    Args:
        params: Parameters or parameter groups, as for every optimizer.
        formula: The formula as it is printed, for example ``"g * exp(sign(g) * sign(m))"``, which is PowerSign.
        lr: The learning rate. Good values differ between rules by orders of magnitude; the table ``rules-digits`` has
            one for each.

    Raises:
        UserError: The formula is invalid, or the learning rate is not positive.
    """

    def __init__(self, params: Any, formula: str = "adam", lr: float = 1e-3) -> None:
        positive(lr=lr)
        self.rule = parse(formula)
        self._needed = moments_of(self.rule)
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step for all parameters that have a gradient; return the result of ``closure``, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]
                    gradients = Gradients(self._needed, state.setdefault("moments", {}), state.get("steps", 0))
                    gradients.track(parameter.grad)
                    state["steps"] = gradients.steps
                    parameter.sub_(group["lr"] * direction(self.rule, gradients))
        return loss
