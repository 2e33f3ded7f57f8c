"""Lanczos against torch's eigenvalues, and the gradient's noise against its own definition."""

from __future__ import annotations

import pytest
import torch

from lhy_rl.functional.curvature import gradient_noise, lanczos


def symmetric(size: int, seed: int = 0) -> torch.Tensor:
    matrix = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return matrix + matrix.T


def test_all_products_give_all_eigenvalues_and_vectors() -> None:
    matrix = symmetric(12)
    found = lanczos(lambda v: matrix @ v, 12, 100, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found.eigenvalues, torch.linalg.eigvalsh(matrix))
    torch.testing.assert_close(matrix @ found.vectors, found.vectors * found.eigenvalues)
    assert found.residuals.max() < 1e-8


def test_few_products_find_the_ends_and_say_how_far_they_are_off() -> None:
    values = torch.cat([torch.tensor([-7.0]), torch.linspace(-1, 1, 300), torch.tensor([5.0, 9.0])]).double()
    basis, _ = torch.linalg.qr(symmetric(len(values)))
    matrix = basis @ torch.diag(values) @ basis.T
    found = lanczos(lambda v: matrix @ v, len(values), 25, torch.Generator().manual_seed(0))
    assert found.eigenvalues[0].item() == pytest.approx(-7, abs=1e-6)
    assert found.eigenvalues[-2:].tolist() == pytest.approx([5, 9], abs=1e-6)
    nearest = (found.eigenvalues[:, None] - values).abs().amin(1)
    assert (nearest <= found.residuals + 1e-9).all()


def test_a_matrix_of_low_rank_ends_early_without_repeating_anything() -> None:
    v = torch.tensor([3.0, 4.0, 0.0, 0.0], dtype=torch.float64)
    found = lanczos(lambda x: v * (v @ x), 4, 4, torch.Generator().manual_seed(0))
    assert found.eigenvalues.tolist() == pytest.approx([0, 25], abs=1e-9)
    nothing = lanczos(lambda x: 0 * x, 4, 4, torch.Generator().manual_seed(0))
    assert nothing.eigenvalues.tolist() == [0]


def test_the_noise_by_hand() -> None:
    """Two batches of three examples: |G|^2 and tr(S) solve |G|^2 + tr(S) / B = E|g_B|^2 for B = 3 and 6."""
    found = gradient_noise(torch.tensor([[3.0, 0.0], [1.0, 0.0]]), 3)
    small, large = (9 + 1) / 2, 2.0**2
    assert found.squared_norm + found.variance / 3 == pytest.approx(small)
    assert found.squared_norm + found.variance / 6 == pytest.approx(large)
    assert found.scale == pytest.approx(found.variance / found.squared_norm)


def test_the_estimates_have_no_bias() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, batch = torch.tensor([1.0, -2.0, 0.5]), 4
    draws = mean + 3 * torch.randn(2000, 8, batch, 3, generator=generator)
    found = [gradient_noise(trial.mean(1), batch) for trial in draws]
    assert sum(f.squared_norm for f in found) / len(found) == pytest.approx(5.25, rel=0.05)
    assert sum(f.variance for f in found) / len(found) == pytest.approx(27, rel=0.05)
