"""Children learn with their own rules, whoever stands beside them."""

import numpy as np
import torch

from lhy_rl.data.digits import load_digits
from lhy_rl.functional.update_rules import parse
from lhy_rl.nn.rule_optimizer import RuleOptimizer
from lhy_rl.search.children.rule_mlp import RuleBatch, learn, tuned

TEXTS = ("g", "g", "adam", "m", "sign(g) * exp(sign(g) * sign(m))", "rmsprop + clip(g)", "exp(gamma) - log|v|")


def test_a_batch_of_rules_is_the_optimizer_of_each():
    rng = np.random.default_rng(0)
    batch = RuleBatch([parse(text) for text in TEXTS])
    weights = [torch.zeros(5, requires_grad=True) for _ in TEXTS]
    optimizers = [RuleOptimizer([w], text, 1.0) for w, text in zip(weights, TEXTS, strict=True)]
    total = np.zeros((len(TEXTS), 5))
    for _ in range(3):
        gradient = rng.normal(size=total.shape).astype(np.float32)
        total -= batch.direction(gradient)
        for row, (w, optimizer) in enumerate(zip(weights, optimizers, strict=True)):
            w.grad = torch.tensor(gradient[row])
            optimizer.step()
    np.testing.assert_allclose(total, torch.stack(weights).detach().numpy(), rtol=1e-5, atol=1e-5)


def test_a_child_does_not_depend_on_those_beside_it():
    rules = [parse(text) for text in TEXTS]
    rates, seeds = np.array([0.3, 0.1, 0.01, 1.0, 0.003, 0.01, 10.0]), np.array([0, 1, 0, 2, 0, 1, 0])
    together = learn(load_digits(), rules, rates, seeds, epochs=1)
    for row in (1, 4):
        alone = learn(load_digits(), rules[row : row + 1], rates[row : row + 1], seeds[row : row + 1], epochs=1)
        assert alone.validation[0, 0] == together.validation[0, row] > 0.5
        assert alone.test[0] == together.test[row]


def test_an_explosion_is_scored_as_guessing_and_hurts_nobody():
    rules = [parse("exp(g)"), parse("g / g^3"), parse("g")]
    learned = learn(load_digits(), rules, np.array([1e38, 1e30, 0.3]), np.zeros(3, int), epochs=1)
    assert learned.validation[0, :2].tolist() == learned.test[:2].tolist() == [0.1, 0.1]
    assert learned.validation[0, 2] > 0.5 and not np.isfinite(learned.loss[0, 0])


def test_the_learning_rate_is_found():
    found = tuned(load_digits(), [parse("adam"), parse("-adam")], range(2))
    assert 0.001 <= found.learning_rates[0] <= 0.1
    assert found.validation[:, 0].min() > 0.8 > 0.3 > found.validation[:, 1].max()
