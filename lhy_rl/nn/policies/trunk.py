"""What turns observations into the features that an actor's and a critic's head read."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.nn.backbones.base import CoreChoice, SequenceBackbone, State, cores
from lhy_rl.nn.encoders.base import EncoderChoice, EncoderOptions
from lhy_rl.nn.encoders.select import make_encoder


class Trunk(nn.Module):
    """An encoder and, where wanted, a sequence backbone: the actor and the critic share one or have one each."""

    def __init__(
        self,
        space: gym.Space[Any],
        encoder: EncoderChoice,
        options: EncoderOptions,
        core: CoreChoice | None,
        hidden_size: int,
        num_layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = make_encoder(encoder, space, options)
        self.core: SequenceBackbone | None = None
        self.output_size = self.encoder.output_size
        if core is not None:
            self.core = cores.choose(core, SequenceBackbone)(self.output_size, hidden_size, num_layers)
            self.output_size = self.core.output_size
        self.dropout = nn.Dropout(dropout)

    def initial_state(self, batch_size: int) -> State:
        """The memory at the start of an episode; empty without a backbone."""
        return self.core.initial_state(batch_size) if self.core is not None else ()

    def forward(self, obs: Any, state: State, start: Tensor | None) -> tuple[Tensor, State]:
        """(T, B, ...) observations to (T, B, H) features and the state after the last step."""
        h: Tensor = self.encoder(obs)
        if self.dropout.p:
            h = self.dropout(h)
        if self.core is not None:
            if start is None:
                start = torch.zeros(h.shape[:2], dtype=torch.bool, device=h.device)
            h, state = self.core(h, state, start)
            if self.dropout.p:
                h = self.dropout(h)
        return h, state

    def make_orthogonal(self) -> None:
        """Draw the weights orthogonal, scaled by sqrt(2) in the encoder; biases are 0, an LSTM's forget gate's 1."""
        for module in [] if self.encoder.owns_initialization else self.encoder.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.orthogonal_(module.weight, math.sqrt(2))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.core.modules() if self.core is not None else ():
            if isinstance(module, nn.RNNBase):
                for parameter, values in module.named_parameters():
                    (nn.init.zeros_ if "bias" in parameter else nn.init.orthogonal_)(values)
                    if isinstance(module, nn.LSTM) and parameter.startswith("bias_ih"):
                        nn.init.ones_(values.data.view(4, -1)[1])  # input, forget, candidate, output
