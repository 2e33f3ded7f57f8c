"""What a picture is of: features that are learned from the pictures of a domain before anything is drawn from them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.common.gradient_step import gradient_step
from lhy_rl.core.saved_states import load_optimizer
from lhy_rl.nn.generative.pictures import PictureEncoder, PictureGenerator

METHODS = ("classification", "autoencoder")
DEVIATIONS = 4.0  # of a channel, from which on a pixel is white or black
WEIGHT_DECAY, MAX_GRAD_NORM = 0.01, 10.0


class FeatureLearner(nn.Module):
    """An encoder, and what learns it: a classifier, or a decoder that draws the picture again.

    Args:
        encoder: What learns.
        method: ``classification`` or ``autoencoder``.
        classes: Of a classifier.
        shape: (C, H, W) of a picture.
        width: Of a decoder.
        steps: Gradient steps in all; the learning rate rises in the first quarter of them and then falls to 0.
        learning_rate: AdamW's, at its highest.
    """

    def __init__(
        self,
        encoder: PictureEncoder,
        method: str,
        classes: int,
        shape: tuple[int, int, int],
        width: int,
        steps: int,
        learning_rate: float,
    ) -> None:
        super().__init__()
        self.encoder, self.method = encoder, method
        channels, height, across = shape
        self.head: nn.Module = (
            nn.Linear(encoder.output_size, classes)
            if method == "classification"
            else PictureGenerator(encoder.output_size, channels, (height, across), width)
        )
        self.steps, self.learning_rate, self.done = steps, learning_rate, 0
        self.optimizer = torch.optim.AdamW(self.parameters(), lr=learning_rate, weight_decay=WEIGHT_DECAY)

    @property
    def unfinished(self) -> bool:
        """Whether there are gradient steps left."""
        return self.done < self.steps

    def step(self, pictures: Tensor, labels: Tensor | None) -> Tensor:
        """A gradient step on pictures (N, C, H, W) and, of a classifier, their classes (N,); :meth:`loss` before it."""
        self.optimizer.param_groups[0]["lr"] = self.learning_rate * one_cycle((self.done + 0.5) / self.steps)
        loss = self.loss(pictures, labels)
        gradient_step(self, self.optimizer, loss, MAX_GRAD_NORM, self.done)
        self.done += 1
        return loss.detach()

    def loss(self, pictures: Tensor, labels: Tensor | None) -> Tensor:
        """-log p(class), or the squared error of the picture that is drawn again.

        It is drawn without its light and its colours, so that what is small and stands out counts.
        """
        output = self.head(self.encoder(pictures))
        if labels is not None:
            return F.cross_entropy(output, labels)
        return F.mse_loss(output, (self.encoder.normalized(pictures) / DEVIATIONS).clamp(-1, 1))

    @torch.no_grad()
    def metrics(self, pictures: Tensor, labels: Tensor | None) -> Metrics:
        """``train/feature_accuracy`` of a classifier on pictures that it does not learn from."""
        if labels is None:
            return {}
        self.eval()
        right = self.head(self.encoder(pictures)).argmax(1) == labels
        self.train()
        return {"train/feature_accuracy": float(right.float().mean())}

    def saved(self) -> dict[str, Any]:
        """What the future depends on, without the encoder."""
        return {"head": self.head.state_dict(), "optimizer": self.optimizer.state_dict(), "done": self.done}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`saved`."""
        self.head.load_state_dict(state["head"])
        load_optimizer(self.optimizer, state["optimizer"])
        self.done = state["done"]


def one_cycle(share: float) -> float:
    """Of a training of which that share is done: from 0 up to 1 in its first quarter, then down to 0 (Smith 2018)."""
    return min(4 * share, (1 - share) / 0.75)
