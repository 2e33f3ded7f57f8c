"""Heads against torch's distributions, and the fast ways of acting against the plain one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from torch.testing import assert_close

from lhy_rl.nn.acceleration.flat_parameters import FlatParameters
from lhy_rl.nn.acceleration.numpy_actor import fast_actor
from lhy_rl.nn.heads.base import in_space
from lhy_rl.nn.heads.select import head_for
from lhy_rl.nn.policies.actor_critic import ActorCritic

VECTOR = Box(-1, 1, (3,), np.float32)


def distribution(head, space, h):
    """The same by torch's classes: log-probability and entropy of an action."""
    output = head.output(h)
    if isinstance(space, Discrete):
        made = torch.distributions.Categorical(logits=output)
        return lambda a: made.log_prob(a - int(space.start)), made.entropy()
    if isinstance(space, Box):
        normal = torch.distributions.Normal(output, head.log_std.exp())
        return lambda a: normal.log_prob(a.flatten(1)).sum(1), normal.entropy().sum(1)
    sizes = np.ravel(space.nvec).tolist() if isinstance(space, MultiDiscrete) else [2] * int(np.prod(space.shape))
    start = torch.as_tensor(np.ravel(space.start)) if isinstance(space, MultiDiscrete) else torch.zeros(len(sizes))
    parts = [torch.distributions.Categorical(logits=x) for x in output.split(sizes, 1)]
    entropy = torch.stack([p.entropy() for p in parts]).sum(0)
    return lambda a: sum(p.log_prob(x) for p, x in zip(parts, (a.flatten(1) - start).T, strict=True)), entropy


SPACES = [
    Discrete(5, start=-2),
    MultiDiscrete([4, 2, 3]),
    MultiDiscrete(np.array([[2, 3], [4, 2]]), start=np.array([[1, 0], [0, 5]])),
    MultiBinary((2, 2)),
    Box(-1, 1, (2, 2), np.float32),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_log_probabilities_and_entropies(space):
    torch.manual_seed(0)
    head, h = head_for(space, 6), torch.randn(40, 6)
    actions = head.sample(h, torch.Generator().manual_seed(0))
    log_prob, entropy = distribution(head, space, h)
    said = head.evaluate(h, actions)
    assert_close(said.log_prob, log_prob(actions))
    assert_close(said.entropy, entropy)
    assert_close(head.log_prob(h, actions), said.log_prob)
    assert all(a in space for a in head.for_environment(actions))


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_draws_with_given_noise_follow_the_distribution(space):
    """Frequencies of 20,000 draws against the probabilities; means and deviations where actions are continuous."""
    torch.manual_seed(0)
    head, n = head_for(space, 6), 20_000
    h = torch.randn(1, 6).expand(n, 6)
    with torch.no_grad():
        drawn = head.draw(h, head.noise((n,), torch.Generator().manual_seed(1), h.device))
        if isinstance(space, Box):
            assert_close(drawn.flatten(1).mean(0), head.output(h[0]), atol=0.03, rtol=0)
            assert_close(drawn.flatten(1).std(0), head.log_std.exp(), atol=0.03, rtol=0)
            return
        kinds, counts = drawn.view(n, -1).unique(dim=0, return_counts=True)
        p = head.log_prob(h[: len(kinds)], kinds.view(len(kinds), *space.shape)).exp()
    assert ((counts / n - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-4).all()


@pytest.mark.parametrize("space", SPACES[:4], ids=str)
def test_what_is_not_legal_is_never_drawn(space):
    torch.manual_seed(0)
    head, h = head_for(space, 6), torch.randn(300, 6)
    action_mask = torch.rand(300, head.output.out_features) < 0.5
    action_mask[:, ::2] = True  # every choice has something left
    noise = head.noise((300,), torch.Generator().manual_seed(1), h.device)
    for actions in (
        head.draw(h, noise, action_mask),
        head.sample(h, torch.Generator().manual_seed(1), action_mask=action_mask),
    ):
        said = head.evaluate(h, actions, action_mask)
        assert said.log_prob.isfinite().all() and said.entropy.isfinite().all()


@pytest.mark.parametrize("space", [Discrete(5, start=2), Box(-0.1, 0.1, (2,), np.float32)], ids=str)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(("core", "layers"), [(None, 1), ("rnn", 1), ("gru", 2), ("lstm", 2), ("stack_rnn", 2)])
@pytest.mark.parametrize("observed", [VECTOR, Discrete(7, start=1), Box(0, 9, (2, 2), np.uint8)], ids=str)
def test_numpy_acts_as_torch_does(space, activation, core, layers, observed):
    torch.manual_seed(0)
    options = {"core": core, "num_layers": layers, "critic": "separate"}
    if not isinstance(observed, Discrete):  # which has a table and no activation
        options["activation"] = activation
    policy = ActorCritic(observed, space, **options)
    flat = FlatParameters(policy)
    generator, rows = torch.Generator().manual_seed(3), 50
    state = policy.initial_state(rows)
    act = None
    for _ in range(2):
        last, act = act, fast_actor(policy, act)
        assert act is not None and last in (None, act)
        act.begin(policy.split_state(state)[0])
        for _ in range(3):
            obs = np.stack([observed.sample() for _ in range(rows)])
            noise = policy.actor.noise((rows,), generator, policy.device)
            start = torch.rand(rows, generator=generator) < 0.3
            given = torch.from_numpy(obs)
            action_mask = torch.rand(rows, 5, generator=generator) < 0.5 if isinstance(space, Discrete) else None
            if action_mask is not None:
                action_mask[:, 0] = True
            expected, state = policy.act(given, state, start if core else None, noise=noise, action_mask=action_mask)
            mine = act(obs, noise.numpy(), start.numpy(), None if action_mask is None else action_mask.numpy())
            np.testing.assert_allclose(mine, expected.numpy(), atol=1e-5)
            inside = policy.actor.for_environment(expected)
            np.testing.assert_allclose(act.for_environment(mine), inside, atol=1e-5)
        assert_close(act.state, policy.split_state(state)[0], atol=1e-5, rtol=1e-4)
        with torch.no_grad():
            flat.vector += 0.3 * torch.randn_like(flat.vector)


def test_numpy_acts_only_where_it_can():
    for options in ({"norm": "layer"}, {"embedding_size": 300}, {"dropout": 0.1}, {"activation": "selu"}):
        assert fast_actor(ActorCritic(VECTOR, Discrete(2), core=None, **options)) is None
    assert fast_actor(ActorCritic(VECTOR, MultiDiscrete([2, 2]), core=None)) is None
    assert fast_actor(ActorCritic(MultiDiscrete([2, 2]), Discrete(2), core=None)) is None
    assert fast_actor(ActorCritic(Box(0, 255, (36, 36, 3), np.uint8), Discrete(2), core=None)) is None


def test_flat_parameters_descend_as_an_optimizer_of_many():
    def make():
        torch.manual_seed(0)
        return ActorCritic(VECTOR, Discrete(2), core="gru")

    one, many = make(), make()
    flat = FlatParameters(one)
    optimizers = [torch.optim.Adam([flat.vector], lr=0.01), torch.optim.Adam(many.parameters(), lr=0.01)]
    x, state, start = torch.randn(4, 5, 3), one.initial_state(5), torch.zeros(4, 5, dtype=torch.bool)
    for _ in range(3):
        loss, other = (
            p.evaluate(x, torch.ones(4, 5, dtype=torch.long), state, start).log_prob.square().sum() for p in (one, many)
        )
        norm = flat.descend(optimizers[0], loss, 0.5)
        optimizers[1].zero_grad(set_to_none=False)
        other.backward()
        assert_close(norm, torch.nn.utils.clip_grad_norm_(many.parameters(), 0.5))
        optimizers[1].step()
    for a, b in zip(one.parameters(), many.parameters(), strict=True):
        assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_the_first_noise_may_be_given_as_a_whole_number():
    head = head_for(Box(-1, 1, (2,)), 3, log_std=-1)
    assert head.log_std.tolist() == [-1.0, -1.0]


def test_bytes_are_the_nearest_ones_and_none_is_wrapped_round():
    space = Box(0, 255, (5,), np.uint8)
    given = np.array([199.99998, 254.6, 300.0, -3.0, 0.4], np.float32)
    assert in_space(given, space).tolist() == [200, 255, 255, 0, 0]
