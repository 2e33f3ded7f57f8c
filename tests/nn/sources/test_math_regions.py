"""Regions of a picture: each vector is about its place, and a policy reads a picture once an episode."""

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.agents import MLE, PPO, Reinforce
from lhy_rl.agents.supervised.attention_figures import shaded
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SOURCE, TokenSequences
from lhy_rl.envs.vision.scene_caption import SceneCaption
from lhy_rl.nn.decoding import attention_weights, beam_search, sample, starts, teacher_forcing
from lhy_rl.nn.sources.attention import attentions
from lhy_rl.nn.sources.base import SourceOptions
from lhy_rl.nn.sources.regions import RegionEncoder

SPACE = gymnasium.spaces.Box(0, 255, (24, 16, 3), np.uint8)


def test_a_region_is_about_its_place():
    torch.manual_seed(0)
    encoder = RegionEncoder(SPACE, SourceOptions(size=8))
    assert encoder.places == 6
    pictures = torch.randint(256, (2, 24, 16, 3), dtype=torch.uint8)
    pictures[1] = pictures[0]
    pictures[1, 9:15, 9:15] = 0  # inside the fourth region, two pixels from its neighbours
    mask = torch.ones(2, 24, dtype=torch.bool)
    reading = encoder(pictures, mask)
    changed = (reading.annotations[0] != reading.annotations[1]).any(1)
    assert changed.tolist() == [False, False, False, True, False, False] and reading.mask.all()
    torch.testing.assert_close(reading.summary, reading.annotations.mean(1))
    first = RegionEncoder(gymnasium.spaces.Box(0, 255, (3, 24, 16), np.uint8), SourceOptions(size=8))
    first.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(first(pictures.permute(0, 3, 1, 2), mask).annotations, reading.annotations)


def test_regions_differ_by_what_they_show_at_least_as_much_as_by_their_places():
    task = SceneCaption(2, captions=100)
    for seed in range(5):
        torch.manual_seed(seed)
        encoder = RegionEncoder(task.single_observation_space[SOURCE], SourceOptions(size=128))
        sources = torch.as_tensor(task.sequences("train").sources)
        shown = encoder(sources, torch.ones(100, 24, dtype=torch.bool)).annotations - encoder.where
        of_pictures = (shown.var((0, 1)).mean() / encoder.where.var(0).mean()).sqrt()
        assert of_pictures > 1  # with torch's own initialisation .11 to .16


@pytest.mark.parametrize("space", [gymnasium.spaces.MultiDiscrete([4] * 9), gymnasium.spaces.Box(0, 1, (9, 2))])
def test_what_is_no_picture_is_refused(space):
    with pytest.raises(UserError, match="'regions' reads images"):
        RegionEncoder(space, SourceOptions())


@pytest.mark.parametrize("kind", [MLE, Reinforce, PPO])
def test_agents_read_pictures(kind):
    task = SceneCaption(4, objects=1, captions=40)
    options = {MLE: {"gradient_steps": 2}, PPO: {"n_steps": 8, "batch_size": 4}, Reinforce: {}}[kind]
    if kind is MLE:
        options = {**options, "attention_penalty": "doubly_stochastic"}
    agent = kind(task, seed=0, core="gru", hidden_size=8, device="cpu", **options).learn(1)
    assert isinstance(agent.policy.trunk.source.encoder, RegionEncoder)
    answered = task.sequences("test")[:3]
    written = sample(agent.policy, task, 5, temperature=0.0, answered=answered)
    assert (written.sources[3:] == answered.sources[:2]).all()
    found, scores = beam_search(agent.policy, task, 3, answered[:1])
    assert found.sources.shape == (3, 24, 24, 3) and (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("attention", [*attentions])
def test_every_attention_reads_pictures_one_word_at_a_time_as_all_at_once(attention):
    task = SceneCaption(4, objects=1, captions=40)
    agent = MLE(task, seed=0, core="gru", hidden_size=8, device="cpu", gradient_steps=2, attention=attention).learn(1)
    policy, answered = agent.policy.eval(), task.sequences("test")[:5]
    obs, actions, mask = teacher_forcing(answered, task, policy)
    start, state, each = starts(mask), policy.initial_state(5), []
    whole = policy.evaluate(obs, actions, state, start).log_prob
    for t in range(len(mask)):
        now = slice(t, t + 1)
        one = policy.evaluate({key: part[now] for key, part in obs.items()}, actions[now], state, start[now])
        state = one.state
        each.append(one.log_prob)
    torch.testing.assert_close(torch.cat(each), whole, atol=1e-5, rtol=1e-4)
    assert attention_weights(policy, task, answered).shape == (5, len(mask), 9)


def test_sentences_about_pictures_are_taken_by_index():
    sequences = SceneCaption(2, captions=10).sequences("train")
    part = sequences[2:5]
    assert isinstance(part, TokenSequences) and part.source_mask is None
    assert (part.sources == sequences.sources[2:5]).all()
    assert SceneCaption(2).single_observation_space[SOURCE].shape == (24, 24, 3)


def test_a_report_shows_where_the_words_look():
    task = SceneCaption(2, objects=2, captions=40)
    agent = MLE(task, seed=0, core="gru", hidden_size=8, device="cpu", gradient_steps=2).learn(1)
    (figure,) = agent.report_figures()
    assert len(figure.rows) <= 4 and all(row.shape == (12, 24, 24, 3) for row in figure.rows.values())
    weights = attention_weights(agent.policy.eval(), task, task.sequences("test")[:7])
    assert weights.shape[::2] == (7, 9) and weights.sum(2)[:, :6] == pytest.approx(1, abs=1e-5)
    picture, looked = np.full((24, 24, 3), 200, np.uint8), np.eye(9)[5] / 2
    bright = shaded(picture, looked, (3, 3))
    assert (bright[8:16, 16:] == 200).all() and (bright[:8] == 30).all()
    unseen = MLE(task, seed=0, core="gru", hidden_size=8, device="cpu", attention="none")
    assert unseen.report_figures() == []
    with pytest.raises(UserError, match="has no attention weights"):
        attention_weights(unseen.policy, task, task.sequences("test")[:1])


def test_pictures_are_read_in_double_precision():
    torch.manual_seed(0)
    encoder, mask = RegionEncoder(SPACE, SourceOptions(size=8)), torch.ones(2, 24, dtype=torch.bool)
    pictures = torch.randint(256, (2, 24, 16, 3), dtype=torch.uint8)
    single = encoder(pictures, mask).annotations
    double = encoder.double()(pictures, mask).annotations
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single, atol=1e-5, rtol=1e-4)
