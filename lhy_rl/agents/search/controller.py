"""A recurrent controller that writes configurations and learns by policy gradient from their scores.

The configuration is a sentence: choice by choice an LSTM gives the distribution of the next value, reads the value that
was drawn, and goes on (Zoph and Le 2017). The score of the finished configuration is the reward of an episode whose
steps are the choices. As in that paper it is hardly better than random search with a budget of a few hundred trials.
Four changes make it a match for model-based optimizers there; each can be switched off, and docs/benchmarks/search.md
says how much each contributes:

* ``unique``: no configuration is proposed twice, since a repeated trial costs as much as a new one and tells little;
* ``elite``: the best trials so far are imitated in every update (as in self-imitation, Oh et al. 2018), because a good
  configuration that was drawn once is otherwise forgotten. They are a tenth of the trials so far, at least three and at
  most ``elite``: early on the ten best of 25 trials would not be good ones;
* ``smoothing``: a good learning rate makes its neighbours likelier, too. The logits of an ordinal choice are the
  network's outputs smoothed over neighbouring values, so that their gradient is spread likewise;
* ``advantage="rank"``: the advantage of a trial is its rank among all trials so far, not its score minus a mean, so
  that neither the scores' scale nor a few failures decide how large a step is.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
import torch

from lhy_rl.agents.common.gradient_step import gradient_step
from lhy_rl.agents.search.choice_policy import ChoicePolicy
from lhy_rl.core import validation
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.policy_gradient import clipped_surrogate, reinforce_loss
from lhy_rl.nn.randomness import OwnRandomness
from lhy_rl.search.proposed import Proposed
from lhy_rl.search.searcher import Searcher
from lhy_rl.search.space import Space
from lhy_rl.search.trial import Trial

ADVANTAGES = ("rank", "baseline")
ELITE_SHARE, LEAST_ELITE = 0.1, 3  # share of the trials so far that is imitated, and the least number


class Controller(Searcher):
    """Policy gradient over the choices of a configuration.

    Args:
        space: The search space.
        seed: Same seed and scores, same search.
        advantage: ``rank``, from -1 to 1, among all trials; or ``baseline``, the score minus a running mean of the
            scores, not normalised, as in the paper.
        elite: Maximum number of best trials imitated in every update: a tenth of the trials that have a score, and at
            least three; 0: none.
        elite_coef: Weight of that imitation beside the policy gradient.
        unique: Propose no configuration twice.
        batch_size: Trials per update; as many are drawn at once.
        epochs: Gradient steps per batch; take more than one with ``clip_range`` only.
        clip_range: PPO's clip range, for the ratio of a choice's probabilities; null: the plain policy gradient.
        learning_rate: Adam's.
        entropy_coef: Bonus on the policy's entropy; raise it where the search converges too early.
        baseline_decay: Decay of the running mean.
        smoothing: Standard deviation of the smoothing, in values; 0: no smoothing.
        hidden_size: Width of the LSTM.
        embedding_size: Width of a value's embedding.

    Raises:
        UserError: a number out of range or an unknown name.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        advantage: str = "rank",
        elite: int = 10,
        elite_coef: float = 1.0,
        unique: bool = True,
        batch_size: int = 5,
        epochs: int = 1,
        clip_range: float | None = None,
        learning_rate: float = 0.01,
        entropy_coef: float = 0.01,
        baseline_decay: float = 0.9,
        smoothing: float = 1.0,
        hidden_size: int = 64,
        embedding_size: int = 32,
    ) -> None:
        super().__init__(space, seed)
        check(elite=(elite, 0), elite_coef=(elite_coef, 0), batch_size=(batch_size, 1), epochs=(epochs, 1))
        check(entropy_coef=(entropy_coef, 0), baseline_decay=(baseline_decay, 0, 1), smoothing=(smoothing, 0))
        positive(learning_rate=learning_rate, **({} if clip_range is None else {"clip_range": clip_range}))
        self.advantage = validation.choice("advantage", advantage, ADVANTAGES)
        self.elite, self.elite_coef, self.unique = elite, elite_coef, unique
        self.batch_size, self.epochs, self.clip_range = batch_size, epochs, clip_range
        self.entropy_coef, self.baseline_decay = entropy_coef, baseline_decay
        self.generator = torch.Generator().manual_seed(self.seed)
        with OwnRandomness(self.seed, torch.device("cpu")):
            self.policy = ChoicePolicy(space, hidden_size, embedding_size, smoothing)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), learning_rate)
        self._proposed = Proposed(space)
        self._waiting: deque[np.ndarray] = deque()
        self._batch: list[Trial] = []
        self._history: list[tuple[float, np.ndarray]] = []
        self._baseline: float | None = None
        self._updates = 0

    # ------------------------------------------------------------------ ask
    def ask(self) -> np.ndarray:
        if not self._waiting:
            drawn = self.draw(self.batch_size)
            if self.unique:
                drawn = drawn[np.sort(np.unique(self.space.keys(drawn), return_index=True)[1])]
                drawn = drawn[self._proposed.new(drawn)]
            self._waiting.extend(drawn)
        if not self._waiting:  # the policy gives all others next to no probability: take a random one, if any is left
            return self._proposed.draw(lambda: self.space.sample(1, self.rng)[0], self.rng)
        return self._proposed.add(self._waiting.popleft())

    def draw(self, n: int) -> np.ndarray:
        """Sample (n, D) configurations from the current policy; with ``unique``, among those not yet proposed."""
        return self.policy.draw(n, self.generator, torch.from_numpy(self._proposed.tokens) if self.unique else None)

    # ------------------------------------------------------------------ tell
    def tell(self, trial: Trial) -> None:
        self._batch.append(trial)
        if trial.score is not None:
            self._history.append((trial.score, trial.array))
        if len(self._batch) >= self.batch_size:
            self.update()
            self._batch = []
            self._waiting.clear()  # they were drawn before the update

    def update(self) -> None:
        """Learn from a batch of trials: policy gradient, and imitation of the best trials so far."""
        tokens = np.stack([trial.array for trial in self._batch])
        advantage = torch.from_numpy(self._advantages()).float()
        count = min(self.elite, max(LEAST_ELITE, math.ceil(ELITE_SHARE * len(self._history))))
        best = sorted(self._history, key=lambda entry: -entry[0])[:count]
        imitated = np.stack([found for _, found in best]) if best else np.empty((0, len(self.space)), np.int64)
        joint = torch.from_numpy(np.concatenate([tokens, imitated]))
        mine, old = slice(0, len(tokens)), None
        for _ in range(self.epochs):
            log_prob, entropy = self.policy.evaluate(joint)  # (N, D) each
            old = log_prob.detach() if old is None else old
            spread = advantage[:, None].expand(-1, len(self.space))
            if self.clip_range is None:
                loss = reinforce_loss(log_prob[mine], spread)
            else:
                loss = clipped_surrogate(log_prob[mine] - old[mine], spread, self.clip_range)
            loss = loss - self.entropy_coef * entropy[mine].mean()
            if len(imitated):
                loss = loss - self.elite_coef * log_prob[len(tokens) :].mean()
            self._updates += 1
            gradient_step(self.policy, self.optimizer, loss, 1.0, self._updates)

    def _advantages(self) -> np.ndarray:
        """Advantages (N,) of the trials of the batch; a failed trial ranks below all."""
        scores = np.array([-math.inf if trial.score is None else trial.score for trial in self._batch])
        known = np.array([score for score, _ in self._history])
        if self.advantage == "rank":
            below = (known < scores[:, None]).mean(1) if len(known) else np.zeros(len(scores))
            equal = (known == scores[:, None]).mean(1) if len(known) else np.zeros(len(scores))
            ranks: np.ndarray = 2 * (below + equal / 2) - 1
            return ranks
        scores = np.where(np.isfinite(scores), scores, known.min() if len(known) else 0.0)
        if self._baseline is None:
            self._baseline = float(scores.mean())
        advantage: np.ndarray = scores - self._baseline
        for score in scores:
            self._baseline = self.baseline_decay * self._baseline + (1 - self.baseline_decay) * float(score)
        return advantage


class PaperController(Controller):
    """The controller as in Zoph and Le (2017): a running mean as the baseline, without the four changes."""

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        advantage: str = "baseline",
        elite: int = 0,
        unique: bool = False,
        smoothing: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(space, seed, advantage, elite, unique=unique, smoothing=smoothing, **options)


class PPOController(Controller):
    """The controller trained by PPO's clipped surrogate (Schulman et al. 2017), with the four changes."""

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        batch_size: int = 10,
        epochs: int = 4,
        clip_range: float | None = 0.2,
        **options: Any,
    ) -> None:
        super().__init__(space, seed, batch_size=batch_size, epochs=epochs, clip_range=clip_range, **options)
