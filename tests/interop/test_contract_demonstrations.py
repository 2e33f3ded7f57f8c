"""`load_demonstrations`: everything that may stand in a configuration, and everything that others wrote."""

import re
import shutil
import time
import warnings
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import leaves, map_tree
from lhy_rl.data import shipped
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.data.npz import write_npz
from lhy_rl.interop.demonstrations import load_demonstrations
from lhy_rl.interop.minari import list_minari, read_minari, write_minari

FOREIGN = Path(__file__).parent / "foreign"
LOCAL = "test/made-v0"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """No test sees a dataset of the one who runs it."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def made(observation_space, action_space, lengths=(3, 1, 4), about=None):
    def many(space, n):
        return map_tree(lambda *x: np.stack(x), *[map_tree(np.asarray, space.sample()) for _ in range(n)])

    for space in (observation_space, action_space):
        space.seed(0)
    episodes = [
        Episode(many(observation_space, n + 1), many(action_space, n), np.arange(n, dtype=float), i == 0, i == 1)
        for i, n in enumerate(lengths)
    ]
    return Demonstrations(episodes, observation_space, action_space, about or {})


def cartpole(about=None, **options):
    return made(gym.make("CartPole-v1").observation_space, Discrete(2), about=about, **options)


# ---------------------------------------------------------------------- Minari, there and back
@pytest.mark.parametrize(
    ("observation_space", "action_space"),
    [
        (Box(-1, 1, (3,), np.float32), Discrete(4, start=1)),
        (Discrete(5), Box(-2, 2, (2,), np.float32)),
        (MultiDiscrete([3, 2]), MultiBinary(3)),
        (MultiBinary(4), MultiDiscrete([2, 2])),
        (Box(0, 255, (40, 36, 3), np.uint8), Discrete(2)),  # which Minari would make JPEGs of, with a loss
        (Box(0, 255, (40, 36, 1), np.uint8), Discrete(2)),
        (Dict({"b": Box(0, 255, (34, 34), np.uint8), "a": Tuple((Discrete(3), Box(-1, 1, (2,))))}), Discrete(2)),
        (Tuple((Dict({"x": Discrete(2)}), Box(-1, 1, (1,)))), Discrete(2)),
    ],
    ids=lambda space: str(space)[:20],
)
def test_minari_gives_back_what_was_written(observation_space, action_space):
    one = made(observation_space, action_space, about={"expert": "x", "seed": 3})
    folder = write_minari(one, LOCAL)
    for source in (LOCAL, folder, folder / "data", str(folder)):
        again = load_demonstrations(source)
        assert (again.observation_space, again.action_space) == (observation_space, action_space)
        assert again.about == {"dataset": str(source), "expert": "x", "seed": 3}
        for a, b in zip(one.episodes, again.episodes, strict=True):
            assert (a.terminated, a.truncated, a.total) == (b.terminated, b.truncated, b.total)
            for x, y in zip(leaves((a.observations, a.actions)), leaves((b.observations, b.actions)), strict=True):
                assert x.dtype == y.dtype and np.array_equal(x, y)


def test_minari_itself_reads_what_we_wrote():
    import minari

    write_minari(cartpole({"env_id": "CartPole-v1", "expert": "PPO", "random_return": 1.0}), LOCAL)
    dataset = minari.load_dataset(LOCAL)
    assert dataset.total_episodes == 3 and dataset.total_steps == 8
    assert dataset.env_spec.id == "CartPole-v1" and dataset.storage.metadata["algorithm_name"] == "PPO"
    assert [len(episode) for episode in dataset.iterate_episodes()] == [3, 1, 4]
    assert "infos" in repr(dataset[0])
    assert minari.get_normalized_score(dataset, np.array([1.0])) == pytest.approx(0)
    assert list_minari() == [(LOCAL, "CartPole-v1, 3 episodes, 8 steps")]


def test_a_dataset_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    from minari.dataset.minari_storage import MinariStorage

    def breaks(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(MinariStorage, "update_metadata", breaks)
    with pytest.raises(KeyboardInterrupt):
        write_minari(cartpole(), LOCAL)
    assert list_minari() == [] and not list((tmp_path / "minari" / "test").glob("*made*"))


def test_names_that_cannot_be():
    write_minari(cartpole(), LOCAL)
    with pytest.raises(UserError, match="exists already"):
        write_minari(cartpole(), LOCAL)
    with pytest.raises(UserError, match="is not a Minari id"):
        write_minari(cartpole(), "no version")
    with pytest.raises(UserError, match="did you mean 'test/made-v0'"):
        load_demonstrations("test/mode-v0")
    for name in ("cartpole-export", "nowhere/at/all", "", None, 3):
        with pytest.raises(UserError, match="allowed: a shipped name"):
            load_demonstrations(name)


def test_many_tiny_episodes():
    """Linear in their number: two milliseconds each way, most of it HDF5's."""
    begun = time.process_time()
    write_minari(cartpole(lengths=(1, 2) * 200), LOCAL)
    assert len(load_demonstrations(LOCAL, "CartPole-v1")) == 400
    assert time.process_time() - begun < 8


# ---------------------------------------------------------------------- what others wrote
def test_minaris_own_collector(monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(FOREIGN / "minari"))
    found = load_demonstrations("foreign/cartpole-v0", "CartPole-v1")
    assert len(found) == 3 and found.about["expert"] == "a monkey" and found.about["env_id"] == "CartPole-v1"
    assert all(episode.terminated for episode in found.episodes)
    first, env = found.episodes[0], gym.make("CartPole-v1")
    obs, _ = env.reset(seed=0)
    for t, action in enumerate(first.actions):
        assert np.array_equal(first.observations[t], obs)
        obs, *_ = env.step(action)
    assert np.array_equal(first.observations[-1], obs)


def test_odd_spaces_of_others():
    found = load_demonstrations(FOREIGN / "minari" / "foreign" / "odd-v1")
    assert list(found.observation_space) == ["picture", "place"]  # the text is left out
    assert found.lengths.tolist() == [6, 6] and found.transitions.actions.shape == (12, 2)
    seen = found.episodes[0].observations
    assert seen["picture"].shape == (7, 32, 33, 3) and seen["picture"][3].mean() == pytest.approx(30, abs=2)  # JPEG
    assert seen["place"][0].tolist() == [2, 3, 4, 5, 6, 2, 3] and seen["place"][1].dtype == np.float32


def test_a_dataset_of_others_trains():
    """Its monkey drew its actions; even so a policy can learn by heart what it did."""
    from lhy_rl.agents import BC

    folder = FOREIGN / "minari" / "foreign" / "cartpole-v0"
    agent = BC("CartPole-v1", demonstrations=str(folder), held_out=0.0, seed=0)
    losses = []
    agent.learn(20_000, callback=lambda agent, metrics: losses.append(metrics["train/nll"]))
    share = load_demonstrations(folder).transitions.actions.mean()
    blind = -share * np.log(share) - (1 - share) * np.log(1 - share)  # of the best policy that does not look
    assert losses[-1] < 0.9 * blind


def test_imitations_old_file_without_its_pickles():
    found = load_demonstrations(FOREIGN / "imitation_old.npz", "CartPole-v1")
    assert found.lengths.tolist() == [3, 1, 5] and found.returns.tolist() == [3, 1, 5]
    assert all(episode.terminated for episode in found.episodes)
    with pytest.raises(UserError, match="give the environment"):
        load_demonstrations(FOREIGN / "imitation_old.npz")
    with pytest.raises(UserError, match="pickle"):
        load_demonstrations("expert.pkl")


def test_imitations_folder():
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match="pip install 'pyarrow"):
            load_demonstrations(FOREIGN / "imitation_folder", "CartPole-v1")
        return
    found = load_demonstrations(FOREIGN / "imitation_folder", "CartPole-v1")
    old = load_demonstrations(FOREIGN / "imitation_old.npz", "CartPole-v1")
    assert np.array_equal(found.transitions.obs, old.transitions.obs)
    assert [(e.terminated, e.truncated) for e in found.episodes] == [(True, False), (True, False), (False, True)]


# ---------------------------------------------------------------------- what is refused
def test_another_environment(tmp_path):
    path = write_npz(cartpole(), tmp_path / "a.npz")
    write_minari(cartpole(), LOCAL)
    for source in (path, LOCAL, cartpole()):
        with pytest.raises(UserError, match=r"of another environment: in the observation space, Box of shape \(4,\)"):
            load_demonstrations(source, "MountainCar-v0")
        with pytest.raises(UserError, match=r"in the action space, Discrete\(2\)"):
            load_demonstrations(source, (gym.make("CartPole-v1").observation_space, Discrete(3)))
    envs = gym.make_vec("CartPole-v1", num_envs=2)
    assert len(load_demonstrations(path, envs)) == len(load_demonstrations(path, gym.make("CartPole-v1"))) == 3
    with pytest.raises(UserError, match="unknown environment 'CartPole-v9'"):
        load_demonstrations(path, "CartPole-v9")


def damage_metadata(folder):
    (folder / "data" / "metadata.json").write_text("{")


def forget_spaces(folder):
    (folder / "data" / "metadata.json").write_text('{"env_spec": "os:system", "total_episodes": 1}')


def cut_off(folder):
    file = folder / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:3000])


def lose_data(folder):
    (folder / "data" / "main_data.hdf5").unlink()


def lose_episode(folder):
    import h5py

    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1"]


def write_nan(folder):
    import h5py

    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        file["episode_2/observations"][1, 0] = np.nan


def end_early(folder):
    import h5py

    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        file["episode_2/terminations"][1] = True


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (damage_metadata, r"metadata\.json .* is damaged"),
        (forget_spaces, "has no observation_space"),
        (cut_off, "damaged"),
        (lose_data, "damaged"),
        (lose_episode, "damaged"),
        (write_nan, "observation of episode 2 at step 1 is not a number"),
        (end_early, "episode 2 goes on after its end at step 1"),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_damaged_datasets(harm, words, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(write_minari(cartpole(), LOCAL), folder)
    harm(folder)
    with pytest.raises(UserError, match=words) as error:
        read_minari(folder)
    assert "\n" not in str(error.value)


def test_an_empty_folder(tmp_path):
    with pytest.raises(UserError, match="is not a Minari dataset"):
        load_demonstrations(tmp_path)


@pytest.mark.parametrize("kind", ["npz", "minari"])
def test_an_expert_worse_than_chance_is_warned_of(kind, tmp_path):
    def source(expert, floor, version):
        one = cartpole({"expert": expert, "random_return": floor})
        return write_npz(one, tmp_path / f"{version}.npz") if kind == "npz" else write_minari(one, f"x-v{version}")

    with pytest.warns(UserWarning, match="as bad"):
        bad = load_demonstrations(source("PPO", 50.0, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        good = load_demonstrations(source("PPO", 1.0, 1))
        control = load_demonstrations(source("random", 50.0, 2))  # a control on purpose
    assert len(bad) == len(good) == len(control) > 0, "they are read all the same"


# ---------------------------------------------------------------------- what is shipped
def test_the_shipped_are_small_and_all_in_the_table():
    scores = shipped.scores()
    assert (
        set(shipped.names())
        == set(scores)
        >= {f"{task}-expert" for task in ("cartpole", "pendulum", "acrobot", "mountaincar", "lunarlander")}
    )
    assert sum(path.stat().st_size for path in shipped.FOLDER.iterdir()) < 6_000_000


@pytest.mark.parametrize("name", shipped.names())
def test_the_shipped_are_as_good_as_the_table_says(name):
    said = shipped.scores()[name]
    found = load_demonstrations(name, said["env_id"])
    assert len(found) == said["episodes"] and found.lengths.sum() == said["steps"]
    assert found.returns.mean() == pytest.approx(said["mean"], abs=0.01) and said["mean"] > said["random_mean"]
    assert found.about["env_id"] == said["env_id"]
    assert all(episode.terminated or episode.truncated for episode in found.episodes)


def test_the_pages_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "demonstrations.md").read_text("utf-8")
    exec("\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)), {})
    assert capsys.readouterr().out.splitlines() == ["50 500.0 PPO", "(25, 4) (25,) (500, 4)", "[10]"]
