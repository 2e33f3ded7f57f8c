"""Measures of dialogues, by hand."""

import pytest

from lhy_rl.functional.dialogue_metrics import dialogue_metrics


def test_by_hand():
    dialogues = [[[1, 2], [3]], [[1, 2], [1, 2, 4], [5]]]
    found = dialogue_metrics(dialogues, [2, 1])
    assert found == pytest.approx(
        {"turns": 1.5, "distinct1": 5 / 9, "distinct2": 2 / 9, "mean_length": 9 / 5, "first_replies": 1, "tokens": 9}
    )


def test_first_replies_come_first_and_all_have_as_many_tokens():
    dialogues = [[[1, 2], [3, 4]], [[1, 5], [6, 7]]]
    assert dialogue_metrics(dialogues, [2, 2], tokens=4)["distinct1"] == pytest.approx(3 / 4)
    assert dialogue_metrics(dialogues, [2, 2], tokens=4)["distinct2"] == pytest.approx(2 / 4)
    assert dialogue_metrics(dialogues, [2, 2])["distinct1"] == pytest.approx(7 / 8)
