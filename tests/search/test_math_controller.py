"""Which trials the controller imitates, and how it draws configurations that are new."""

import numpy as np
import pytest
import torch

from lhy_rl.agents.search.choice_policy import log_prob
from lhy_rl.agents.search.controller import Controller
from lhy_rl.search.space import Choice, Space
from lhy_rl.search.trial import Trial
from tests.search.objectives import SPACE


@pytest.mark.parametrize(("elite", "counts"), [(10, [3, 3, 3, 3, 3, 3, 4, 4]), (2, [2] * 8), (0, [0] * 8)])
def test_the_best_tenth_of_the_trials_is_imitated(monkeypatch, elite, counts):
    """At least three and at most ``elite``, after 5, 10, ..., 40 trials."""
    controller = Controller(SPACE, 0, elite=elite)
    evaluate, imitated, told = controller.policy.evaluate, [], []

    def seen(tokens):
        imitated.append(tokens[controller.batch_size :].numpy())
        scores = sorted((score for score, _ in told), reverse=True)[: len(imitated[-1])]
        by_tokens = {tuple(tokens): score for score, tokens in told}
        assert [by_tokens[tuple(row)] for row in imitated[-1].tolist()] == scores
        return evaluate(tokens)

    monkeypatch.setattr(controller.policy, "evaluate", seen)
    drawn = np.random.default_rng(0)
    for _ in range(40):
        tokens = controller.ask().tolist()
        told.append((float(drawn.random()), tokens))
        controller.tell(Trial(tuple(tokens), told[-1][0]))
    assert [len(best) for best in imitated] == counts


CONDITIONAL = Space(
    [
        Choice("layers", (1, 2, 3), ordinal=True),
        Choice("normalised", (False, True)),
        Choice("decay", (0.9, 0.99, 0.999), condition=("normalised", (True,))),
    ]
)


def sharpened(factor: float) -> tuple[Controller, np.ndarray, np.ndarray]:
    """A controller with preferences, all configurations from the likeliest on, and their probabilities."""
    controller = Controller(CONDITIONAL, 0)
    for parameter in controller.policy.parameters():
        parameter.data.mul_(factor)
    everything = np.concatenate(list(CONDITIONAL.blocks()))
    tokens = torch.from_numpy(everything)
    p = log_prob(controller.policy.logits(tokens), tokens).sum(1).exp().detach().numpy()
    order = np.argsort(-p)
    return controller, everything[order], p[order]


def test_what_is_known_is_not_drawn_and_all_else_keeps_its_proportions():
    controller, everything, p = sharpened(8.0)
    assert p.sum() == pytest.approx(1.0) and p[:3].sum() > 0.8
    drawn = controller.policy.draw(50_000, torch.Generator().manual_seed(0), torch.from_numpy(everything[:3]))
    keys = CONDITIONAL.keys(everything).tolist()
    counts = np.bincount([keys.index(key) for key in CONDITIONAL.keys(drawn).tolist()], minlength=len(keys))
    assert counts[:3].tolist() == [0, 0, 0]
    np.testing.assert_allclose(counts[3:] / 50_000, p[3:] / p[3:].sum(), atol=0.01)


@pytest.mark.parametrize("factor", [8.0, 100.0])  # at 100 all but the first have less than float32's smallest change
def test_a_policy_that_is_nearly_certain_proposes_everything_once(factor):
    controller, everything, _ = sharpened(factor)
    asked = [controller.ask() for _ in everything]
    assert len({tuple(tokens) for tokens in asked}) == len(everything)
