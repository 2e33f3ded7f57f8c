"""The trunk of a policy: turns observations into the features that the actor's and the critic's head read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ACTION_MASK, TOKEN
from lhy_rl.core.trees import leaves, map_tree
from lhy_rl.nn.backbones.base import CoreChoice, SequenceBackbone, State, make_core
from lhy_rl.nn.encoders.base import EncoderChoice, EncoderOptions
from lhy_rl.nn.encoders.select import make_encoder
from lhy_rl.nn.sources.base import SourceOptions
from lhy_rl.nn.sources.reader import BlockSources, SourceReader, has_source, steps_of, without_source


class Trunk(nn.Module):
    """An encoder and an optional sequence backbone; the actor and the critic share a trunk or have one each.

    If the observation has a source (:data:`lhy_rl.core.protocols.SOURCE`), it is read once per episode, and the
    encoder reads the rest.
    """

    def __init__(
        self,
        space: gym.Space[Any],
        encoder: EncoderChoice,
        options: EncoderOptions,
        core: CoreChoice | None,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        source: SourceOptions | None = None,
        core_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        reads = source is not None and has_source(space)
        self.encoder = make_encoder(encoder, without_source(space) if reads else space, options)
        self.has_batch_norm = any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in self.encoder.modules())
        self.core: SequenceBackbone | None = None
        self.source: SourceReader | None = None
        self.output_size = self.encoder.output_size
        if source is not None and reads:
            self.output_size += source.size
        if core is None and core_options:
            raise UserError(f"core_options is {core_options}, but there is no core that would take them")
        if core is not None:
            self.core = make_core(core, self.output_size, hidden_size, num_layers, core_options)
            self.output_size = self.core.output_size
        if source is not None and reads:
            self.source = SourceReader(space, self.output_size, source)
        self.dropout = nn.Dropout(dropout)

    @property
    def has_memory(self) -> bool:
        """Whether it carries a state, of a backbone or of a source."""
        return self.core is not None or self.source is not None

    @property
    def copies(self) -> bool:
        """Whether features hold, after the first ``output_size`` columns, what can be copied."""
        return self.source is not None and self.source.copies

    @property
    def points(self) -> int | None:
        """L, if features hold, after the first ``output_size`` columns, pointer logits of a source's L places."""
        return self.source.places if self.source is not None and self.source.pointer is not None else None

    def initial_state(self, batch_size: int) -> State:
        """The memory at the start of an episode, the backbone's and the source's; empty with neither."""
        core = self.core.initial_state(batch_size) if self.core is not None else ()
        return (*core, *self.source.initial_state(batch_size)) if self.source is not None else core

    def read(
        self, obs: Any, state: State, start: Tensor | None, steps: int
    ) -> tuple[State, BlockSources | None, State]:
        """Read the sources; return the backbone's part of the memory, the sources, and their part of the memory."""
        if self.source is None:
            return state, None, ()
        k = len(state) - self.source.state_tensors
        sources, after = self.source.read(obs, state[k:], start, steps)
        return state[:k], sources, after

    def encode(self, obs: Any, valid: Tensor | None) -> Tensor:
        """(T, B, ...) observations to (T, B, E); batch normalisation leaves out padding steps.

        Raises:
            UserError: Batch normalisation has one step only, which has no variance.
        """
        if not self.training or not self.has_batch_norm:
            return self.encoder(obs)  # type: ignore[no-any-return]
        if (leaves(obs)[0].shape[:2].numel() if valid is None else int(valid.sum())) == 1:
            raise UserError(
                "norm 'batch' needs two or more steps in each minibatch, and this one has 1; change batch_size, or set "
                "norm to 'layer'"
            )
        if valid is None or bool(valid.all()):
            return self.encoder(obs)  # type: ignore[no-any-return]
        read: Tensor = self.encoder(map_tree(lambda x: x[valid], obs))  # (N, E)
        return read.new_zeros(*valid.shape, read.shape[-1]).index_put((valid,), read)

    def forward(
        self, obs: Any, state: State, start: Tensor | None, valid: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """(T, B, ...) observations to (T, B, H) features and the state after the last step.

        Args:
            valid: (T, B) bool: false at padding steps; None if there are none.
        """
        if self.source is not None and TOKEN in obs:
            obs = {**obs, TOKEN: self.source.readable(obs[TOKEN])}
        h = self.encode(obs if self.source is None else steps_of(obs), valid)
        if self.dropout.p:
            h = self.dropout(h)
        state, sources, after = self.read(obs, state, start, len(h))
        if self.source is not None and sources is not None:
            h = torch.cat([h, self.source.summaries(sources, len(h))], -1)
        if self.core is not None:
            if start is None:
                start = torch.zeros(h.shape[:2], dtype=torch.bool, device=h.device)
            h, state = self.core(h, state, start)
            if self.dropout.p:
                h = self.dropout(h)
        if self.source is not None and sources is not None:
            h, after = self.source.attend(h, sources, after, obs.get(ACTION_MASK))
        return h, (*state, *after)

    def make_orthogonal(self) -> None:
        """Initialise weights orthogonally, the encoder's with gain sqrt(2); biases 0, of an LSTM's forget gate 1."""
        learned = set(self.encoder.learned.parameters() if self.encoder.learned is not None else ())
        for module in [] if self.encoder.owns_initialization else self.encoder.modules():
            if learned.isdisjoint(module.parameters(False)) and isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.orthogonal_(module.weight, math.sqrt(2))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.source.modules() if self.source is not None else ():
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        parts = [part for part in (self.core, self.source) if part is not None]
        for module in (module for part in parts for module in part.modules()):
            if isinstance(module, nn.RNNBase):
                for parameter, values in module.named_parameters():
                    (nn.init.zeros_ if "bias" in parameter else nn.init.orthogonal_)(values)
                    if isinstance(module, nn.LSTM) and parameter.startswith("bias_ih"):
                        nn.init.ones_(values.data.view(4, -1)[1])  # input, forget, candidate, output


def draw_normal(policy: nn.Module, std: float) -> None:
    """Draw all weights from N(0, std), except those of a pretrained encoder."""
    found = (trunk.encoder.learned for trunk in policy.modules() if isinstance(trunk, Trunk))
    learned = {parameter for network in found if network is not None for parameter in network.parameters()}
    for parameter in policy.parameters():
        if parameter not in learned:
            nn.init.normal_(parameter, std=std)
