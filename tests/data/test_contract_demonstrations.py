"""Demonstrations in numpy files: whatever was written comes back, and what cannot be right is named in one line."""

import time
import zipfile

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import leaves, map_tree
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.data.npz import read_npz, write_npz
from lhy_rl.data.spaces import conformed, difference, from_json, to_json

FLAT, TWO = Box(-np.inf, np.inf, (3,), np.float32), Discrete(2)

SPACES = {
    "flat": (FLAT, TWO),
    "image": (Box(0, 255, (6, 5, 3), np.uint8), Discrete(3, start=-1)),
    "bounds": (Box(np.array([-1, 0], np.float32), np.array([2, np.inf], np.float32)), Box(-2, 2, (1,), np.float64)),
    "tokens": (Discrete(7), MultiDiscrete([3, 2])),
    "bits": (MultiBinary(4), MultiBinary((2, 2))),
    "tree": (Dict({"b": Tuple((Discrete(4), FLAT)), "a": Box(0, 255, (4, 4), np.uint8)}), TWO),
}


def sampled(spaces, lengths, seed=0, about=None):
    """Episodes of random samples; every second one is cut."""
    for space in spaces:
        space.seed(seed)

    def many(space, n):
        return map_tree(lambda *x: np.stack(x), *[map_tree(np.asarray, space.sample()) for _ in range(n)])

    rewards = np.random.default_rng(seed).normal(size=max(lengths))
    episodes = [
        Episode(many(spaces[0], n + 1), many(spaces[1], n), rewards[:n], i % 2 == 0, i % 2 == 1)
        for i, n in enumerate(lengths)
    ]
    return Demonstrations(episodes, *spaces, about or {})


def assert_same(one, other):
    assert len(one) == len(other) and one.about == other.about
    assert (one.observation_space, one.action_space) == (other.observation_space, other.action_space)
    for a, b in zip(one.episodes, other.episodes, strict=True):
        assert (a.terminated, a.truncated) == (b.terminated, b.truncated)
        assert np.array_equal(a.rewards, b.rewards)
        for tree, again in ((a.observations, b.observations), (a.actions, b.actions)):
            for x, y in zip(leaves(tree), leaves(again), strict=True):
                assert x.dtype == y.dtype and np.array_equal(x, y)


def plain(path, of=(2, 1), **members):
    """A file as a script writes it by hand, with members replaced or, by None, left out."""
    steps, count = sum(of), len(of)
    found = {
        "observations": np.zeros((steps + count, 3), np.float32),
        "actions": np.zeros(steps, np.int64),
        "rewards": np.ones(steps),
        "lengths": np.array(of),
        "terminated": np.ones(count, bool),
    } | members
    np.savez(path, **{key: value for key, value in found.items() if value is not None})
    return path


# ---------------------------------------------------------------------- there and back
@pytest.mark.parametrize("kind", SPACES)
def test_files_give_back_what_was_written(kind, tmp_path):
    demonstrations = sampled(SPACES[kind], (3, 1, 4), about={"env_id": "x", "seed": 3})
    assert_same(demonstrations, read_npz(write_npz(demonstrations, tmp_path / "new" / "a.npz")))


@pytest.mark.parametrize("kind", SPACES)
def test_spaces_come_back_from_json(kind):
    for space in SPACES[kind]:
        assert from_json(to_json(space)) == space and difference(space, from_json(to_json(space))) is None


def test_half_precision_in_the_file_only(tmp_path):
    demonstrations = sampled(SPACES["flat"], (400,))
    whole = write_npz(demonstrations, tmp_path / "whole.npz")
    half = write_npz(demonstrations, tmp_path / "half.npz", stored=np.float16)
    again = read_npz(half)
    assert half.stat().st_size < 0.8 * whole.stat().st_size
    assert again.episodes[0].observations.dtype == np.float32
    assert np.allclose(again.episodes[0].observations, demonstrations.episodes[0].observations, rtol=1e-3)
    assert again.returns == pytest.approx(demonstrations.returns)


def test_a_folder_is_all_its_files_in_order(tmp_path):
    parts = [sampled(SPACES["flat"], (2 + i,), seed=i) for i in range(3)]
    for i in (2, 0, 1):
        write_npz(parts[i], tmp_path / f"{i}.npz")
    assert read_npz(tmp_path).lengths.tolist() == [2, 3, 4]
    write_npz(sampled(SPACES["tokens"], (2,)), tmp_path / "9.npz")
    with pytest.raises(UserError, match=r"9\.npz.* does not fit"):
        read_npz(tmp_path)


def test_written_by_hand(tmp_path):
    """The least that there can be: observations and actions of one episode, and an environment that says the rest."""
    path = tmp_path / "mine.npz"
    np.savez(path, observations=np.zeros((5, 3)), actions=np.array([0, 1, 1, 0], np.int32))
    demonstrations = read_npz(path, (FLAT, TWO))
    assert demonstrations.lengths.tolist() == [4] and demonstrations.returns.tolist() == [0.0]
    episode = demonstrations.episodes[0]
    assert not episode.terminated and not episode.truncated
    assert episode.observations.dtype == np.float32 and episode.actions.dtype == np.int64
    with pytest.raises(UserError, match="give the environment"):
        read_npz(path)


def test_one_step_is_an_episode(tmp_path):
    one = read_npz(plain(tmp_path / "one.npz", (1,)), (FLAT, TWO)).transitions
    assert len(one) == 1 and one.start.all() and one.terminated.all()


def test_thousands_of_tiny_episodes_are_fast(tmp_path):
    begun = time.process_time()
    path = plain(tmp_path / "tiny.npz", (1, 2, 3) * 2000)
    demonstrations = read_npz(path, (FLAT, TWO))
    assert len(demonstrations.transitions) == 12_000 and len(demonstrations) == 6000
    assert len(demonstrations.subsampled(2)) < 12_000
    assert time.process_time() - begun < 5


# ---------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("members", "words"),
    [
        (
            {
                "observations": np.zeros((0, 3)),
                "actions": np.zeros(0, int),
                "rewards": None,
                "lengths": np.array([], int),
                "terminated": None,
            },
            "no episode",
        ),
        ({"lengths": np.array([3, 0])}, "episode 1 .* has no steps"),
        ({"lengths": np.array([3, 3])}, "add up to 6"),
        ({"observations": np.zeros((3, 3))}, "one more observation than actions"),
        ({"observations": np.zeros((5, 2))}, r"observations of episode 0 have shape \(3, 2\)"),
        ({"observations": np.full((5, 3), np.nan)}, "observation of episode 0 at step 0 is not a number"),
        ({"rewards": np.array([0, np.inf, 0])}, "reward of episode 0 at step 1"),
        ({"rewards": np.zeros(2)}, "rewards .* have shape"),
        ({"actions": np.array([0, 1, 2])}, "action of episode 1 at step 0 is 2"),
        ({"actions": np.zeros(3)}, "needs whole numbers"),
        ({"actions": np.array(1)}, "a single number"),
        ({"actions": None}, "no member 'actions'"),
        ({"terminated": np.ones(3, bool)}, "3 entries for 2 episodes"),
        ({"about": np.array("{")}, "not JSON"),
        ({"spaces": np.array('{"observation": {"type": "Ball"}, "action": {}}')}, "cannot be read"),
        ({"observations": np.array([{}], object)}, "pickled objects.* is not loaded"),
    ],
)
def test_what_is_wrong_is_named(members, words, tmp_path):
    with pytest.raises(UserError, match=words) as error:
        read_npz(plain(tmp_path / "x.npz", **members), (FLAT, TWO))
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_several_choices_have_their_range():
    spaces = Dict({"where": MultiDiscrete([3, 2])}), MultiBinary(2)
    good = Episode({"where": np.array([[0, 0], [2, 1]])}, np.array([[0, 1]], np.int8), np.ones(1), True, False)
    Demonstrations([good], *spaces, {})
    bad = Episode({"where": np.array([[0, 0], [2, 2]])}, good.actions, np.ones(1), True, False)
    with pytest.raises(UserError, match=r"observation 'where' of episode 0 at step 1 is 2.*allowed: 0 to 1"):
        Demonstrations([bad], *spaces, {})
    with pytest.raises(UserError, match="action of episode 0 at step 0 is 2"):
        Demonstrations([Episode(good.observations, np.array([[0, 2]]), np.ones(1), True, False)], *spaces, {})


def test_files_that_are_cut_off_or_none(tmp_path):
    whole = write_npz(sampled(SPACES["flat"], (30,)), tmp_path / "whole.npz")
    data = whole.read_bytes()
    for name, content in (("cut", data[: len(data) // 2]), ("empty", b""), ("text", b"hello"), ("zip", data[:-30])):
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"cut off|damaged|pickled"):
            read_npz(path)
    flipped = bytearray(data)
    with zipfile.ZipFile(whole) as file:
        place = file.getinfo("observations.npy").header_offset + 120
    flipped[place] ^= 255
    (tmp_path / "flipped.npz").write_bytes(bytes(flipped))
    with pytest.raises(UserError, match=r"cut off|damaged|cannot be read"):
        read_npz(tmp_path / "flipped.npz")
    with pytest.raises(UserError, match="no demonstrations"):
        read_npz(tmp_path / "nowhere.npz")
    with pytest.raises(UserError, match="must end with"):
        write_npz(sampled(SPACES["flat"], (2,)), tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("mine", "other", "words"),
    [
        (FLAT, Box(-1, 1, (3,), np.float64), None),
        (FLAT, Box(-1, 1, (4,), np.float32), "Box of shape"),
        (Box(0, 255, (3,), np.uint8), FLAT, "uint8"),
        (TWO, Discrete(3), "is not Discrete"),
        (TWO, FLAT, "is not Box"),
        (Dict({"a": TWO}), Dict({"a": TWO, "b": TWO}), "keys"),
        (Dict({"a": Tuple((TWO, FLAT))}), Dict({"a": Tuple((TWO, TWO))}), "at 'a' 1"),
        (Tuple((TWO,)), Tuple((TWO, TWO)), "1 parts"),
    ],
)
def test_spaces_are_compared_in_words(mine, other, words):
    found = difference(mine, other)
    assert found is None if words is None else words in found


def test_numbers_take_the_spaces_type_and_never_another_kind():
    assert conformed(np.zeros(2, np.float64), FLAT).dtype == np.float32
    assert conformed(np.zeros(2, np.int32), TWO).dtype == np.int64
    assert conformed(np.zeros(2), TWO).dtype == np.float64  # which Demonstrations then refuses
    assert isinstance(from_json(to_json(gym.spaces.Discrete(3))), Discrete)
    with pytest.raises(UserError, match="cannot hold Text"):
        to_json(gym.spaces.Text(3))


@pytest.mark.parametrize("rewards", [None, 1.0, np.ones((2, 1)), ["high", "low"]])
def test_rewards_that_are_none_are_one_line(rewards):
    episode = Episode(np.zeros((3, 3)), np.zeros((2, 3)), rewards, terminated=False, truncated=False)
    with pytest.raises(UserError, match=r"the rewards of episode 0 are .*; must be one number per step"):
        Demonstrations([episode], FLAT, FLAT)
