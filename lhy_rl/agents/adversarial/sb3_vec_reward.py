"""Any algorithm of Stable-Baselines3, rewarded by a reward model instead of the task.

:class:`RewardVecEnv` gives the rewards of any reward model. :class:`AdversarialReward` trains its model meanwhile: the
discriminator, its objectives and absorbing states are those of :class:`lhy_rl.agents.adversarial.gail.GAIL`, and every
``n_steps`` steps it is trained on the steps played since and on the expert's. An algorithm with a replay buffer would
learn from the rewards of the time when steps were played; with :class:`FreshRewards` as its buffer, rewards are
recomputed when they are sampled (Kostrikov et al. 2019, who need a tenth of the steps in this way). Try both: on
Pendulum the original rewards did better (``benchmarks/sb3_gail.py``).

    from lhy_rl.agents.adversarial.sb3_vec_reward import AdversarialReward, FreshRewards

    envs = to_sb3(gymnasium.make_vec("Pendulum-v1", num_envs=4, vector_kwargs={"autoreset_mode": "SameStep"}))
    rewarded = AdversarialReward(envs, "pendulum-expert", trajectories=4)
    model = SAC("MlpPolicy", rewarded, replay_buffer_class=FreshRewards, replay_buffer_kwargs={"venv": rewarded})
    model.learn(10_000)
    rewarded.save_reward("reward.zip")
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from lhy_rl.agents.common.reward_model import RewardModel
from lhy_rl.agents.rewards.transition_discriminator import (
    DiscriminatorOptions,
    TransitionDiscriminatorReward,
    expert_transitions,
)
from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.nn.randomness import OwnRandomness
from lhy_rl.nn.rewards.learned_reward import LearnedRewardNet

try:
    from stable_baselines3.common.buffers import ReplayBuffer
    from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
except ImportError as error:
    raise UserError(f"stable-baselines3 is not installed; {install_extra('sb3')}") from error


class RewardVecEnv(VecEnvWrapper):
    """An SB3 vector environment with a reward model's rewards; the task's own are ``info["task_reward"]``.

    Args:
        venv: An SB3 vector environment; ``to_sb3`` makes one of any Gymnasium vector environment. A ``VecMonitor``
            inside this wrapper records the task's own returns, one around it the reward model's.
        reward_model: The reward model.

    Raises:
        UserError: not an SB3 environment.
    """

    def __init__(self, venv: VecEnv, reward_model: RewardModel) -> None:
        if not isinstance(venv, VecEnv):
            raise not_of_sb3(self, venv)
        super().__init__(venv)
        self.reward_model = reward_model
        self._obs: Any = None
        self._actions: Any = None
        self._start = np.ones(venv.num_envs, bool)

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
        truncated = np.array([info.get("TimeLimit.truncated", False) for info in infos], bool)
        steps = Transitions(self._obs, self._actions, after, rewards, done & ~truncated, self._start)
        self.played(steps)
        for info, reward in zip(infos, rewards.tolist(), strict=True):
            info["task_reward"] = reward
        self._obs, self._start = map_tree(np.copy, obs), done.copy()
        return obs, self.rewards(steps), done, infos

    def played(self, steps: Transitions) -> None:
        """Called with each step before its reward is computed."""

    def rewards(self, steps: Transitions) -> np.ndarray:
        """(N,) rewards of transitions under the current model."""
        return torch.as_tensor(self.reward_model.rewards(steps)).cpu().numpy().astype(np.float32)


class AdversarialReward(RewardVecEnv):
    """A :class:`RewardVecEnv` whose reward model is a discriminator that learns while an SB3 algorithm plays.

    Args:
        venv: As in :class:`RewardVecEnv`.
        demonstrations: A ``Demonstrations`` object, a shipped name, a Minari dataset's id or folder, or an .npz.
        trajectories: Number of episodes to use, the first ones; None takes all.
        subsample: Use every n-th step only.
        n_steps: Steps of all instances together between two rounds of the discriminator.
        gamma: Discount; must be the algorithm's own.
        seed: Seed of the discriminator's weights and batches.
        device: Device of the discriminator.
        **options: Options of the discriminator, its training and its reward, as in ``gail``.

    Attributes:
        metrics: Metrics of the last round: ``train/discriminator_loss``, ``train/discriminator_accuracy``, ...

    Raises:
        UserError: not an SB3 environment, demonstrations of other spaces, or an option that cannot be used.
    """

    reward_model: TransitionDiscriminatorReward

    def __init__(
        self,
        venv: VecEnv,
        demonstrations: Any,
        *,
        trajectories: int | None = None,
        subsample: int = 1,
        n_steps: int = 256,
        gamma: float = 0.99,
        seed: int = 0,
        device: str = "cpu",
        **options: Any,
    ) -> None:
        chosen = DiscriminatorOptions(**options)
        check(n_steps=(n_steps, 1))
        if chosen.discriminator == "shaped":
            raise UserError("discriminator 'shaped' needs the policy's log-probabilities; use lhy_rl.agents.AIRL")
        if demonstrations is None:
            raise UserError("AdversarialReward needs demonstrations; none were given")
        if not isinstance(venv, VecEnv):
            raise not_of_sb3(self, venv)
        spaces = venv.observation_space, venv.action_space
        expert = expert_transitions(spaces, demonstrations, trajectories, subsample, seed)
        generator, place = torch.Generator().manual_seed(seed), torch.device(device)
        with OwnRandomness(seed, place):
            model = TransitionDiscriminatorReward(*spaces, expert, chosen, generator, place, gamma=gamma)
        super().__init__(venv, model)
        self.n_steps = n_steps
        self.metrics: dict[str, float] = {}
        self._played: list[Transitions] = []

    def played(self, steps: Transitions) -> None:
        self._played.append(steps)
        if sum(map(len, self._played)) < self.n_steps:
            return
        model = self.reward_model
        with OwnRandomness(int(torch.randint(2**31 - 1, (), generator=model.generator)), model.device):
            self.metrics = model.train_on(Transitions.concatenate(self._played))
        self._played = []

    @property
    def reward(self) -> LearnedRewardNet:
        """The learned reward, as a function of transitions."""
        return self.reward_model.reward

    def save_reward(self, path: str | os.PathLike[str]) -> None:
        """Write the reward to a file for ``LearnedReward`` and ``load_reward``."""
        self.reward.save(path)


def not_of_sb3(taker: Any, venv: Any) -> UserError:
    """The error for an environment that is not Stable-Baselines3's."""
    return UserError(f"{type(taker).__name__} takes an SB3 environment, got {type(venv).__name__}; to_sb3 makes one")


class FreshRewards(ReplayBuffer):
    """SB3's replay buffer, with rewards recomputed by the reward model whenever steps are sampled.

    Args:
        venv: The environment with the reward model; give it as ``replay_buffer_kwargs={"venv": rewarded}``.
        *args, **kwargs: Arguments of SB3's ``ReplayBuffer``. Observations are arrays, not dicts.
    """

    def __init__(self, *args: Any, venv: RewardVecEnv, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.venv = venv

    def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> Any:
        samples = super()._get_samples(batch_inds, env)
        ended = samples.dones.flatten().bool().cpu().numpy()
        steps = Transitions(
            samples.observations.cpu().numpy(),
            self._env_actions(samples.actions.cpu().numpy()),
            samples.next_observations.cpu().numpy(),
            samples.rewards.flatten().cpu().numpy(),
            ended,
            np.zeros_like(ended),
        )
        fresh = torch.as_tensor(self.venv.rewards(steps), device=samples.rewards.device)
        return samples._replace(rewards=fresh.view_as(samples.rewards))

    def _env_actions(self, actions: np.ndarray) -> np.ndarray:
        """Actions as the environment took them: SB3 stores boxes scaled to [-1, 1], and integers in columns."""
        space: Any = self.action_space
        if hasattr(space, "low"):
            scaled: np.ndarray = space.low + 0.5 * (actions + 1.0) * (space.high - space.low)
            return scaled
        return actions.reshape(len(actions), *space.shape)
