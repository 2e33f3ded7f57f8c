"""An autoencoder as a discriminator: the energy of a sentence is its reconstruction error."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.nn.backbones.base import SequenceBackbone, cores
from lhy_rl.nn.discriminators.sequence import Discriminator


class AutoencoderDiscriminator(Discriminator):
    """Energy-based discriminator (Zhao et al. 2017, section 2; Berthelot et al. 2017).

    A recurrent encoder reads the embedded sentence into a bottleneck; a recurrent decoder, fed the code
    at every step, writes the embeddings again. The energy is the mean squared error of the layer-normed
    embeddings over the sentence's tokens, so it cannot be lowered by shrinking the embeddings.

    Args:
        code_size: Width of the bottleneck. If it is too wide, everything is reconstructed; if too narrow, nothing.
        core: Name of the sequence backbone of encoder and decoder.
    """

    is_energy = True

    def __init__(
        self,
        num_tokens: int,
        max_length: int,
        embedding_size: int = 64,
        dropout: float = 0.25,
        hidden_size: int = 64,
        code_size: int = 32,
        core: str = "gru",
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_tokens, embedding_size)
        self.norm = nn.LayerNorm(embedding_size, elementwise_affine=False)
        self.encoder: SequenceBackbone = cores.get(core)(embedding_size, hidden_size)
        self.code = nn.Linear(hidden_size, code_size)
        self.decoder: SequenceBackbone = cores.get(core)(code_size, hidden_size)
        self.output = nn.Linear(hidden_size, embedding_size)
        self.dropout = nn.Dropout(dropout)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.norm(self.embedding(tokens))  # type: ignore[no-any-return]

    def forward_embedded(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        n, steps, _ = embedded.shape
        x = embedded.transpose(0, 1)  # (T, N, E)
        start = torch.zeros(steps, n, dtype=torch.bool, device=x.device)
        h, _ = self.encoder(self.dropout(x), self.encoder.initial_state(n), start)
        code = self.code(h[lengths - 1, torch.arange(n, device=x.device)])  # (N, code)
        d, _ = self.decoder(code.expand(steps, -1, -1), self.decoder.initial_state(n), start)
        error = (self.output(d) - x).square().mean(-1)  # (T, N)
        inside = torch.arange(steps, device=x.device)[:, None] < lengths
        energy: Tensor = (error * inside).sum(0) / lengths
        return energy
