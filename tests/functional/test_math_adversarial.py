"""Adversarial objectives against hand-computed numbers."""

from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from lhy_rl.core.errors import UserError
from lhy_rl.functional import clip_weights, gradient_penalty, objective, objectives
from lhy_rl.functional.adversarial_penalties import pulling_away

LOG3 = log(3.0)  # the logit of D = 0.75


def tensor(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "real", "fake", "discriminator", "generator", "rewards"),
    [
        # D(x) = 3/4, 1/2; D(g) = 1/4: L_D = (log 4/3 + log 2) / 2 + log 4/3, L_G = log 4
        ("gan", [LOG3, 0.0], [-LOG3], (log(4 / 3) + log(2)) / 2 + log(4 / 3), log(4), [0.25]),
        # L_G = log(1 - 1/4), reward = -log(1 - 1/4)
        ("gan_saturating", [LOG3, 0.0], [-LOG3], (log(4 / 3) + log(2)) / 2 + log(4 / 3), log(3 / 4), [log(4 / 3)]),
        # L_D = ((2-1)^2 + 0^2) / 2 / 2 + 0.5^2 / 2 = 0.25 + 0.125, L_G = (0.5 - 1)^2 / 2
        ("lsgan", [2.0, 1.0], [0.5], 0.375, 0.125, [-0.125]),
        # L_D = 0.5 - 1.5
        ("wgan", [2.0, 1.0], [0.25, 0.75], -1.0, -0.5, [0.25, 0.75]),
        ("wgan_gp", [2.0, 1.0], [0.25, 0.75], -1.0, -0.5, [0.25, 0.75]),
        # margin 10: L_D = 1.5 + ((10 - 4) + 0) / 2
        ("ebgan", [2.0, 1.0], [4.0, 12.0], 4.5, 8.0, [-4.0, -12.0]),
        # k = 0.5: L_D = 1.5 - 0.5 * 8
        ("began", [2.0, 1.0], [4.0, 12.0], -2.5, 8.0, [-4.0, -12.0]),
    ],
)
def test_losses_and_reward_by_hand(name, real, fake, discriminator, generator, rewards):
    chosen = objective(name)
    balance = 0.5 if name == "began" else None
    assert_close(chosen.discriminator_loss(tensor(*real), tensor(*fake), balance).item(), discriminator)
    assert_close(chosen.generator_loss(tensor(*fake)).item(), generator)
    assert_close(chosen.reward(tensor(*fake)), tensor(*rewards))


@pytest.mark.parametrize("name", ["gan", "gan_saturating", "lsgan", "wgan", "wgan_gp"])
def test_gradient_ratios_are_those_of_the_losses(name):
    chosen, fake = objective(name), tensor(-30.0, -2.0, -0.5, 0.25, 3.0).requires_grad_()
    (of_discriminator,) = torch.autograd.grad(chosen.discriminator_loss(tensor(1.0, -1.0), fake), fake)
    (of_generator,) = torch.autograd.grad(chosen.generator_loss(fake), fake)
    assert_close(chosen.gradient_ratio(fake.detach()), of_generator / of_discriminator)


def test_gradient_ratios_stay_finite():
    scores = torch.tensor([-1e4, 0.0, 1e4])
    assert all(objective(name).gradient_ratio(scores).isfinite().all() for name in ("gan", "gan_saturating", "lsgan"))
    assert objective("ebgan").gradient_ratio(scores) is None
    assert objective("began").gradient_ratio(scores) is None


def test_every_objective_is_tested_above():
    names = {row[0] for row in test_losses_and_reward_by_hand.pytestmark[0].args[1]}
    assert names == set(objectives.names())


def test_kinds_and_what_the_training_loop_must_add():
    facts = {
        name: (chosen.kind, chosen.weight_clip, chosen.penalty_weight, chosen.initial_balance)
        for name, chosen in ((name, objective(name)) for name in objectives.names())
    }
    assert facts == {
        "gan": ("logit", None, 0.0, None),
        "gan_saturating": ("logit", None, 0.0, None),
        "lsgan": ("critic", None, 0.0, None),
        "wgan": ("critic", 0.01, 0.0, None),
        "wgan_gp": ("critic", None, 10.0, None),
        "ebgan": ("energy", None, 0.0, None),
        "began": ("energy", None, 0.0, 0.0),
    }


@pytest.mark.parametrize("name", [n for n in objectives.names() if n != "gan"])
@settings(max_examples=20)
@given(scores=st.lists(st.floats(-20, 20), min_size=1, max_size=6))
def test_the_mean_reward_is_minus_the_generator_loss(name, scores):
    chosen, fake = objective(name), tensor(*scores)
    assert_close(chosen.reward(fake).mean(), -chosen.generator_loss(fake))


@pytest.mark.parametrize("name", objectives.names())
def test_one_step_down_the_discriminator_loss_tells_real_from_fake(name):
    """The sign: after it real scores rise against generated ones, or for an energy fall."""
    chosen = objective(name)
    real, fake = tensor(0.3, 0.6).requires_grad_(), tensor(0.3, 0.6).requires_grad_()
    loss = chosen.discriminator_loss(real, fake, 0.5 if chosen.initial_balance is not None else None)
    up, down = torch.autograd.grad(-loss, (real, fake))
    if chosen.kind == "energy":
        up, down = -up, -down
    assert (up > 0).all()
    assert (down < 0).all()


@pytest.mark.parametrize("name", objectives.names())
def test_reward_rises_with_realness_entry_by_entry(name):
    chosen = objective(name)
    scores = tensor(-0.5, 0.0, 0.9).reshape(1, 3)
    if chosen.kind == "energy":
        scores = 2.0 - scores
    rewards = chosen.reward(scores)
    assert rewards.shape == scores.shape
    assert (rewards.diff() > 0).all()


@pytest.mark.parametrize("name", ["gan", "gan_saturating"])
def test_huge_logits_stay_finite(name):
    chosen, extreme = objective(name), tensor(-1e4, 1e4)
    losses = [chosen.discriminator_loss(extreme, extreme), chosen.generator_loss(extreme), chosen.reward(extreme).sum()]
    assert all(torch.isfinite(loss) for loss in losses)


def test_the_two_gan_generators_differ_in_slope_where_the_discriminator_wins():
    logit = tensor(-LOG3).requires_grad_()  # D(g) = 1/4
    saturating = torch.autograd.grad(objective("gan_saturating").generator_loss(logit), logit)[0]
    other = torch.autograd.grad(objective("gan").generator_loss(logit), logit)[0]
    assert_close((saturating.item(), other.item()), (-0.25, -0.75))  # -D and -(1 - D)


def test_began_balance_by_hand_and_its_bounds():
    began = objective("began", gamma=0.5, lambda_k=0.1)
    # k + 0.1 (0.5 * 4 - 1) = 0.3 + 0.1
    assert began.next_balance(0.3, tensor(4.0), tensor(1.0)) == pytest.approx(0.4)
    assert began.next_balance(0.0, tensor(0.0), tensor(9.0)) == 0.0
    assert began.next_balance(0.95, tensor(9.0), tensor(0.0)) == 1.0
    with pytest.raises(ValueError, match="initial_balance"):
        began.discriminator_loss(tensor(1.0), tensor(1.0))


def test_objectives_without_balance_leave_it_alone():
    assert objective("gan").next_balance(None, tensor(1.0), tensor(1.0)) is None


def test_options_and_unknown_names():
    assert objective("ebgan", margin=2.0).discriminator_loss(tensor(0.0), tensor(0.5)).item() == 1.5
    assert objective("wgan", clip=0.1).weight_clip == 0.1
    assert objective("wgan_gp", penalty=1.0).penalty_weight == 1.0
    with pytest.raises(UserError, match="did you mean 'wgan_gp'"):
        objective("wgan-gp")
    with pytest.raises(UserError, match="unknown option of objective 'ebgan' 'margn'; did you mean 'margin'"):
        objective("ebgan", margn=1.0)


def test_gradient_penalty_of_a_linear_critic():
    # The gradient of w.x is w everywhere: (||w|| - 1)^2 = (5 - 1)^2, whatever the points; its slope is 2 (5-1) w/5.
    weight = tensor(3.0, 4.0).requires_grad_()
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 6, 2, generator=generator, dtype=torch.float64)
    penalty = gradient_penalty(lambda x: x @ weight, real, fake, generator)
    assert_close(penalty.item(), 16.0)
    assert_close(torch.autograd.grad(penalty, weight)[0], tensor(4.8, 6.4))


def test_gradient_penalty_norm_is_over_the_whole_sample():
    # (N, T, E) embeddings, score = sum of all T*E = 4 entries: gradient norm 2, penalty 1.
    penalty = gradient_penalty(lambda x: x.sum((1, 2)), torch.zeros(3, 2, 2), torch.ones(3, 2, 2))
    assert_close(penalty.item(), 1.0)


def test_gradient_penalty_draws_points_between_from_its_generator():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.sum(1)

    real, fake = torch.zeros(500, 2), torch.ones(500, 2)
    for seed in (1, 1, 2):
        gradient_penalty(critic, real, fake, torch.Generator().manual_seed(seed))
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert torch.equal(seen[0][:, 0], seen[0][:, 1])  # one u a row
    assert 0.0 <= seen[0].min() < 0.05
    assert 0.95 < seen[0].max() <= 1.0


def test_clip_weights():
    layer = torch.nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -0.002]]))
        layer.bias.fill_(-3.0)
    clip_weights(layer.parameters(), 0.01)
    assert_close(layer.weight.data, torch.tensor([[0.01, -0.002]]))
    assert_close(layer.bias.data, torch.tensor([-0.01]))


def test_began_convergence_by_hand():
    began = objective("began", gamma=0.5)
    assert began.convergence(torch.tensor([2.0, 4.0]), torch.tensor([1.0, 3.0])).item() == pytest.approx(3 + 0.5)


def test_pulling_away_by_hand():
    """Three codes: two the same but for their lengths, one across."""
    codes = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    assert_close(pulling_away(codes), torch.tensor(2 / 6))
    assert pulling_away(torch.eye(3)).item() == 0 and pulling_away(torch.ones(4, 2)).item() == pytest.approx(1)
