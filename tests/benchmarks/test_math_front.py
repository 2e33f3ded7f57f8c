"""Maximum likelihood's temperature front between the temperatures that were measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.seqgan_oracle import front_at


def test_a_convex_front_is_not_joined_by_straight_lines() -> None:
    """A softmax over four logits at temperatures: both its numbers are known at every temperature."""
    logits, p = np.array([2.0, 1.0, 0.2, -1.0]), np.array([0.5, 0.2, 0.2, 0.1])

    def place(temperature: float) -> dict[str, float]:
        log_q = logits / temperature - np.log(np.exp(logits / temperature).sum())
        return {"nll_oracle": float(-np.exp(log_q) @ np.log(p)), "nll_test": float(-p @ log_q)}

    measured = {str(t): place(t) for t in (1.5, 1.3, 1.1, 1.0, 0.9, 0.7, 0.5)}
    xs = sorted((found["nll_oracle"], found["nll_test"]) for found in measured.values())
    for temperature in (1.2, 0.95, 0.8, 0.6):
        wanted = place(temperature)
        straight = float(np.interp(wanted["nll_oracle"], *zip(*xs, strict=True)))
        error = front_at(measured, wanted["nll_oracle"]) - wanted["nll_test"]
        assert abs(error) < 0.15 * (straight - wanted["nll_test"])
    assert front_at(measured, measured["1.0"]["nll_oracle"]) == pytest.approx(measured["1.0"]["nll_test"])
    assert math.isnan(front_at(measured, place(0.4)["nll_oracle"]))
