"""The losses of domain transfer by hand."""

from __future__ import annotations

import math

import torch

from lhy_rl.functional.domain_transfer import discriminator_loss, generator_loss, total_variation


def test_who_cannot_tell_loses_the_logarithm_of_three_each() -> None:
    even = torch.zeros(4, 3)
    torch.testing.assert_close(discriminator_loss(even, even, even), torch.tensor(3 * math.log(3)))
    torch.testing.assert_close(generator_loss(even, even), torch.tensor(2 * math.log(3)))


def test_each_kind_has_its_class() -> None:
    sure = 50 * torch.eye(3)
    right = discriminator_loss(*(sure[i : i + 1] for i in (0, 1, 2)))
    assert right < 1e-6
    torch.testing.assert_close(discriminator_loss(*(sure[i : i + 1] for i in (1, 1, 2))), torch.tensor(50.0))
    torch.testing.assert_close(generator_loss(sure[:1], sure[2:]), torch.tensor(50.0))


def test_total_variation_by_hand() -> None:
    picture = torch.zeros(1, 1, 3, 3)
    picture[0, 0, 1, 1] = 3.0  # differences at (0, 1): down 3; (1, 0): right 3; (1, 1): both 3
    torch.testing.assert_close(total_variation(picture), torch.tensor((3 + 3 + 3 * math.sqrt(2)) / 4))
    even = torch.ones(1, 1, 4, 4, requires_grad=True)
    total_variation(even).backward()
    assert even.grad is not None and even.grad.abs().max() == 0


def test_gradients_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    pictures = torch.randn(2, 1, 4, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: discriminator_loss(*x), logits)
    assert torch.autograd.gradcheck(lambda x: generator_loss(*x[:2]), logits)
    assert torch.autograd.gradcheck(total_variation, pictures)
