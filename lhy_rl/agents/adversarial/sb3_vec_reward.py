"""Adversarial imitation by any algorithm of Stable-Baselines3: the environment pays a reward that is being learned.

The discriminator, its objectives and its absorbing states are those of :class:`lhy_rl.agents.adversarial.gail.GAIL`.
Every ``n_steps`` steps it is trained on what was played since and on the expert's. An algorithm with a replay buffer
would learn from what steps were worth when they were played; with :class:`FreshRewards` as its buffer it is told what
they are worth now (Kostrikov et al. 2019, who so need a tenth of the steps). Try both: on Pendulum
the rewards as they were when played did better (``benchmarks/sb3_gail.py``).

    from lhy_rl.agents.adversarial.sb3_vec_reward import AdversarialReward, FreshRewards

    envs = to_sb3(gymnasium.make_vec("Pendulum-v1", num_envs=4, vector_kwargs={"autoreset_mode": "SameStep"}))
    judged = AdversarialReward(envs, "pendulum-expert", trajectories=4)
    model = SAC("MlpPolicy", judged, replay_buffer_class=FreshRewards, replay_buffer_kwargs={"judge": judged})
    model.learn(10_000)
    judged.save_reward("reward.zip")
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from lhy_rl.agents.rewards.transition_discriminator import AdversaryOptions, expert_for, make_adversary
from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check
from lhy_rl.data.demonstrations import Transitions, joined
from lhy_rl.nn.randomness import OwnRandomness
from lhy_rl.nn.rewards.learned_reward import LearnedRewardNet

try:
    from stable_baselines3.common.buffers import ReplayBuffer
    from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
except ImportError as error:
    raise UserError(f"stable-baselines3 is not installed; {install_extra('sb3')}") from error


class AdversarialReward(VecEnvWrapper):
    """An SB3 vector environment whose reward is a discriminator; the task's own is ``info["task_reward"]``.

    Args:
        venv: Of SB3; ``to_sb3`` makes one of any Gymnasium vector environment. A ``VecMonitor`` inside records the
            task's own returns, one outside the learned ones.
        demonstrations: A ``Demonstrations`` object, a shipped name, a Minari dataset's id or folder, or an .npz.
        trajectories: Take the first so many; None takes all.
        every: Take each so-manieth step only.
        n_steps: Steps of all instances together between two rounds of the discriminator.
        discriminator_steps: Its gradient steps a round.
        gamma: The algorithm's own.
        seed: Of the discriminator's weights and batches.
        device: Where it is.
        options: How the discriminator is built and trained, and what its score is worth.

    Attributes:
        metrics: Of the last round: ``train/discriminator_loss``, ``train/discriminator_accuracy``, ...

    Raises:
        UserError: not an SB3 environment, demonstrations of other spaces, or an option that cannot be used.
    """

    def __init__(
        self,
        venv: VecEnv,
        demonstrations: Any,
        *,
        trajectories: int | None = None,
        every: int = 1,
        n_steps: int = 256,
        discriminator_steps: int = 8,
        gamma: float = 0.99,
        seed: int = 0,
        device: str = "cpu",
        options: AdversaryOptions = AdversaryOptions(),  # noqa: B008  (frozen)
    ) -> None:
        if not isinstance(venv, VecEnv):
            raise UserError(f"AdversarialReward takes an SB3 environment, got {type(venv).__name__}; to_sb3 makes one")
        if options.discriminator == "shaped":
            raise UserError("discriminator 'shaped' must be told the policy's probabilities; use lhy_rl.agents.AIRL")
        super().__init__(venv)
        check(n_steps=(n_steps, 1), every=(every, 1), discriminator_steps=(discriminator_steps, 0))
        spaces = venv.observation_space, venv.action_space
        expert = expert_for(spaces, demonstrations, trajectories, every, seed)
        if expert is None:
            raise UserError("AdversarialReward has nothing to imitate; give it demonstrations")
        generator, place = torch.Generator().manual_seed(seed), torch.device(device)
        with OwnRandomness(seed, place):
            self.adversary = make_adversary(*spaces, expert, generator, place, options, gamma)
        self.n_steps, self.discriminator_steps = n_steps, discriminator_steps
        self.metrics: dict[str, float] = {}
        self._obs: Any = None
        self._actions: Any = None
        self._start = np.ones(venv.num_envs, bool)
        self._played: list[Transitions] = []

    def reset(self) -> Any:
        obs = self.venv.reset()
        self._obs, self._start = map_tree(np.copy, obs), np.ones(self.num_envs, bool)
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions.copy()
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        obs, rewards, done, infos = self.venv.step_wait()
        after = map_tree(np.copy, obs)
        for i in np.flatnonzero(done).tolist():
            map_tree(lambda x, last, i=i: x.__setitem__(i, last), after, infos[i]["terminal_observation"])
        cut = np.array([info.get("TimeLimit.truncated", False) for info in infos], bool)
        steps = Transitions(self._obs, self._actions, after, rewards, done & ~cut, self._start)
        self._play(steps)
        for info, reward in zip(infos, rewards.tolist(), strict=True):
            info["task_reward"] = reward
        self._obs, self._start = map_tree(np.copy, obs), done.copy()
        return obs, self.judge(steps), done, infos

    def judge(self, steps: Transitions) -> np.ndarray:
        """(N,) what transitions are worth now; the last of a terminated episode has the absorbing return in it."""
        paid = self.adversary.rewards(steps).cpu().numpy()
        if steps.terminated.any():
            paid = paid + steps.terminated * self.adversary.absorbing_return()
        return paid.astype(np.float32)

    def _play(self, steps: Transitions) -> None:
        self._played.append(steps)
        if sum(map(len, self._played)) < self.n_steps:
            return
        names = ("obs", "actions", "next_obs", "rewards", "terminated", "start")
        played = Transitions(*(joined([getattr(part, name) for part in self._played]) for name in names))
        self._played = []
        told = torch.zeros(len(played), device=self.adversary.device)
        with OwnRandomness(int(torch.randint(2**31 - 1, (), generator=self.adversary.generator)), told.device):
            self.metrics = self.adversary.update(played, told, self.discriminator_steps, lambda which: None)

    @property
    def reward(self) -> LearnedRewardNet:
        """What was learned, as a reward of transitions."""
        return self.adversary.reward

    def save_reward(self, path: str | os.PathLike[str]) -> None:
        """Write the reward to a file for ``LearnedReward`` and ``load_reward``."""
        self.adversary.save_reward(path)


class FreshRewards(ReplayBuffer):
    """SB3's replay buffer, whose steps are worth what the discriminator thinks when they are learned from.

    Args:
        judge: The environment that pays; give it as ``replay_buffer_kwargs={"judge": judged}``.
        *args, **kwargs: Of SB3's ``ReplayBuffer``. Observations are arrays, not dicts.
    """

    def __init__(self, *args: Any, judge: AdversarialReward, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.judge = judge

    def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> Any:
        samples = super()._get_samples(batch_inds, env)
        ended = samples.dones.flatten().bool().cpu().numpy()
        steps = Transitions(
            samples.observations.cpu().numpy(),
            self._taken(samples.actions.cpu().numpy()),
            samples.next_observations.cpu().numpy(),
            samples.rewards.flatten().cpu().numpy(),
            ended,
            np.zeros_like(ended),
        )
        fresh = torch.as_tensor(self.judge.judge(steps), device=samples.rewards.device)
        return samples._replace(rewards=fresh.view_as(samples.rewards))

    def _taken(self, actions: np.ndarray) -> np.ndarray:
        """Actions as the environment took them: SB3 keeps boxes between -1 and 1, and whole numbers in columns."""
        space: Any = self.action_space
        if hasattr(space, "low"):
            scaled: np.ndarray = space.low + 0.5 * (actions + 1.0) * (space.high - space.low)
            return scaled
        return actions.reshape(len(actions), *space.shape)
