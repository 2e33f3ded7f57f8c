"""Translation of an expert's videos into the learner's view: the alternative way of third-person imitation.

The videos of both views must show the same behaviour (random behaviour), so that only the view differs. A cloud of
pixels, each with its position, its colour and its colour some steps later, is sampled from each set of videos, and the
translator maps one cloud onto the other:

    L = SW(G(cloud of theirs), cloud of the own)      SW: sliced Wasserstein distance, no discriminator is needed

The mapping of colours has several local minima, so it is learned from several starts, and the one with the least
distance is kept: at first on all pixels, most of which are background, then on more and more pixels that stand out
from it. Then the camera is learned, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.data.videos import Videos
from lhy_rl.functional.sliced_wasserstein import random_directions, sliced_wasserstein
from lhy_rl.nn.generative.view_translator import ViewTranslator

AHEAD = 4  # steps to the later colour, by which moving pixels differ from still ones
MOST_PAIRS = 3000  # maximum number of pairs of frames to sample from
OUTSTANDING = 0.2  # a pixel stands out if it differs from the background by this share of the largest difference
SHARE = 0.5  # of pixels that stand out among the sampled ones
STARTS, START_STEPS, COUNTED = 8, 150, 30
PIXELS, DIRECTIONS = 1024, 32
COLOUR_RATE, CAMERA_RATE, START_RATE = 5e-3, 0.03, 1e-2
DIMENSIONS = 8  # of a pixel: place, colour, later colour


class PixelCloud:
    """Pixels of videos, with their places and later colours.

    Args:
        videos: The videos.
        generator: Random numbers for sampling.
        device: Device of the pixels.
    """

    def __init__(self, videos: Videos, generator: torch.Generator, device: torch.device) -> None:
        self.generator = generator
        pairs = torch.as_tensor(videos.pairs(AHEAD))
        pairs = pairs[torch.randperm(len(pairs), generator=generator)[:MOST_PAIRS]]
        frames = torch.as_tensor(videos.frames, device=device)
        self.now, self.later = (frames[pairs[:, which]].flatten(1, 2) for which in (0, 1))  # (M, P, 3)
        down, right = (torch.arange(side) * (2 / side) + (1 / side - 1) for side in videos.frames.shape[1:3])
        places = torch.stack(torch.meshgrid(down, right, indexing="ij")[::-1], -1)
        self.places = places.reshape(-1, 2).to(device)  # (P, 2)
        ground = self.now[:, ::7].flatten(0, 1).float().median(0).values
        differs = torch.maximum(*((c.float() - ground).abs().amax(-1) for c in (self.now, self.later)))
        self.outstanding = (differs >= OUTSTANDING * differs.max()).nonzero()  # (Q, 2)

    def colours(self) -> Tensor:
        """Colours (N, 3) of some of the pixels, from -1 to 1."""
        return self.now[:, ::7].flatten(0, 1).float() / 127.5 - 1

    def draw(self, share: float) -> tuple[Tensor, Tensor, Tensor]:
        """Sample positions (N, 2), colours (N, 3) and later colours (N, 3) of pixels; the first ``share`` stand out."""
        count = int(PIXELS * share)
        chosen = self.outstanding[torch.randint(len(self.outstanding), (count,), generator=self.generator)]
        shape = (PIXELS - count,)
        frame, pixel = (torch.randint(n, shape, generator=self.generator) for n in self.now.shape[:2])
        rows = torch.cat([chosen, torch.stack([frame, pixel], 1).to(chosen.device)])
        now, later = (stored[rows[:, 0], rows[:, 1]].float() / 127.5 - 1 for stored in (self.now, self.later))
        return self.places[rows[:, 1]], now, later


def learn_translation(
    theirs: Videos, own: Videos, steps: int, generator: torch.Generator, device: torch.device
) -> ViewTranslator:
    """Learn a translator of one view into another.

    Args:
        theirs, own: The same behaviour in both views; their frames need not be paired.
        steps: Gradient steps after those of the starts.
        generator: Random numbers for sampling.
        device: Device of the networks.
    """
    clouds = PixelCloud(theirs, generator, device), PixelCloud(own, generator, device)
    translator = ViewTranslator(clouds[0].colours())
    found = []
    for _ in range(STARTS):
        translator.network = translator.new_network().to(device)
        optimizer = torch.optim.Adam(translator.network.parameters(), START_RATE)
        shares = [min(SHARE, 1.3 * SHARE * i / START_STEPS) for i in range(START_STEPS)]
        losses = [_step(translator, optimizer, *clouds, share) for share in shares]
        found.append((float(np.mean(losses[-COUNTED:])), translator.network))
    translator.network = min(found, key=lambda start: start[0])[1]
    rates = (COLOUR_RATE, CAMERA_RATE)
    groups: list[dict[str, Any]] = [{"params": translator.network.parameters()}, {"params": [translator.camera]}]
    optimizer = torch.optim.Adam(groups)
    for i in range(steps):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * min(1.0, 2 - 2 * i / steps)
        _step(translator, optimizer, *clouds, SHARE)
    return translator


def _step(
    translator: ViewTranslator, optimizer: torch.optim.Optimizer, theirs: PixelCloud, own: PixelCloud, share: float
) -> float:
    """A gradient step; the background is everywhere, so that positions count only for pixels that stand out."""
    clouds = []
    for cloud in (theirs, own):
        places, now, later = cloud.draw(share)
        if cloud is theirs:
            places, now, later = translator.places(places), translator.colours(now), translator.colours(later)
        counts = torch.arange(PIXELS, device=places.device)[:, None] < int(PIXELS * share)
        clouds.append(torch.cat([places * counts, now, later], 1))
    directions = random_directions(DIMENSIONS, DIRECTIONS, theirs.generator, clouds[0].device)
    loss = sliced_wasserstein(clouds[0], clouds[1], directions)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return float(loss.detach())


def translated(videos: Videos, translator: ViewTranslator, device: torch.device) -> Videos:
    """Translate videos into the other view."""
    return Videos(translator(torch.as_tensor(videos.frames, device=device)).cpu().numpy(), videos.ends)
