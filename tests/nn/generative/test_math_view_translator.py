"""A camera that is turned back, and colours that are replaced."""

from __future__ import annotations

import math

import torch

from lhy_rl.nn.generative.view_translator import ViewTranslator


def made(side: int = 32) -> tuple[ViewTranslator, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (4, side, side, 3), generator=generator).to(torch.uint8)
    torch.manual_seed(0)
    return ViewTranslator(frames.flatten(0, 2).float() / 127.5 - 1), frames


def test_colours_are_read_with_mean_0_and_one_variance() -> None:
    translator, frames = made()
    read = (frames.flatten(0, 2).float() / 127.5 - 1 - translator.mean) @ translator.whitening
    torch.testing.assert_close(read.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cov(read.T), torch.eye(3) / 9, atol=2e-3, rtol=0)


def test_two_near_colours_on_a_far_ground_are_kept_apart() -> None:
    """Maroon and green on cream, a pixel in fifty: as they come they lie side by side."""
    ground, maroon, green = (torch.tensor(c) / 127.5 - 1 for c in ([232.0, 226, 208], [150.0, 20, 60], [0.0, 110, 80]))
    colours = torch.cat([ground.expand(960, 3), maroon.expand(20, 3), green.expand(20, 3)])
    translator = ViewTranslator(colours)
    a, b, c = ((colour - translator.mean) @ translator.whitening for colour in (ground, maroon, green))
    assert (b - c).norm() / (a - b).norm() > 1.2 > (maroon - green).norm() / (ground - maroon).norm()


def test_the_camera_is_turned_back() -> None:
    """A dot lies in the translation where its place in the first view is mapped to."""
    translator, _ = made()
    translator.colours = lambda given: given  # type: ignore[method-assign]
    angle = math.radians(30)
    turn = [[math.cos(angle), -math.sin(angle), 0.1], [math.sin(angle), math.cos(angle), -0.05]]
    translator.camera.data = torch.tensor(turn)
    frame = torch.zeros((1, 32, 32, 3), dtype=torch.uint8)
    frame[0, 5:8, 20:23] = 255  # its middle is (21, 6)
    place = torch.tensor([[(21 + 0.5) / 16 - 1, (6 + 0.5) / 16 - 1]])
    wanted = (translator.places(place)[0] + 1) * 16 - 0.5
    drawn = translator(frame)[0, :, :, 0].float()
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    middle = torch.stack([(columns * drawn).sum(), (rows * drawn).sum()]) / drawn.sum()
    torch.testing.assert_close(middle, wanted.detach(), atol=0.15, rtol=0)


def test_a_new_one_leaves_the_camera_where_it_is() -> None:
    translator, frames = made()
    expected = (translator.colours(frames.float() / 127.5 - 1) + 1) * 127.5
    torch.testing.assert_close(translator(frames).float(), expected.detach(), atol=0.51, rtol=0)
