"""Which trials the controller imitates."""

import numpy as np
import pytest

from lhy_rl.agents.search.controller import Controller
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
