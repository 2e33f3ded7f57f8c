"""Drawn scenes and their captions: the grammar and the parser by hand, the rewards, what only the test split has."""

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.vision.captions import AND, END, HELD_OUT, PAD, WORDS, captions, parsed, spoken, truth
from lhy_rl.envs.vision.scene_caption import SceneCaption
from lhy_rl.envs.vision.shapes import COLOURS, RGB, SHAPES, covered, distances

CELLS = np.full((1, 9), -1)
CELLS[0, 0], CELLS[0, 7] = 0, 2 * len(SHAPES) + SHAPES.index("cross")  # a red circle and a blue cross
RIGHT = "a red circle top left and a blue cross bottom centre"


def tokens(text, length=18):
    words = [WORDS.index(word) for word in text.split()] + [END]
    return np.array([words + [PAD] * (length - len(words))]), np.array([len(words)])


def test_the_caption_names_what_there_is_in_reading_order():
    written, lengths = captions(CELLS, 3)
    assert spoken(written[0]) == RIGHT and lengths.tolist() == [12] and written[0, 11] == END
    assert (written[0, 12:] == PAD).all() and written.shape == (1, 18)
    assert parsed(written[0], 12) == [(0, 0), (7, 2 * len(SHAPES) + 3)]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (RIGHT, 1),
        ("a blue cross bottom centre and a red circle top left", 1),  # in any order
        ("a red circle top left", 2 / 3),  # one of two: 2 * 1 / (1 + 2)
        ("a red ring top left and a blue cross bottom centre", 3 / 4),  # a wrong shape: 2 * 1.5 / 4
        ("a red circle top right and a blue cross bottom centre", 1 / 2),  # nothing stands there
        (RIGHT + " and a red circle top left", 4 / 5),  # named twice: 2 * 2 / (3 + 2)
        (RIGHT + " and a", 4 / 5),  # no thing
        ("red circle top left and a blue cross bottom centre", 1 / 2),
        ("", 0),
    ],
)
def test_how_true_a_caption_is(text, score):
    assert truth(*tokens(text), CELLS)[0] == pytest.approx(score)


def test_the_rewards_by_name():
    env = SceneCaption(1)
    half = tokens("a red circle top left")
    assert env.scored(*half, CELLS, "rouge")[0] == pytest.approx(2 * 6 / (6 + 12))  # the end token counts
    assert 0 < env.scored(*half, CELLS, "bleu")[0] < env.scored(*tokens(RIGHT), CELLS, "bleu")[0] == pytest.approx(1)
    assert env.scored(*tokens(""), CELLS, "bleu")[0] == 0
    with pytest.raises(UserError, match="reward"):
        SceneCaption(reward="blue")


@pytest.mark.parametrize("reward", ["parser", "bleu", "rouge"])
def test_the_expert_gets_everything_at_the_end_and_nothing_before(reward):
    env = SceneCaption(16, reward=reward, split="test", autoreset_mode="Disabled")
    env.reset(seed=1)
    total, ended = np.zeros(16), np.zeros(16, bool)
    for _ in range(env.max_length):
        if ended.all():
            break
        env.reset(options={"reset_mask": ended}) if ended.any() else None
        _, rewards, terminated, _, infos = env.step(env.expert_action())
        assert (rewards[~terminated] == 0).all() and rewards[terminated] == pytest.approx(1)
        assert infos["exact"][terminated].all() if terminated.any() else True
        total, ended = total + rewards, terminated
    assert total.sum() > 16


def test_only_the_test_split_has_the_held_out_combinations():
    env = SceneCaption(2, captions=2000)
    train, test = env.cells("train"), env.cells("test")
    assert len(set(HELD_OUT // len(SHAPES))) == len(COLOURS) and set((HELD_OUT % len(SHAPES)).tolist()) == set(range(5))
    assert not np.isin(train, HELD_OUT).any() and np.isin(test, HELD_OUT).any(1).all()
    assert len(np.unique(train[train >= 0])) == 24 and not np.isin(env.cells("validation"), HELD_OUT).any()
    counts = (train >= 0).sum(1)
    assert (np.bincount(counts)[1:] > 600).all() and counts.max() == 3


def test_a_picture_shows_its_colours_where_they_are():
    env = SceneCaption(2, objects=4)
    pictures, cells = env.sequences("test").sources.astype(float), env.cells("test")
    middles = pictures[:, 4::8, 4::8].reshape(-1, 9, 3)  # of the places
    full = (cells >= 0) & (cells % len(SHAPES) != SHAPES.index("ring"))  # whose middle is empty
    far = abs(middles[full] - RGB[cells[full] // len(SHAPES)]).max(1)
    assert np.quantile(far, 0.9) < 75 and middles[cells < 0].max() < 95
    again = SceneCaption(3, objects=4).sequences("test").sources
    assert (again == env.sequences("test").sources).all()


def test_shapes_cover_the_areas_that_they_have():
    n, radius = len(SHAPES), 12.0
    share = covered(distances(np.arange(n), np.full((n, 2), 16.0), np.full(n, radius), 32)).sum((1, 2)) / radius**2
    height = 0.8 + 1  # of the triangle, over its radius, and as wide below as the slanted sides say
    wide = 0.5 * height / 0.87 * 2
    bar = 2 * 0.36
    expected = [np.pi, (2 * 0.87) ** 2, height * wide / 2, 2 * 2 * bar - bar**2, np.pi * (1.02**2 - 0.42**2)]
    np.testing.assert_allclose(share, expected, rtol=0.02)


def test_words_between_things():
    assert WORDS[AND] == "and" and len(WORDS) == 20
