"""The memory network: the paper's equations step by step, its gradient, what it forgets, and when it is too small."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lhy_rl.core.errors import UserError
from lhy_rl.nn.backbones.memory_network import MemoryNetwork

E, H = 3, 4


def make(hops: int, slots: int = 8, overflow: str = "error") -> MemoryNetwork:
    torch.manual_seed(0)
    return MemoryNetwork(E, H, hops, slots, overflow).double()


def never(steps: int, batch: int = 1) -> Tensor:
    return torch.zeros(steps, batch, dtype=torch.bool)


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_the_papers_equations(hops: int) -> None:
    """p_i = softmax(u . m_i), o = sum p_i c_i, u' = u + o; m_i = A x_i + a(age), c_i = C x_i + c(age), A_2 = C_1."""
    core = make(hops)
    x = torch.randn(6, 1, E, dtype=torch.double)
    y, weights, _ = core.attend(x, core.initial_state(1), never(6))
    maps = [embedding.weight for embedding in core.embeddings]
    for t in range(6):
        u = maps[0] @ x[t, 0]
        for k in range(hops):
            past = [(x[i, 0], t - i) for i in range(t)]
            if past:
                m = torch.stack([maps[k] @ x_i + core.ages[k][-age] for x_i, age in past])
                c = torch.stack([maps[k + 1] @ x_i + core.ages[k + 1][-age] for x_i, age in past])
                p = (m @ u).softmax(0)
                torch.testing.assert_close(weights[k, t, 0, weights.shape[-1] - t :], p)
                u = u + p @ c
        torch.testing.assert_close(y[t, 0], u)
        assert (weights[:, t, 0, : weights.shape[-1] - t] == 0).all()


def test_the_first_observation_reads_nothing() -> None:
    core = make(2)
    x = torch.randn(1, 5, E, dtype=torch.double)
    y, state = core(x, core.initial_state(5), never(1, 5))
    torch.testing.assert_close(y[0], x[0] @ core.embeddings[0].weight.T)
    (slots,) = state
    assert (slots[:, :-1] == 0).all() and (slots[:, -1, -1] == 1).all()
    torch.testing.assert_close(slots[:, -1, :-1], x[0])


def test_gradients_against_finite_differences() -> None:
    core = make(2, slots=3, overflow="forget")
    start = never(5, 2)
    start[3, 1] = True
    x = torch.randn(5, 2, E, dtype=torch.double, requires_grad=True)
    slots = torch.randn(2, 4, E + 1, dtype=torch.double)
    slots[..., -1] = torch.tensor([0.0, 0.0, 1.0, 1.0])
    parameters = dict(core.named_parameters())

    def y(x: Tensor, *values: Tensor) -> Tensor:
        given = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(core, given, (x, (slots,), start))[0]  # type: ignore[no-any-return]

    assert torch.autograd.gradcheck(y, (x, *parameters.values()))


def test_a_memory_that_is_too_small_is_one_line() -> None:
    core, x = make(1, slots=3), torch.randn(6, 2, E, dtype=torch.double)
    state = core.initial_state(2)
    core(x[:4], state, never(4, 2))  # the fourth observation reads three
    with pytest.raises(UserError) as caught:
        core(x[:5], state, never(5, 2))
    assert "memory_network has 3 slots, fewer than this episode" in str(caught.value)
    assert "\n" not in str(caught.value)
    for step in range(4):  # also step by step
        _, state = core(x[step : step + 1], state, never(1, 2))
    with pytest.raises(UserError, match="3 slots"):
        core(x[4:5], state, never(1, 2))
    start = never(6, 2)
    start[3] = True
    core(x, core.initial_state(2), start)  # two episodes of three steps
    with pytest.raises(UserError, match="slots=0 is not allowed"):
        MemoryNetwork(E, H, 1, slots=0)
    with pytest.raises(UserError, match="unknown overflow 'forgot'; did you mean 'forget'"):
        MemoryNetwork(E, H, 1, overflow="forgot")


def test_the_oldest_is_forgotten_where_that_is_wanted() -> None:
    core = make(1, slots=2, overflow="forget")
    x = torch.randn(4, 1, E, dtype=torch.double, requires_grad=True)
    y, _ = core(x, core.initial_state(1), never(4))
    (gradient,) = torch.autograd.grad(y[3].sum(), x)
    assert (gradient[0] == 0).all() and (gradient[1:] != 0).any(-1).all()
