"""Reports and headlines: what they hold, and what a headline is worth."""

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.pointer.copy_summary import FIRST_NAME, PAD, VOCABULARY, CopySummary, names_recalled
from lhy_rl.envs.pointer.reports import END, NAMES, WORDS


def test_every_name_of_a_headline_stands_in_its_report():
    task = CopySummary(reports=200)
    for split in ("train", "validation", "test"):
        pairs = task.sequences(split)
        for headline, length, source in zip(pairs.tokens, pairs.lengths, pairs.sources, strict=True):
            names = set(headline[(headline >= FIRST_NAME) & (headline < VOCABULARY)].tolist())
            assert names and names <= set(source.tolist())
            assert headline[length - 1] == END and (headline[length:] == PAD).all()
    assert len(WORDS) == FIRST_NAME == VOCABULARY - NAMES == 53


def test_the_number_of_a_name_says_nothing():
    """The first name of the reports has every number about as often."""
    sources = CopySummary(reports=2000).sequences("train").sources
    is_name = (sources >= FIRST_NAME) & (sources < VOCABULARY)
    first = sources[np.arange(2000), is_name.argmax(1)] - FIRST_NAME
    counts = np.bincount(first, minlength=NAMES)
    assert counts.min() > 15 and counts.max() < 80, "about 42 each"


@pytest.mark.parametrize("reward", ["rouge", "token"])
def test_the_expert_writes_what_is_right(reward):
    env = CopySummary(8, reports=30, reward=reward, autoreset_mode="Disabled")
    env.reset(seed=0)
    total, alive = np.zeros(8), np.ones(8, bool)
    while alive.any():
        saved = env.snapshot()
        env.restore({**saved, "done": np.zeros(8, bool)})
        _, rewards, terminated, _, infos = env.step(env.expert_action())
        total += alive * rewards
        for i in np.flatnonzero(alive & terminated):
            assert infos["exact"][i] and infos["names"][i] == infos["score"][i] == 1
        alive &= ~terminated
    np.testing.assert_allclose(total, 1)


def test_names_recalled_by_hand():
    one, two = FIRST_NAME, FIRST_NAME + 5
    right = np.array([[one, 7, two, END]])
    for written, share in (([two, one, 3, 0], 1), ([one, one, 3, 0], 0.5), ([3, 4, 5, 0], 0)):
        assert names_recalled(np.array([written]), right).tolist() == [share]


def test_bad_input_is_one_line():
    with pytest.raises(UserError, match="events=8 is not allowed; must be a whole number from 1 to 7"):
        CopySummary(events=8)
    with pytest.raises(UserError, match="'rogue'; did you mean 'rouge'"):
        CopySummary(reward="rogue")
