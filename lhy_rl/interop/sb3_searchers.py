"""Stable-Baselines3's algorithms as searchers: an episode is a configuration, and its reward comes from the trial.

The task is that of ``lhy_rl/HPOToken-v0``: an action is the value of the next choice, the observation holds the values
chosen so far and the next choice, the reward is 0 until the configuration has been tried. SB3 expects an environment
that answers at once; here hours and other episodes may lie between an action and its reward. So its ``learn`` is not
used: the episodes are played with SB3's policy, kept until their trials have ended, put into SB3's own buffer, and
learned from by SB3's own ``train``.

The reward is a trial's rank among all so far, from 0 to 1, so that the same options fit scores of any scale. SB3 has no
action masks: an action is taken modulo the number of values that the choice has.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import Env, spaces

from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.core.validation import check, positive
from lhy_rl.nn.randomness import OwnRandomness
from lhy_rl.search.proposed import Proposed
from lhy_rl.search.searcher import Searcher
from lhy_rl.search.space import Space
from lhy_rl.search.trial import Trial

try:
    import stable_baselines3 as sb3
    from stable_baselines3.common.logger import configure
except ImportError as error:
    raise UserError(f"this searcher needs Stable-Baselines3: {install_extra('sb3')}") from error

REDRAWS = 8  # batches drawn without a new configuration before one is drawn at random


@dataclass(frozen=True)
class Episode:
    """The episode in which the policy chose a configuration.

    Attributes:
        tokens: (D,) canonical tokens of the configuration.
        actions: (D,) as the policy drew them, before the modulo.
        obs: (D + 1, F), including the one after the last choice.
        values: (D,) the critic's values; zeros without a critic.
        log_probs: (D,) log-probabilities of the actions.
    """

    tokens: np.ndarray
    actions: np.ndarray
    obs: np.ndarray
    values: np.ndarray
    log_probs: np.ndarray


class SB3Searcher(Searcher):
    """Base class: keeps the episodes that wait for a trial, and those that wait for a result.

    Args:
        space: The search space.
        seed: The same seed and scores give the same search.
        unique: Propose no configuration twice; repeated ones are drawn again.
    """

    def __init__(self, space: Space, seed: int, unique: bool) -> None:
        super().__init__(space, seed)
        self.unique = unique
        sizes = space.sizes
        self._first_of = np.cumsum(sizes) - sizes
        self.shape = _Shape(int(sizes.sum()) + len(space), int(sizes.max()))
        self._proposed = Proposed(space)
        self._waiting: deque[Episode] = deque()
        self._pending: dict[tuple[int, ...], list[Episode]] = {}
        self._scores: list[float] = []

    @abstractmethod
    def draw(self) -> list[Episode]:
        """New episodes of the current policy."""

    @abstractmethod
    def learn(self, episode: Episode, score: float) -> None:
        """Learn from an episode and its trial's score; a failed trial has the score -inf."""

    def ask(self) -> np.ndarray:
        for _ in range(REDRAWS):
            if self._waiting:
                break
            keys: set[int] = set()
            for episode in self.draw():
                key = int(self.space.keys(episode.tokens))
                if not self.unique or (key not in keys and episode.tokens not in self._proposed):
                    self._waiting.append(episode)
                keys.add(key)
        if not self._waiting:  # the policy repeats what was tried: draw at random, or stop if nothing is left
            return self._proposed.draw(lambda: self.space.sample(1, self.rng)[0], self.rng)
        episode = self._waiting.popleft()
        self._pending.setdefault(tuple(episode.tokens.tolist()), []).append(episode)
        return self._proposed.add(episode.tokens)

    def tell(self, trial: Trial) -> None:
        score = -np.inf if trial.score is None else trial.score
        self._scores.append(score)
        waiting = self._pending.get(trial.tokens)
        if waiting:
            self.learn(waiting.pop(0), score)

    def reward(self, score: float) -> float:
        """The rank among all scores so far, 0 to 1; 0 for a failed trial."""
        known = np.array(self._scores)
        return 0.0 if score == -np.inf else float((known < score).mean() + (known == score).mean() / 2)

    def observation(self, tokens: np.ndarray, position: int) -> np.ndarray:
        """(n, D) tokens, of which ``position`` are chosen, to (n, F) float32."""
        obs = np.zeros((len(tokens), self.shape.size), np.float32)
        rows = np.arange(len(tokens))
        for made in range(position):
            obs[rows, self._first_of[made] + tokens[:, made]] = 1.0
        if position < len(self.space):
            obs[:, self.shape.size - len(self.space) + position] = 1.0
        return obs

    def play(self, n: int, act: Any) -> list[Episode]:
        """Play ``n`` episodes at once; ``act`` maps (n, F) observations to (n,) actions, values and log-probs."""
        tokens = np.zeros((n, len(self.space)), np.int64)
        steps, observed = [], [self.observation(tokens, 0)]
        with self.randomness():
            for position, size in enumerate(self.space.sizes):
                actions, values, log_probs = act(observed[-1])
                counts = self.space.active(tokens)[:, position]
                tokens[:, position] = np.where(counts, actions % size, 0)
                steps.append((actions, values, log_probs))
                observed.append(self.observation(tokens, position + 1))
        drawn, values, log_probs = (np.stack(part, 1) for part in zip(*steps, strict=True))
        obs = np.stack(observed, 1)
        return [Episode(tokens[i], drawn[i], obs[i], values[i], log_probs[i]) for i in range(n)]

    @contextmanager
    def randomness(self) -> Iterator[None]:
        """A context in which the global generators, which SB3 draws from, are seeded by this searcher."""
        seed = int(self.rng.integers(2**31))
        users = np.random.get_state(), random.getstate()  # noqa: NPY002
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        try:
            with OwnRandomness(seed):
                yield
        finally:
            np.random.set_state(users[0])  # noqa: NPY002
            random.setstate(users[1])


class SB3PPO(SB3Searcher):
    """SB3's PPO (Schulman et al. 2017).

    Args:
        space: The search space.
        seed: The same seed and scores give the same search.
        unique: Propose no configuration twice; repeated ones are drawn again.
        batch_size: Episodes per update; this many are drawn at once.
        learning_rate: Adam's learning rate.
        n_epochs: Passes over a batch.
        ent_coef: Weight of the entropy bonus.
        options: Any other arguments of ``stable_baselines3.PPO``.

    Raises:
        UserError: A number is out of range, or Stable-Baselines3 is not installed.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        unique: bool = True,
        batch_size: int = 10,
        learning_rate: float = 0.003,
        n_epochs: int = 10,
        ent_coef: float = 0.01,
        **options: Any,
    ) -> None:
        check(n_epochs=(n_epochs, 1))
        steps = len(space) * batch_size
        chosen = {"learning_rate": learning_rate, "ent_coef": ent_coef, "n_epochs": n_epochs, "batch_size": steps}
        self._begin(space, seed, unique, batch_size, sb3.PPO, {**chosen, **options})

    def _begin(
        self, space: Space, seed: int, unique: bool, batch_size: int, algorithm: Any, options: dict[str, Any]
    ) -> None:
        SB3Searcher.__init__(self, space, seed, unique)
        check(batch_size=(batch_size, 1), ent_coef=(options["ent_coef"], 0))
        positive(learning_rate=options["learning_rate"])
        self.batch_size = batch_size
        self._batch: list[tuple[Episode, float]] = []
        with self.randomness():
            env = sb3.common.vec_env.DummyVecEnv([lambda: _Shape(self.shape.size, self.shape.num_actions)] * batch_size)
            self.model = algorithm(
                "MlpPolicy", env, n_steps=len(space), seed=self.seed, device="cpu", **{"gamma": 1.0, **options}
            )
        self.model.set_logger(configure(None, []))

    def draw(self) -> list[Episode]:
        def act(obs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            with torch.no_grad():
                actions, values, log_probs = self.model.policy(torch.from_numpy(obs))
            return actions.numpy(), values.numpy()[:, 0], log_probs.numpy()

        self.model.policy.set_training_mode(False)
        return self.play(self.batch_size, act)

    def learn(self, episode: Episode, score: float) -> None:
        self._batch.append((episode, score))
        if len(self._batch) < self.batch_size:
            return
        episodes, buffer = [episode for episode, _ in self._batch], self.model.rollout_buffer
        rewards = np.array([self.reward(score) for _, score in self._batch])
        buffer.reset()
        last = len(self.space) - 1
        for position in range(len(self.space)):
            buffer.add(
                np.stack([one.obs[position] for one in episodes]),
                np.stack([one.actions[position] for one in episodes])[:, None],
                rewards * (position == last),
                np.full(len(episodes), position == 0),
                torch.tensor([one.values[position] for one in episodes]),
                torch.tensor([one.log_probs[position] for one in episodes]),
            )
        buffer.compute_returns_and_advantage(torch.zeros(len(episodes)), np.ones(len(episodes)))
        with self.randomness():
            self.model.train()
        self._batch = []
        self._waiting.clear()  # these were drawn from the old policy


class SB3A2C(SB3PPO):
    """SB3's A2C (Mnih et al. 2016).

    Args:
        space: The search space.
        seed: The same seed and scores give the same search.
        unique: Propose no configuration twice; repeated ones are drawn again.
        batch_size: Episodes per update; this many are drawn at once.
        learning_rate: RMSProp's learning rate.
        ent_coef: Weight of the entropy bonus.
        options: Any other arguments of ``stable_baselines3.A2C``.

    Raises:
        UserError: A number is out of range, or Stable-Baselines3 is not installed.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        unique: bool = True,
        batch_size: int = 5,
        learning_rate: float = 0.003,
        ent_coef: float = 0.01,
        **options: Any,
    ) -> None:
        chosen = {"learning_rate": learning_rate, "ent_coef": ent_coef, "normalize_advantage": True}
        self._begin(space, seed, unique, batch_size, sb3.A2C, {**chosen, **options})


class SB3DQN(SB3Searcher):
    """SB3's DQN (Mnih et al. 2015), one episode after the other.

    Args:
        space: The search space.
        seed: The same seed and scores give the same search.
        unique: Propose no configuration twice; repeated ones are drawn again.
        learning_rate: Adam's learning rate.
        batch_size: Steps per update; after an episode there is an update for each choice.
        exploration_trials: Trials until the share of random actions has fallen from 1 to ``exploration_final_eps``.
        exploration_final_eps: Final share of random actions.
        options: Any other arguments of ``stable_baselines3.DQN``.

    Raises:
        UserError: A number is out of range, or Stable-Baselines3 is not installed.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        unique: bool = True,
        learning_rate: float = 0.003,
        batch_size: int = 32,
        exploration_trials: int = 100,
        exploration_final_eps: float = 0.05,
        **options: Any,
    ) -> None:
        super().__init__(space, seed, unique)
        check(batch_size=(batch_size, 1), exploration_trials=(exploration_trials, 1))
        check(exploration_final_eps=(exploration_final_eps, 0, 1))
        positive(learning_rate=learning_rate)
        self.exploration_trials = exploration_trials
        chosen = {"buffer_size": 10_000, "gamma": 1.0, "target_update_interval": 5 * len(space), **options}
        with self.randomness():
            self.model = sb3.DQN(
                "MlpPolicy",
                self.shape,
                learning_rate,
                batch_size=batch_size,
                exploration_fraction=1.0,
                exploration_final_eps=exploration_final_eps,
                seed=self.seed,
                device="cpu",
                **chosen,
            )
        self.model.set_logger(configure(None, []))

    def draw(self) -> list[Episode]:
        def act(obs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            return self.model.predict(obs)[0], np.zeros(1), np.zeros(1)

        return self.play(1, act)

    def learn(self, episode: Episode, score: float) -> None:
        self.model._current_progress_remaining = max(0.0, 1 - len(self._scores) / self.exploration_trials)
        last = len(self.space) - 1
        for position in range(len(self.space)):
            reward = np.array([self.reward(score) * (position == last)])
            obs, after = episode.obs[position : position + 1], episode.obs[position + 1 : position + 2]
            actions, over = episode.actions[None, position : position + 1], np.array([position == last])
            assert self.model.replay_buffer is not None
            self.model.replay_buffer.add(obs, after, actions, reward, over, [{}])
            self.model._on_step()  # updates the share of random actions and the target network
        with self.randomness():
            self.model.train(len(self.space), self.model.batch_size)


class _Shape(Env[np.ndarray, np.int64]):
    """An environment that only gives SB3 its spaces; it is never stepped."""

    def __init__(self, size: int, actions: int) -> None:
        self.size, self.num_actions = size, actions
        self.observation_space = spaces.Box(0.0, 1.0, (size,), np.float32)
        self.action_space = spaces.Discrete(actions)
