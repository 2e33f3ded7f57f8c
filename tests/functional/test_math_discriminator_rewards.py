"""What a logit is worth, by hand, and the absorbing state's return."""

from __future__ import annotations

import math

import pytest
import torch

from lhy_rl.functional.discriminator_rewards import FORMS, absorbing_value

SIGNS = {"gail": ">= 0", "log_d": "<= 0", "logit": "either", "probability": ">= 0", "fairl": "either"}

LOG3 = math.log(3.0)  # D = 3/4


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("gail", math.log(4.0)),  # -log(1/4)
        ("log_d", math.log(0.75)),
        ("logit", LOG3),
        ("probability", 0.75),
        ("fairl", -3.0 * LOG3),
    ],
)
def test_three_quarters_by_hand(form, value):
    assert float(FORMS[form](torch.tensor(LOG3))) == pytest.approx(value, rel=1e-6)


def test_signs_are_as_stated():
    s = torch.linspace(-20, 20, 201)
    for form, pay in FORMS.items():
        values = pay(s)
        assert values.isfinite().all()
        if SIGNS[form] == ">= 0":
            assert (values >= 0).all()
        elif SIGNS[form] == "<= 0":
            assert (values <= 0).all()
        else:
            assert values.min() < 0 < values.max()


def test_the_logit_is_the_sum_of_the_other_two():
    s = torch.randn(50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(FORMS["gail"](s) + FORMS["log_d"](s), s)


def test_better_scores_are_worth_more():
    s = torch.linspace(-4, 4, 50)
    for form in ("gail", "log_d", "logit", "probability"):
        assert (FORMS[form](s).diff() > 0).all()


def test_the_absorbing_state_s_return_is_the_series():
    gamma, r = 0.9, -0.3
    assert absorbing_value(r, gamma) == pytest.approx(sum(r * gamma**t for t in range(2000)))
    with pytest.raises(ValueError, match="gamma is 1"):
        absorbing_value(r, 1.0)
