"""Unpaired pictures of a source and of a target domain."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Samples, SampleTask
from lhy_rl.core.trees import native
from lhy_rl.nn.generative.pictures import to_pictures
from lhy_rl.nn.generative.transfer_policy import TransferPolicy

HELD_OUT = 500  # pictures on which features are tested


class Pile:
    """Pictures, and their classes if they are known.

    Args:
        stored: (N, H, W, C) pictures in the format of the space.
        space: The pictures' space.
        labels: (N,) int64 classes, or None.
    """

    def __init__(
        self, stored: np.ndarray, space: gym.spaces.Box, device: torch.device, labels: np.ndarray | None = None
    ) -> None:
        self.stored, self.space = torch.as_tensor(native(stored), device=device), space
        self.labels = None if labels is None else torch.as_tensor(native(labels), device=device)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """n pictures with replacement, (n, C, H, W) from -1 to 1."""
        return self.pictures(torch.randint(len(self.stored), (n,), generator=generator))

    def pictures(self, rows: Tensor | slice) -> Tensor:
        """The pictures of some rows, (n, C, H, W) from -1 to 1."""
        return to_pictures(self.stored[rows], self.space)


class PicturePiles:
    """The data of domain transfer.

    Args:
        task: The task with the samples.
        features: How features are learned: ``classification`` needs the classes of the source pictures.
        policy: The policy, whose spaces the pictures must have.
        device: Device of the pictures.

    Attributes:
        sources, targets: The training pictures of both domains.
        test: (N, H, W, C) held-out source pictures, for a report.
        classes: Number of classes; 2 if they are not known.

    Raises:
        UserError: the samples have no conditions, are paired, or lack the classes that are needed.
    """

    def __init__(self, task: SampleTask, features: str, policy: TransferPolicy, device: torch.device) -> None:
        train, validation = task.samples("train"), task.samples("validation")
        observed, drawn = policy.trunk.space, policy.actor.samples.box
        if observed.shape != drawn.shape:
            raise UserError(
                f"observations have shape {observed.shape}, actions {drawn.shape}; domain_transfer needs equal shapes"
            )
        self.sources, self.held_out_sources = (
            Pile(conditions(samples), observed, device, samples.condition_labels) for samples in (train, validation)
        )
        self.test = conditions(task.samples("test"))
        self.targets = Pile(train.samples, drawn, device)
        self.by_classes = features == "classification"
        if self.by_classes and self.sources.labels is None:
            raise UserError(
                f"features 'classification' needs the classes of the images, which {task} does not have; "
                "allowed: autoencoder"
            )
        self.classes = 2 if self.sources.labels is None else int(self.sources.labels.max()) + 1

    def to_learn_from(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """A batch for the features: source pictures and their classes, or equally many of both domains and None."""
        if self.by_classes:
            assert self.sources.labels is not None
            rows = torch.randint(len(self.sources.stored), (n,), generator=generator)
            return self.sources.pictures(rows), self.sources.labels[rows]
        half = (n + 1) // 2
        return torch.cat([self.sources.draw(half, generator), self.targets.draw(half, generator)]), None

    @property
    def held_out(self) -> tuple[Tensor, Tensor | None]:
        """Held-out source pictures, and their classes or None."""
        pile = self.held_out_sources
        labels = pile.labels if self.by_classes else None
        return pile.pictures(slice(HELD_OUT)), None if labels is None else labels[:HELD_OUT]


def conditions(samples: Samples) -> np.ndarray:
    """The conditions of unpaired samples.

    Raises:
        UserError: there are none, or pairs.
    """
    if samples.conditions is None or samples.paired:
        what = "pairs" if samples.paired else "images to translate"
        raise UserError(
            "domain_transfer learns from two unpaired sets of images; this task has "
            f"{'' if samples.paired else 'no '}{what}"
        )
    return samples.conditions
