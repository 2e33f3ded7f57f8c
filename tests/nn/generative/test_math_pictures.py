"""Networks of pictures: sizes, ranges, the way to pixels and back; the spatial transformer against a turn by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from lhy_rl.core.errors import UserError
from lhy_rl.nn.generative.pictures import (
    PictureDiscriminator,
    PictureEncoder,
    PictureGenerator,
    from_pictures,
    picture_space,
    to_pictures,
)
from lhy_rl.nn.layers.spatial_transformer import SpatialTransformer


@pytest.mark.parametrize("size", [(16, 16), (32, 24)])
def test_sizes_and_ranges(size: tuple[int, int]) -> None:
    pictures = torch.rand(5, 3, *size) * 2 - 1
    features = PictureEncoder(3, size, 8, 7)(pictures)
    drawn = PictureGenerator(7, 3, size, 8)(features)
    assert features.shape == (5, 7) and drawn.shape == pictures.shape
    assert features.abs().max() <= 1 and drawn.abs().max() <= 1
    assert PictureDiscriminator(3, size, 8, 3)(drawn).shape == (5, 3)


def test_an_encoder_does_not_see_light_and_contrast() -> None:
    encoder = PictureEncoder(3, (16, 16), 8, 7).eval()
    picture = torch.rand(2, 3, 16, 16)
    scale, shift = torch.tensor([2.0, 0.5, 1.5])[:, None, None], torch.tensor([0.3, -1.0, 0.0])[:, None, None]
    torch.testing.assert_close(encoder(picture), encoder(picture * scale + shift), atol=1e-3, rtol=1e-3)


def test_without_polarity_a_negative_is_the_same_picture() -> None:
    picture = torch.rand(2, 3, 16, 16)
    for polarity in (True, False):
        encoder = PictureEncoder(3, (16, 16), 8, 7, polarity=polarity).eval()
        assert torch.allclose(encoder(picture), encoder(-picture), atol=1e-5) != polarity


@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 1), (-1, 1)])
def test_pixels_and_back(low: int, high: int) -> None:
    space = Box(low, high, (8, 16, 3), np.uint8 if high == 255 else np.float32)
    stored = torch.as_tensor(space.sample())[None]
    pictures = to_pictures(stored, space)
    assert pictures.shape == (1, 3, 8, 16) and pictures.abs().max() <= 1
    assert to_pictures(torch.full((1, 8, 16, 3), low), space).unique().tolist() == [-1.0]
    assert to_pictures(torch.full((1, 8, 16, 3), high), space).unique().tolist() == [1.0]
    torch.testing.assert_close(from_pictures(pictures, space), stored.float())


@pytest.mark.parametrize(
    "space", [Box(0, 255, (12, 16, 3), np.uint8), Box(0, 9, (16, 16, 3)), Box(0, 1, (16,)), Box(0, 1, (16, 16, 16))]
)
def test_what_is_no_picture_is_refused(space: Box) -> None:
    with pytest.raises(UserError, match="observations are Box") as caught:
        picture_space(space, "observations")
    assert "\n" not in str(caught.value)


def test_a_new_spatial_transformer_changes_nothing() -> None:
    pictures = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(SpatialTransformer(3)(pictures), pictures, atol=1e-5, rtol=1e-5)


def test_a_smaller_spatial_transformer_hands_on_the_middle_at_first() -> None:
    pictures = torch.rand(2, 3, 16, 12)
    torch.testing.assert_close(SpatialTransformer(3, 0.5)(pictures), pictures[:, :, 4:12, 3:9], atol=1e-5, rtol=1e-5)


def test_a_spatial_transformer_turns_and_moves() -> None:
    transformer, pictures = SpatialTransformer(1), torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        transformer.bias.copy_(torch.tensor([-1.0, -1.0, 0.0, 1.0, -1.0, 0.0]))  # a quarter turn
    torch.testing.assert_close(transformer(pictures), pictures.rot90(1, (2, 3)), atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        transformer.bias.copy_(torch.tensor([0.0, 0.0, 2 / 16, 0.0, 0.0, 0.0]))  # it looks a pixel to the right
    torch.testing.assert_close(transformer(pictures)[..., :-1], pictures[..., 1:], atol=1e-5, rtol=1e-5)


def test_a_spatial_transformer_learns() -> None:
    """Its gradient reaches the picture and the six numbers."""
    transformer, picture = SpatialTransformer(3), torch.rand(2, 3, 16, 16, requires_grad=True)
    transformer(picture).square().sum().backward()
    assert picture.grad is not None and picture.grad.abs().sum() > 0
    assert transformer.bias.grad is not None and transformer.bias.grad.abs().min() > 0


def test_the_map_of_a_spatial_transformer_learns_as_fast_as_wanted() -> None:
    """One step of Adam moves each of the six numbers by ten times less, whatever the gradient's length is."""
    pictures, moved = torch.rand(2, 1, 16, 16), {}
    for rate in (1.0, 0.1):
        torch.manual_seed(0)
        transformer = SpatialTransformer(1, rate=rate)
        optimizer = torch.optim.Adam([transformer.bias], 0.01)
        transformer(pictures).square().sum().backward()
        optimizer.step()
        moved[rate] = transformer.theta(pictures)[0].flatten() - torch.eye(2, 3).flatten()
    torch.testing.assert_close(moved[1.0].abs(), torch.full((6,), 0.01), atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(moved[0.1], 0.1 * moved[1.0], atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_what_finds_the_map_may_be_normalised(norm: str) -> None:
    """Then nearly empty pictures are told apart from the beginning; and still nothing is changed at first."""
    pictures = torch.rand(8, 1, 16, 16) * 0.01
    torch.manual_seed(0)
    plain, normed = SpatialTransformer(1), SpatialTransformer(1, norm=norm)
    torch.testing.assert_close(normed(pictures), pictures, atol=1e-5, rtol=1e-5)
    assert normed.localization(pictures).std(0).mean() > 10 * plain.localization(pictures).std(0).mean()
