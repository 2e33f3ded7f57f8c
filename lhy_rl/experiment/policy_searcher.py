"""A policy that learned to search in ``HPOTrial-v0``, as a searcher of any objective with that space."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, brief
from lhy_rl.envs.search.hpo_trial import HPOTrial
from lhy_rl.experiment.load import load
from lhy_rl.search.proposed import Proposed
from lhy_rl.search.searcher import Exhausted, Searcher
from lhy_rl.search.space import Space
from lhy_rl.search.trial import Trial


class PolicySearcher(Searcher):
    """Asks a trained agent for every configuration, and shows it the trials as its environment did.

    Args:
        run: A run's folder (``lhy-rl train ppo/hpo_trial``), or a file that ``agent.save`` wrote.
        num_trials: The budget; the policy observes how much of it is left. Afterwards the searcher is exhausted.
        unique: Draw again if a configuration was proposed before.

    Raises:
        UserError: no agent there, or one of another task or space.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        run: str | os.PathLike[str] | None = None,
        num_trials: int = 50,
        unique: bool = True,
    ) -> None:
        super().__init__(space, seed)
        self.num_trials = validation.integer("num_trials", num_trials, 1)
        self.unique = unique
        if run is None:
            raise UserError("searcher 'policy' needs a trained agent: lhy-rl train ppo/hpo_trial, then --run FOLDER")
        self.agent = load(run, device="cpu")
        learned: Any = self.agent.env.unwrapped
        if not isinstance(learned, HPOTrial):
            raise UserError(f"{brief(str(run))} was not trained in lhy_rl/HPOTrial-v0, but in {learned}")
        if learned.space.choices != space.choices:
            raise UserError(f"{brief(str(run))} was trained to search {learned.space.names}, not {brief(space.names)}")
        self.learned_from = learned.tables.names
        learned.num_trials = self.num_trials
        self._env = learned
        self._state = learned.initial(1, self.rng)
        self._memory: Any = None
        self._next_memory: Any = None  # the policy's state after the latest observation that it read
        self._looked = False
        self._asked = self._trials = 0  # proposals, and those whose scores are known
        self.agent.predict_generator = torch.Generator().manual_seed(self.seed)
        self._proposed = Proposed(space)

    def ask(self) -> np.ndarray:
        if self._asked >= self.num_trials:
            raise Exhausted
        tokens = self._proposed.draw(self._draw, self.rng) if self.unique else self._draw()
        self._asked += 1
        return tokens

    def observed(self) -> np.ndarray:
        """(1, F) the policy's observation of the trials so far."""
        return self._env.observation(self._state)

    def _draw(self) -> np.ndarray:
        """Sample an action of the policy, given the trials so far."""
        obs, start = self.observed(), np.array([self._trials == 0])
        actions, self._next_memory = self.agent.predict(obs, self._memory, start, deterministic=False)
        self._looked = True
        return self.space.canonical(np.asarray(actions[0], np.int64))

    def tell(self, trial: Trial) -> None:
        if self._trials >= self.num_trials:
            return
        if not self._looked:  # the scores of two trials arrived between two proposals
            self._draw()
        self._memory, self._looked = self._next_memory, False
        self._trials += 1
        score = np.array([-np.inf if trial.score is None else trial.score], np.float32)
        self._state = self._env.after_trial(self._state, trial.array[None], score, 0.0)
