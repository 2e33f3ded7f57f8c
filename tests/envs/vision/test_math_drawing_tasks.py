"""A caption to draw, a sketch to fill: what is read from pictures, and which of them are right."""

import numpy as np
import pytest

from lhy_rl.envs.vision.caption_to_image import CaptionToImage, read
from lhy_rl.envs.vision.shapes import SHAPES
from lhy_rl.envs.vision.sketch_to_image import PAINT, SketchToImage, saturation


def what(labels):
    return np.stack([labels // 20, labels // 4 % 5, labels % 4], 1)


def test_the_reader_reads_what_real_pictures_show():
    task = CaptionToImage(pictures=800)
    samples = task.samples("train")
    assert samples.paired and samples.samples.dtype == np.float32 and len(np.unique(samples.condition_labels)) == 120
    found, true = read(samples.samples), what(samples.condition_labels)
    assert ((found == true).mean(0) > 0.99).all()
    assert (read(-samples.samples)[:, 2] != true[:, 2]).mean() > 0.9  # upside down, the light is elsewhere
    words = task.caption(samples.conditions[0]).split()
    assert words[0] == "a" and words[2] == SHAPES[true[0, 1]]


def test_rewards_are_the_share_of_right_attributes():
    env = CaptionToImage(200, autoreset_mode="Disabled")
    env.reset(seed=0)
    _, rewards, terminated, _, infos = env.step(env.expert_action())
    assert terminated.all() and rewards.mean() > 0.99
    env.reset(seed=0)
    mirrored = env.expert_action()[:, :, ::-1]  # left is right; all shapes are symmetric
    _, rewards, _, _, infos = env.step(np.ascontiguousarray(mirrored))
    assert rewards == pytest.approx(np.full(200, 2 / 3), abs=0.34) and not infos["right"][:, 2].any()
    env.reset(seed=0)
    env.step(np.full((200, 16, 16, 3), -1, np.float32))  # black: something is read, whatever it is


def test_both_colours_are_right_and_the_grey_between_is_not():
    env = SketchToImage(50, autoreset_mode="Disabled")
    env.reset(seed=3)
    state = env.snapshot()["state"]
    both = env.right(state)
    rewards, infos = [], []
    grey = np.ascontiguousarray(both.mean(1))
    for pictures in (both[:, 0], both[:, 1], grey):
        env.reset(seed=3)
        _, reward, _, _, info = env.step(np.ascontiguousarray(pictures))
        rewards.append(reward)
        infos.append(info)
    assert rewards[0] == pytest.approx(1) and rewards[1] == pytest.approx(1)
    share = state["cover"].mean((1, 2))  # 0.8 away in each channel of the shape, and that halved
    assert rewards[2] == pytest.approx(1 - 0.4 * share, abs=1e-5)
    assert infos[0]["colour"].max() == 0 and infos[1]["colour"].min() == 1
    assert infos[0]["saturation"] == pytest.approx(1) and abs(infos[2]["saturation"]).max() < 1e-5


def test_a_sketch_has_pictures_of_both_colours():
    samples = SketchToImage(pictures=1000).samples("train")
    assert samples.conditions.shape == (1000, 16, 16, 3) and samples.samples.shape == (1000, 16, 16, 3)
    assert (samples.sample_labels // 2 == samples.condition_labels).all()
    assert (np.bincount(samples.sample_labels) > 70).all()  # 1000 / 10
    inside = (samples.conditions[..., 0] == 0) & (samples.samples.max(-1) > 0.7)
    for label in range(10):
        rows = samples.sample_labels == label
        colour = samples.samples[rows][inside[rows]].mean(0)
        assert colour == pytest.approx(PAINT[label // 2] * (-1 if label % 2 else 1), abs=0.02)
    solid = inside.any((1, 2))  # small crosses are all edge
    assert solid.mean() > 0.9
    assert saturation(samples.samples[solid], inside[solid].astype(float)) == pytest.approx(0.8, abs=0.01)
