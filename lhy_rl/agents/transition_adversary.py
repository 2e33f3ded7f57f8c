"""The discriminator of transitions, that plays against a policy: the expert's steps are real, the policy's are not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.adversary import Adversary
from lhy_rl.data.demonstrations import Demonstrations, Transitions, joined
from lhy_rl.errors import UserError, suggest
from lhy_rl.functional.adversarial import gradient_penalty
from lhy_rl.functional.learned_rewards import FORMS
from lhy_rl.nn.learned_reward import Payment
from lhy_rl.nn.transition_discriminators import TransitionDiscriminator


@dataclass(frozen=True)
class Expert:
    """What is imitated.

    Attributes:
        steps: The expert's, all or some.
        ends: How many episodes the task ended, for each step of the whole episodes.
    """

    steps: Transitions
    ends: float

    @classmethod
    def of(cls, demonstrations: Demonstrations, every: int, seed: int) -> Expert:
        """Every ``every``-th step of demonstrations; how often an episode ends is counted in all of them."""
        ended = sum(episode.terminated for episode in demonstrations.episodes)
        return cls(demonstrations.subsampled(every, seed), ended / int(demonstrations.lengths.sum()))


class TransitionAdversary(Adversary):
    """Learns to tell an expert's transitions from a policy's.

    Args:
        network: The discriminator, on its device.
        name: The network's, for messages.
        expert: What is imitated; None where nothing is to be learned any more.
        reward: A form of :data:`lhy_rl.functional.learned_rewards.FORMS`, or ``objective`` for the objective's own.
        batch_size: The expert's steps, and as many of the policy's, a gradient step.
        penalty: Weight of the gradient penalty; the objective's own where that is more.
        replay: Rounds of the policy's steps that are kept; 1 keeps the present one only.
        **shared: Of every adversary.

    Raises:
        UserError: unknown names, or a form of rewards that needs logits with an objective that has none.
    """

    def __init__(
        self,
        network: TransitionDiscriminator,
        name: str,
        objective_name: str,
        generator: torch.Generator,
        device: torch.device,
        *,
        expert: Expert | None,
        reward: str,
        batch_size: int,
        penalty: float,
        replay: int,
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        super().__init__(
            network, name, objective_name, generator, device, learning_rate=learning_rate, weight_decay=weight_decay
        )
        if reward not in ("objective", *FORMS):
            raise suggest(reward, ["objective", *FORMS], "reward")
        if reward != "objective" and self.objective.kind != "logit":
            raise UserError(
                f"reward {reward!r} is of a logit, and objective {objective_name!r} has none; "
                "set reward to 'objective', or objective to gan or gan_saturating"
            )
        self.network, self.expert, self.batch_size = network, expert, batch_size
        self.pay = Payment(objective_name, reward)
        self.penalty = max(penalty, self.objective.penalty_weight)
        self.replay: deque[tuple[Transitions, Tensor]] = deque(maxlen=replay)
        if expert is not None:
            self.network.rows.learn(self.rows(expert.steps))

    # ------------------------------------------------------------------ learning
    def update(
        self, played: Transitions, log_prob: Tensor, steps: int, expert_log_prob: Callable[[np.ndarray], Tensor | None]
    ) -> dict[str, float]:
        """Gradient steps on the policy's newest transitions and those kept, beside as many of the expert's.

        Args:
            log_prob: (N,) of what was played, for networks that are told; else zeros.
            steps: How many.
            expert_log_prob: From indices of the expert's steps to what the policy thinks of them, or None.

        Returns:
            ``train/discriminator_loss``, ``train/discriminator_accuracy`` on the batches before each step, and
            ``train/gradient_penalty`` where there is one.
        """
        assert self.expert is not None
        self.network.rows.learn(self.rows(played))
        self.replay.append((played, log_prob))
        pool, told = self._pool()
        rate = float(pool.terminated.mean())
        shares = (_share(self.expert.ends), _share(rate)) if self.network.options.absorbing else (0.0, 0.0)
        self.network.train()
        sums = torch.zeros(3, device=self.device)
        n = self.batch_size
        for _ in range(steps):
            mine = torch.randint(len(pool), (n,), generator=self.generator).numpy()
            theirs = torch.randint(len(self.expert.steps), (n,), generator=self.generator).numpy()
            rows = torch.cat(
                [self.rows(self.expert.steps[theirs]), self.rows(pool[mine]), self.network.rows.absorbed()]
            )
            inputs = self.network.embed(rows)
            scores = self.network.judge(inputs)
            known = expert_log_prob(theirs)
            if known is not None:
                scores = scores - torch.cat([known, told[mine], known.new_zeros(1)])
            real, fake, absorbed = scores[:n], scores[n:-1], scores[-1:]
            loss = self._loss(real, fake, absorbed, shares)
            penalty = torch.zeros((), device=self.device)
            if self.penalty:
                penalty = gradient_penalty(self.network.judge, inputs[:n], inputs[n:-1])
                loss = loss + self.penalty * penalty
            self.descend(loss, real, fake)
            with torch.no_grad():
                sums += torch.stack([loss, self.accuracy(real, fake), penalty])
        loss_mean, accuracy, penalty_mean = (sums / max(steps, 1)).tolist()
        metrics = {"train/discriminator_loss": loss_mean, "train/discriminator_accuracy": accuracy}
        if self.penalty:
            metrics["train/gradient_penalty"] = penalty_mean
        if self.balance is not None:
            metrics["train/balance"] = self.balance
        return metrics

    def _loss(self, real: Tensor, fake: Tensor, absorbed: Tensor, shares: tuple[float, float]) -> Tensor:
        """The objective's loss, where a share of either side's steps is the absorbing state's.

        That state is one row, so that its share is a weight and needs no sampling: the loss is a sum of a mean over
        real and a mean over generated samples, and a mixture on both sides is a mixture of four losses.
        """
        p, q = shares
        loss = (1 - p) * (1 - q) * self.objective.discriminator_loss(real, fake, self.balance)
        if p or q:
            loss = loss + p * (1 - q) * self.objective.discriminator_loss(absorbed, fake, self.balance)
            loss = loss + (1 - p) * q * self.objective.discriminator_loss(real, absorbed, self.balance)
            loss = loss + p * q * self.objective.discriminator_loss(absorbed, absorbed, self.balance)
        return loss

    def _pool(self) -> tuple[Transitions, Tensor]:
        """Everything kept, in one."""
        if len(self.replay) == 1:
            return self.replay[0]
        parts = [steps for steps, _ in self.replay]
        names = ("obs", "actions", "next_obs", "rewards", "terminated", "start")
        pool = Transitions(*(joined([getattr(part, name) for part in parts]) for name in names))
        return pool, torch.cat([told for _, told in self.replay])

    # ------------------------------------------------------------------ paying
    def rows(self, steps: Transitions) -> Tensor:
        """(N, F) of the network's inputs."""
        return self.network.rows.make(steps.obs, steps.actions, steps.next_obs, steps.terminated)

    def rewards(self, steps: Transitions, log_prob: Tensor | None = None) -> Tensor:
        """(N,) of transitions."""
        scores = self.network.score(self.rows(steps))
        return self.pay(scores if log_prob is None else scores - log_prob)

    def absorbing_reward(self) -> float:
        """Of the absorbing state, a step."""
        return float(self.pay(self.network.score(self.network.rows.absorbed())))

    # ------------------------------------------------------------------ resume
    def state_dict(self) -> dict[str, Any]:
        kept = [{**vars(steps), "log_prob": told} for steps, told in self.replay]
        return {**super().state_dict(), "replay": kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.replay.clear()
        for kept in state["replay"]:
            told = kept["log_prob"].to(self.device)
            self.replay.append((Transitions(**{k: v for k, v in kept.items() if k != "log_prob"}), told))


def _share(ends: float) -> float:
    """The absorbing state's share of the steps where an episode goes on there for one step: e / (1 + e)."""
    return ends / (1 + ends)
