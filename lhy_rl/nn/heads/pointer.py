"""The actor head that points: an action is a place of the source (Vinyals et al. 2015; Bello et al. 2017).

    p(a = l) = softmax_l( u_l ),   u of :mod:`lhy_rl.nn.sources.pointer`

The ``action_mask`` excludes places that were chosen before. Actions after the places, such as stopping, have a learned
logit each.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from lhy_rl.nn.heads.base import mask_logits
from lhy_rl.nn.heads.categorical import CategoricalHead


class PointerHead(CategoricalHead):
    """A softmax over the L places of a source and the actions after them.

    Features are (..., H + L): those of the step, and the logits of the places, -inf for padding. No weight depends on
    L, so that weights learned on short sources also work on long ones.

    Args:
        input_size: H.
        places: L.
        num_actions: A, at least L.
        start: The first action's number.
    """

    def __init__(self, input_size: int, places: int, num_actions: int, start: int = 0) -> None:
        super().__init__(input_size, 1, start)
        others = num_actions - places
        with warnings.catch_warnings():  # torch warns that it draws no weights where there are none
            warnings.simplefilter("ignore", UserWarning)
            self.output = nn.Linear(input_size, others)
        self.places = places

    @property
    def num_logits(self) -> int:
        return self.places + self.output.out_features

    def logits(self, h: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """(..., H + L) to (..., A); -inf for actions that are not legal."""
        features, points = h[..., : -self.places], h[..., -self.places :]
        return mask_logits(torch.cat([points, self.output(features)], -1), action_mask)

    def _logits_of_rows(self, h: Tensor, action_mask: Tensor | None, memory: Tensor) -> Tensor:
        return self.logits(h, action_mask)

    def log_prob(
        self, h: Tensor, actions: Tensor, temperature: float = 1.0, action_mask: Tensor | None = None
    ) -> Tensor:
        log_probs = self.log_probs(h, temperature, action_mask)
        return log_probs.gather(-1, (actions - self.start)[..., None])[..., 0]
