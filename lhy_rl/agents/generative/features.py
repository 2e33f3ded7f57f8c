"""Features of a picture's content, learned from the pictures of a domain before a generator is trained on them."""

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
DEVIATIONS = 4.0  # standard deviations of a channel beyond which a pixel is clipped to white or black
WEIGHT_DECAY, MAX_GRAD_NORM = 0.01, 10.0


class FeatureLearner(nn.Module):
    """An encoder, with the head that trains it: a classifier, or a decoder that reconstructs the picture.

    Args:
        encoder: The encoder to train.
        method: ``classification`` or ``autoencoder``.
        classes: Number of classes, for a classifier.
        shape: (C, H, W) of a picture.
        width: Width of a decoder.
        steps: Gradient steps in total; the learning rate rises in the first quarter of them and then falls to 0.
        learning_rate: The highest learning rate of AdamW.
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
        """A gradient step on pictures (N, C, H, W) and, for a classifier, classes (N,); returns the loss before it."""
        self.optimizer.param_groups[0]["lr"] = self.learning_rate * one_cycle((self.done + 0.5) / self.steps)
        loss = self.loss(pictures, labels)
        gradient_step(self, self.optimizer, loss, MAX_GRAD_NORM, self.done)
        self.done += 1
        return loss.detach()

    def loss(self, pictures: Tensor, labels: Tensor | None) -> Tensor:
        """-log p(class), or the squared error of the reconstructed picture.

        The target is normalised (without brightness and colour cast), so that small contrasting details count.
        """
        output = self.head(self.encoder(pictures))
        if labels is not None:
            return F.cross_entropy(output, labels)
        return F.mse_loss(output, (self.encoder.normalized(pictures) / DEVIATIONS).clamp(-1, 1))

    @torch.no_grad()
    def metrics(self, pictures: Tensor, labels: Tensor | None) -> Metrics:
        """``train/feature_accuracy`` of a classifier on held-out pictures."""
        if labels is None:
            return {}
        self.eval()
        right = self.head(self.encoder(pictures)).argmax(1) == labels
        self.train()
        return {"train/feature_accuracy": float(right.float().mean())}

    def saved(self) -> dict[str, Any]:
        """The state to resume from, without the encoder."""
        return {"head": self.head.state_dict(), "optimizer": self.optimizer.state_dict(), "done": self.done}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state of :meth:`saved`."""
        self.head.load_state_dict(state["head"])
        load_optimizer(self.optimizer, state["optimizer"])
        self.done = state["done"]


def one_cycle(share: float) -> float:
    """Factor after ``share`` of the training: from 0 up to 1 in the first quarter, then down to 0 (Smith 2018)."""
    return min(4 * share, (1 - share) / 0.75)
