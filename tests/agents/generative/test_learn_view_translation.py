"""Colours and camera of another view are found from random behaviour in both, without a pair of frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lhy_rl  # noqa: F401
from lhy_rl.agents.adversarial.filmed_videos import filmed_videos
from lhy_rl.agents.generative import view_translation
from lhy_rl.agents.generative.view_translation import learn_translation, translated
from lhy_rl.rollouts.vector_envs import make_vec


def test_frames_of_the_expert_are_drawn_as_the_learner_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a translation the same frames differ by far; the expert's are not among those that are learned from."""
    monkeypatch.setattr(view_translation, "STARTS", 3)
    env, device = make_vec("lhy_rl/PointMassPixels-v0", 1), torch.device("cpu")
    own = filmed_videos("random", env, {}, 64, 8)
    colours = {"name": "colour", "tilt": 40.0}
    theirs = filmed_videos("random", env, {"domain": colours}, 64, 7)
    torch.manual_seed(0)
    translator = learn_translation(theirs, own, 100, torch.Generator().manual_seed(0), device)
    expert, wanted = (filmed_videos("scripted", env, {"domain": name}, 4, 99) for name in (colours, "own"))
    drawn = translated(expert, translator, device)
    untouched, error = (
        np.abs(videos.frames.astype(int) - wanted.frames.astype(int)).mean() for videos in (expert, drawn)
    )
    assert error < 0.03 * untouched
    across, down = torch.linalg.inv(translator.camera.detach()[:, :2]).diagonal().tolist()
    assert 0.9 < across < 1.1 and 0.7 < down < 0.85  # cos 40 degrees is 0.77
