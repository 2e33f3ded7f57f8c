"""GAIL of the library ``imitation``, which ``benchmarks.gail_imitation`` runs in a virtual environment of its own.

This file imports nothing of this repository: that library needs older versions of the packages than ours.

    PYTHON imitation_peer.py DEMONSTRATIONS.npz OUTPUT.json --steps N --seed N --episodes N --horizon N --after evolve

The settings are those of the library's tutorial on GAIL, except that a round has 8 x 256 steps: with the tutorial's 8 x
2048 there are six rounds in 100,000 steps, and the result is worse.
"""

import argparse
import json
import time
from importlib.metadata import version

import gymnasium
import numpy as np
import seals  # noqa: F401  (registers)
import torch
from imitation.algorithms.adversarial.gail import GAIL
from imitation.data.types import Trajectory
from imitation.rewards.reward_nets import BasicRewardNet
from imitation.util.networks import RunningNorm
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv


class FixedHorizon(gymnasium.Wrapper):
    """Episodes of ``horizon`` steps: after the task's end the pole swings on without reward."""

    def __init__(self, env, horizon):
        super().__init__(env)
        self.horizon = horizon

    def reset(self, **options):
        self.steps, self.over = 0, False
        return self.env.reset(**options)

    def step(self, action):
        self.steps += 1
        truncated, over = self.steps >= self.horizon, self.over
        if over:
            self.unwrapped.steps_beyond_terminated = None
        obs, reward, terminated, _, info = self.env.step(action)
        if over:
            obs = np.clip(obs, self.observation_space.low, self.observation_space.high)
        self.over = over or terminated
        return obs, 0.0 if over else float(reward), False, truncated, info


def environment(horizon, after, num_envs, seed):
    """Make so many seeded instances."""

    def make():
        if after == "seals":
            return gymnasium.make("seals/CartPole-v0")
        return FixedHorizon(gymnasium.make("CartPole-v1").unwrapped, horizon)

    env = DummyVecEnv([make] * num_envs)
    env.seed(seed)
    return env


def mean_return(model, env, episodes, horizon):
    """Return the mean return of the deterministic policy."""
    obs, total = env.reset(), np.zeros(episodes)
    for _ in range(horizon):
        obs, rewards, _, _ = env.step(model.predict(obs, deterministic=True)[0])
        total += rewards
    return float(total.mean())


def main():
    command = argparse.ArgumentParser()
    command.add_argument("demonstrations")
    command.add_argument("output")
    for name in ("steps", "seed", "episodes", "horizon"):
        command.add_argument(f"--{name}", type=int, required=True)
    command.add_argument("--after", choices=("evolve", "seals"), required=True)
    options = command.parse_args()
    torch.set_num_threads(1)
    with np.load(options.demonstrations, allow_pickle=False) as file:
        pairs = zip(file["observations"], file["actions"])  # noqa: B905  (always of equal length)
        trajectories = [Trajectory(obs=obs, acts=acts, infos=None, terminal=True) for obs, acts in pairs]
    env = environment(options.horizon, options.after, 8, options.seed)
    begun = time.process_time()
    model = PPO(
        "MlpPolicy", env, n_steps=256, batch_size=64, ent_coef=0.0, learning_rate=4e-4, gamma=0.95, n_epochs=5,
        seed=options.seed, device="cpu",
    )  # fmt: skip
    reward = BasicRewardNet(env.observation_space, env.action_space, normalize_input_layer=RunningNorm)
    trainer = GAIL(
        demonstrations=trajectories, demo_batch_size=min(1024, sum(map(len, trajectories))),
        gen_replay_buffer_capacity=512, n_disc_updates_per_round=8, venv=env, gen_algo=model, reward_net=reward,
    )  # fmt: skip
    trainer.train(options.steps)
    seconds = time.process_time() - begun
    test = environment(options.horizon, options.after, options.episodes, 10_000 + options.seed)
    result = {
        "return": mean_return(model, test, options.episodes, options.horizon),
        "cpu": seconds,
        "steps": int(model.num_timesteps),
        "version": version("imitation"),
    }
    with open(options.output, "w") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
