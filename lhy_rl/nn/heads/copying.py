"""The actor head that can copy: a word of the vocabulary, or a word of the source (pointer-generator).

    p(w) = g softmax(W h + b)_w + (1 - g) sum_{l: x_l = w} a_l,   g = sigmoid(v . h + c)

(See et al. 2017, eq. 9; Gu et al. 2016) with a the attention on the source x. The vocabulary is the action space: a
place whose token is no action gives its weight to the generator.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.functional.fused.categorical import linear_log_prob
from lhy_rl.nn.acceleration.inventory import hooked
from lhy_rl.nn.heads.base import mask_logits
from lhy_rl.nn.heads.categorical import CategoricalHead


class CopyHead(CategoricalHead):
    """A mixture of a softmax over A actions and the attention over the tokens of a source.

    Features are (..., H + 2L): the softmax's inputs, the attention weights a of the L places, and their tokens.

    Args:
        input_size: H.
        num_actions: A.
        start: The first action's number.
    """

    def __init__(self, input_size: int, num_actions: int, start: int = 0) -> None:
        super().__init__(input_size, num_actions, start)
        self.gate = nn.Linear(input_size, 1)

    def _parts(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features (..., H), the generator's share (...), (1 - g) a of the places (..., L), and their actions."""
        width = self.output.in_features
        places = (h.shape[-1] - width) // 2
        features, weights, tokens = h[..., :width], h[..., width:-places], h[..., -places:]
        actions = tokens.long() - self.start
        is_action = (actions >= 0) & (actions < self.output.out_features)
        gate = self.gate(features)
        copied = torch.sigmoid(-gate) * weights * is_action
        elsewhere = (1 - (weights * is_action).sum(-1)).clamp(min=0.0)  # attention on places whose token is no action
        generated = torch.sigmoid(gate[..., 0]) + torch.sigmoid(-gate[..., 0]) * elsewhere
        return features, generated, copied, actions.clamp(0, self.output.out_features - 1)

    def logits(self, h: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """log p, (..., A); -inf for actions that are not legal."""
        features, generated, copied, actions = self._parts(h)
        p = generated[..., None] * torch.softmax(self.output(features), -1)
        p = p.scatter_add(-1, actions, copied)
        return mask_logits(p.clamp(min=torch.finfo(p.dtype).tiny).log(), action_mask)

    def _logits_of_rows(self, h: Tensor, action_mask: Tensor | None, memory: Tensor) -> Tensor:
        return self.logits(h, action_mask)

    def log_prob(
        self, h: Tensor, actions: Tensor, temperature: float = 1.0, action_mask: Tensor | None = None
    ) -> Tensor:
        if action_mask is not None or temperature != 1.0 or hooked(self.output):
            return super().log_prob(h, actions, temperature, action_mask)
        index = actions - self.start
        features, generated, copied, places = self._parts(h)
        by_softmax = linear_log_prob(features, self.output.weight, self.output.bias, index)
        mass = (copied * (places == index[:, None])).sum(-1)
        smallest = torch.finfo(mass.dtype).tiny
        return torch.logaddexp(generated.log() + by_softmax, mass.clamp(min=smallest).log())
