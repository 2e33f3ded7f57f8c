"""Every sequence backbone, over the registry: cutting at the starts equals stepping, in values and gradients."""

import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.nn.backbones.base import cores, index_state, make_core, repeat_state, step_by_step

T, B, E, H = 13, 4, 5, 6
OPTIONS = {"memory_network": {"slots": 4, "overflow": "forget"}}  # so few that some are forgotten


VARIANTS = {
    "rnn highway": {"highway": True},
    "gru highway": {"highway": True},
    "lstm highway": {"highway": True},
    "stack_rnn gru": {"controller": "gru", "num_stacks": 3, "depth": 5},
    "attention additive": {"score": "additive", "num_heads": 2},
    "attention sliding": {"overflow": "forget", "slots": 4},
    "ntm lstm": {"controller": "lstm", "num_heads": 2, "locations": 5},
    "grid_lstm tied": {"tied": True},
    "grid_lstm_2d narrow": {"columns": 3, "rows": 2},
}


@pytest.fixture(params=[*cores.names(), *VARIANTS])
def name(request):
    return request.param


def of(name, *sizes):
    return make_core(name.split()[0], *sizes, options=VARIANTS.get(name, OPTIONS.get(name)))


def make(name, layers=1, seed=0):
    torch.manual_seed(seed)
    return of(name, E, H, layers).double()


def inputs(core, density, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(T, B, E, generator=generator, dtype=torch.double, requires_grad=True)
    start = torch.rand(T, B, generator=generator) < density
    return x, any_state(core, B, generator), start


def any_state(core, batch, generator, scale=1.0):
    """Random numbers; what counts is as it is after a few steps."""
    some = torch.randn(3, batch, E, generator=generator).to(next(core.parameters()).dtype)
    _, reached = core(some, core.initial_state(batch), torch.zeros(3, batch, dtype=torch.bool))
    return tuple(
        (scale * torch.randn(s.shape, generator=generator).to(s.dtype)).requires_grad_() if s.is_floating_point() else s
        for s in reached
    )


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 1.0])
def test_one_call_equals_the_step_loop(name, layers, density):
    core = make(name, layers)
    x, state, start = inputs(core, density)
    fast, slow = core(x, state, start), step_by_step(core, x, state, start)
    torch.testing.assert_close(fast[0], slow[0])
    for a, b in zip(fast[1], slow[1], strict=True):
        torch.testing.assert_close(a, b)

    def gradients(outputs):
        y, final = outputs
        scalar = (y * torch.arange(y.numel()).reshape(y.shape)).sum() + sum((s**3).sum() for s in final)
        given = [s for s in state if s.requires_grad]
        return torch.autograd.grad(scalar, [x, *given, *core.parameters()], allow_unused=True, materialize_grads=True)

    for a, b in zip(gradients(fast), gradients(slow), strict=True):
        torch.testing.assert_close(a, b)


def test_gradients_are_those_of_finite_differences(name):
    core = of(name, 2, 3).double()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 2, 2, generator=generator, dtype=torch.double, requires_grad=True)
    start = torch.tensor([[False, True], [False, False], [True, False], [False, False]])
    state = tuple(
        torch.randn(s.shape, generator=generator, dtype=torch.double).requires_grad_() if s.is_floating_point() else s
        for s in core.initial_state(2)
    )
    parameters = [p.detach().requires_grad_() for p in core.parameters()]
    names = [n for n, _ in core.named_parameters()]

    def run(x, *rest):
        given, weights = rest[: len(state)], dict(zip(names, rest[len(state) :], strict=True))
        y, final = torch.func.functional_call(core, weights, (x, given, start))
        return (y, *(s for s in final if s.is_floating_point()))

    assert torch.autograd.gradcheck(run, (x, *state, *parameters), fast_mode=True)


def test_nothing_passes_a_start(name):
    core = make(name)
    x, state, _ = inputs(core, 0.0)
    start = torch.zeros(T, B, dtype=torch.bool)
    start[7, 2] = True
    y, _ = core(x, state, start)
    (gradient,) = torch.autograd.grad(y[7:, 2].sum(), x)
    assert (gradient[:7] == 0).all() and (gradient[7:, 2] != 0).any()
    alone, _ = core(x[7:, 2:3], core.initial_state(1), torch.zeros(T - 7, 1, dtype=torch.bool))
    torch.testing.assert_close(y[7:, 2:3], alone)


def test_a_stored_state_continues_the_sequence(name):
    core = make(name, 2)
    x, state, start = inputs(core, 0.2)
    y, final = core(x, state, start)
    first, between = core(x[:6], state, start[:6])
    second, last = core(x[6:], between, start[6:])
    torch.testing.assert_close(torch.cat([first, second]), y)
    for a, b in zip(last, final, strict=True):
        torch.testing.assert_close(a, b)


def test_states_are_data_batch_first(name):
    core = make(name, 2)
    state = core.initial_state(B)
    assert all(s.shape[0] == B for s in state)
    assert all(s.shape[0] == 3 * B for s in repeat_state(state, 3))
    assert all(s.shape[0] == 2 for s in index_state(state, torch.tensor([0, 3])))
    marked = tuple(torch.arange(B).reshape(B, *[1] * (s.dim() - 1)).expand_as(s) for s in state)
    assert repeat_state(marked, 2)[0].flatten(1)[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_unknown_core_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'lstm'"):
        cores.get("lstn")


@pytest.mark.parametrize("batch", [2, 16])
def test_single_precision_too(name, batch):
    """What a start cuts off does not leak through the fused kernels, be it ever so large."""
    torch.manual_seed(1)
    core = of(name, E, 32)
    x, start = torch.randn(100, batch, E), torch.rand(100, batch) < 0.05
    start[50] = True
    scale = 1.0 if name.startswith("attention") else 1e4  # a softmax of scores of thousands magnifies the last digit
    state = any_state(core, batch, torch.Generator().manual_seed(2), scale)
    fast, slow = core(x, state, start), step_by_step(core, x, state, start)
    torch.testing.assert_close(fast[0], slow[0], atol=2e-5, rtol=1e-4)
    fresh, _ = core(x[50:], core.initial_state(batch), start[50:])
    torch.testing.assert_close(fast[0][50:], fresh, atol=2e-5, rtol=1e-4)
    for a, b in zip(fast[1], slow[1], strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)
