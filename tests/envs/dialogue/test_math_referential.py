"""The referential game's rules by hand: what is observed, heard, rewarded and legal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.dialogue.objects import digits
from lhy_rl.envs.dialogue.referential import HELD_OUT, LISTENER, SPEAKER, Referential
from lhy_rl.envs.game import GameBatch

RNG = np.random.default_rng(0)


def begun(*objects: int, target: int = 0, **options: Any) -> tuple[Referential, dict[str, np.ndarray]]:
    """One game with these candidates."""
    game = Referential(**options)
    state = game.initial(1, np.random.default_rng(0))
    return game, {**state, "candidates": np.array([objects]), "target": np.array([target])}


def played(game: Referential, state: Any, *actions: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The state after some actions, and the rewards of the last."""
    reward = np.zeros((1, 2))
    for action in actions:
        before = state
        state = game.transition(before, np.array([action]), RNG)
        reward = game.reward(before, np.array([action]), state)
    return state, reward


def test_observations_are_the_documented_ones() -> None:
    game, state = begun(27, 0, 63, 1, target=0)  # 27 is 1 2 3: small blue star
    state, _ = played(game, state, 7, 2)
    speaker = game.observation(state, np.array([SPEAKER]))[0]
    listener = game.observation(state, np.array([LISTENER]))[0]
    ones = [1, 4 + 2, 8 + 3]
    symbols = [12 + 7, 12 + 8 + 2]
    assert np.flatnonzero(speaker).tolist() == ones + symbols
    candidates = [36 + 12 * k + 4 * j + v for k, thing in enumerate((27, 0, 63, 1)) for j, v in enumerate(of(thing))]
    assert np.flatnonzero(listener).tolist() == symbols + candidates
    assert speaker.shape == (84,) and speaker.dtype == np.float32


def of(thing: int) -> list[int]:
    values: list[int] = digits(np.array([thing]))[0].tolist()
    return values


@pytest.mark.parametrize(("choice", "paid"), [(8, 0.0), (9, 0.0), (10, 1.0), (11, 0.0)])
def test_both_are_rewarded_for_the_speakers_object(choice: int, paid: float) -> None:
    game, state = begun(3, 14, 15, 9, target=2)
    state, reward = played(game, state, 0, 1, 2)
    assert not game.terminal(state)[0] and not reward.any() and game.to_move(state)[0] == LISTENER
    state, reward = played(game, state, choice)
    assert reward.tolist() == [[paid, paid]] and game.terminal(state)[0]
    final = game.final_info(state, np.array([0]))
    assert (final["right"][0], final["object"][0], final["message"][0]) == (paid == 1, 15, 0 * 64 + 1 * 8 + 2)


@pytest.mark.parametrize("actions", [(8,), (0, 1, 11), (0, 1, 2, 3)])
def test_an_illegal_action_ends_the_game_and_nobody_is_rewarded(actions: tuple[int, ...]) -> None:
    """The speaker chooses, or the listener speaks."""
    game, state = begun(3, 14, 15, 9, target=0)
    state, reward = played(game, state, *actions)
    assert game.terminal(state)[0] and not reward.any() and not game.final_info(state, np.array([0]))["right"][0]
    assert game.transcript(state)[0].endswith("listener_0: ...\nwrong")


def test_masks_say_who_may_do_what() -> None:
    game, state = begun(3, 14, 15, 9)
    both = np.array([SPEAKER, LISTENER])
    doubled = {key: np.repeat(array, 2, 0) for key, array in state.items()}
    assert game.action_mask(doubled, both).tolist() == [[True] * 8 + [False] * 4, [True] * 12]
    later, _ = played(game, state, 0, 0, 0)
    doubled = {key: np.repeat(array, 2, 0) for key, array in later.items()}
    assert game.action_mask(doubled, both).tolist() == [[True] * 12, [False] * 8 + [True] * 4]


def test_splits_share_no_object_and_every_value_is_learned() -> None:
    splits = {split: Referential(split).objects for split in ("train", "held_out", "all")}
    assert {split: len(objects) for split, objects in splits.items()} == {"train": 51, "held_out": 13, "all": 64}
    assert not set(splits["train"]) & set(splits["held_out"]) and set(splits["held_out"]) == set(HELD_OUT)
    assert HELD_OUT.tolist() == [11, 15, 19, 31, 35, 39, 40, 44, 48, 50, 54, 58, 60]
    for column in digits(splits["train"]).T:
        assert set(column) == {0, 1, 2, 3}


def test_candidates_differ_and_are_drawn_uniformly() -> None:
    state = Referential("held_out").initial(20_000, np.random.default_rng(0))
    assert (np.diff(np.sort(state["candidates"], 1), axis=1) > 0).all()
    for place in state["candidates"].T:
        shares = np.bincount(place, minlength=64)[HELD_OUT] / 20_000
        assert shares.sum() == pytest.approx(1) and abs(shares - 1 / 13).max() < 0.01
    assert abs(np.bincount(state["target"]) / 20_000 - 0.25).max() < 0.01


@pytest.mark.parametrize(("channel", "expected"), [("clear", 1.0), ("shuffled", 0.25)])
def test_a_shuffled_channel_tells_nothing(channel: str, expected: float) -> None:
    """A pair that names the values of all attributes is always right, and by chance where the channel is shuffled."""
    batch = GameBatch(Referential(channel=channel), 4_000)
    obs = batch.reset(seed=0)
    for place in range(3):
        obs, *_ = batch.step(obs["observation"][:, 4 * place : 4 * place + 4].argmax(1))
    heard = obs["observation"][:, 12:36].reshape(-1, 3, 8)
    assert (heard.sum(2) == 1).all()
    fits = np.einsum("bcv,bv->bc", obs["observation"][:, 36:].reshape(-1, 4, 12), heard[:, :, :4].reshape(-1, 12))
    _, rewards, over, infos = batch.step(8 + fits.argmax(1))
    assert over.all() and rewards[:, 0].mean() == pytest.approx(expected, abs=0.03)
    said = infos["final_info"][0]["message"]
    assert (said == digits(infos["final_info"][0]["object"]) @ [64, 8, 1]).all()  # what was said, not what was heard
    if channel == "shuffled":  # every symbol at every place, whatever was said
        assert abs(heard.mean(0) - 1 / 8).max() < 0.03


def test_what_is_said_is_text() -> None:
    game, state = begun(27, 0, 63, 1, channel="shuffled")
    state = {**state, "shift": np.array([[1, 0, 7]])}
    texts = []
    for action in (7, 2, 0, 9):
        texts.append(game.info(state, np.array([0]))["text"][0])
        state, _ = played(game, state, action)
    assert texts == ["", "h", "c", "a"] and game.info(state, np.array([0]))["text"][0] == "The tiny red ball."
    assert game.transcript(state) == [
        "candidates: small blue star, tiny red ball, huge yellow star, tiny red cube\n"
        "speaker_0 observes: small blue star\nspeaker_0: h c a\nlistener_0 hears: a c h\n"
        "listener_0: The tiny red ball.\nwrong"
    ]


def test_other_sizes() -> None:
    game = Referential(num_symbols=2, message_length=6, num_candidates=13, split="held_out")
    assert game.action_space.n == 15 and game.observation_space.shape == (12 * 14 + 12,)
    state = game.initial(3, RNG)
    for _ in range(7):
        action = game.action_mask(state, game.to_move(state)).argmax(1)
        state = game.transition(state, action, RNG)
    assert game.terminal(state).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "test"}, "unknown split 'test'"),
        ({"channel": "noisy"}, "unknown channel 'noisy'"),
        ({"num_symbols": 27}, "from 2 to 26"),
        ({"message_length": 0}, "from 1 to 10"),
        ({"num_candidates": 14}, "from 2 to 13"),
    ],
)
def test_bad_options_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Referential(**options)
