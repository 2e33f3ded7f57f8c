"""The files beside this, made by the tools of others, which the tests do not need:

pip install 'minari[hdf5,create]==0.5.4' datasets jsonpickle && python tests/interop/foreign/make.py
"""

import os
from pathlib import Path

import gymnasium as gym
import numpy as np

HERE = Path(__file__).parent
os.environ["MINARI_DATASETS_PATH"] = str(HERE / "minari")


class Odd(gym.Env):
    """Dict, Tuple, Text, an image; several discrete actions."""

    observation_space = gym.spaces.Dict(
        {
            "picture": gym.spaces.Box(0, 255, (32, 33, 3), np.uint8),
            "place": gym.spaces.Tuple((gym.spaces.Discrete(5, start=2), gym.spaces.Box(-1, 1, (2,), np.float32))),
            "mission": gym.spaces.Text(20),
        }
    )
    action_space = gym.spaces.MultiDiscrete([3, 2])

    def observe(self):
        place = (np.int64(2 + self.t % 5), np.full(2, self.t / 10, np.float32))
        return {"picture": np.full((32, 33, 3), self.t * 10, np.uint8), "place": place, "mission": "go"}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.observe(), {}

    def step(self, action):
        self.t += 1
        return self.observe(), 1.0, self.t == 6, False, {}


def collect(env, name, episodes, **said):
    """As Minari's documentation shows it."""
    import minari

    env = minari.DataCollector(env, record_infos=True)
    env.action_space.seed(0)
    for seed in range(episodes):
        env.reset(seed=seed)
        over = False
        while not over:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            over = terminated or truncated
    env.create_dataset(name, **said)


def main():
    import datasets
    import jsonpickle

    collect(gym.make("CartPole-v1"), "foreign/cartpole-v0", 3, algorithm_name="a monkey")
    collect(Odd(), "foreign/odd-v1", 2)

    # `imitation` 1.0: src/imitation/data/huggingface_utils.py; and before: one .npz with pickled infos
    rng, lengths = np.random.default_rng(0), (3, 1, 5)
    obs = [rng.normal(size=(n + 1, 4)).astype(np.float32) for n in lengths]
    acts = [rng.integers(2, size=n) for n in lengths]
    rews = [np.ones(n, np.float32) for n in lengths]
    infos = [[{} for _ in range(n)] for n in lengths]
    infos[2][-1] = {"TimeLimit.truncated": True, "terminal_observation": obs[2][-1]}
    encoded = [[jsonpickle.encode(info) for info in episode] for episode in infos]
    columns = {"obs": obs, "acts": acts, "infos": encoded, "terminal": [True] * 3, "rews": rews}
    datasets.Dataset.from_dict(columns).save_to_disk(HERE / "imitation_folder")
    np.savez_compressed(
        HERE / "imitation_old.npz",
        obs=np.concatenate(obs),
        acts=np.concatenate(acts),
        infos=np.concatenate([np.array(episode, object) for episode in infos]),
        terminal=np.array([True] * 3),
        indices=np.cumsum(lengths)[:-1],
        rews=np.concatenate(rews),
    )


if __name__ == "__main__":
    main()
