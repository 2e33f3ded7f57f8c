"""The discriminator of transitions, that plays against a policy: the expert's steps are real, the policy's are not."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.saved import zipped
from lhy_rl.agents.rewards.discriminator_trainer import DiscriminatorTrainer
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.saved_states import check_like, check_rows
from lhy_rl.core.validation import check, positive
from lhy_rl.data import spaces
from lhy_rl.data.demonstrations import Demonstrations, Transitions, joined
from lhy_rl.functional.adversarial import gradient_penalty as slope_penalty
from lhy_rl.functional.discriminator_rewards import FORMS, absorbing_value
from lhy_rl.nn.discriminators.transition import (
    DiscriminatorOptions,
    TransitionDiscriminator,
    make_discriminator,
)
from lhy_rl.nn.rewards.learned_reward import LearnedRewardNet, RewardTransform


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


@dataclass(frozen=True)
class AdversaryOptions:
    """What :class:`lhy_rl.agents.adversarial.gail.GAIL` calls ``discriminator_...`` and its neighbours; described
    there.

    Raises:
        UserError: a number out of its range.
    """

    objective: str = "gan"
    reward: str = "logit"
    absorbing: bool = True
    discriminator: str = "auto"
    inputs: str = "state_action"
    learning_rate: float = 1e-3
    batch_size: int = 128
    hidden_size: int = 64
    layers: int = 2
    activation: str = "tanh"
    dropout: float = 0.0
    weight_decay: float = 0.0
    gradient_penalty: float = 0.1
    spectral_norm: bool = False
    replay: int = 4

    def __post_init__(self) -> None:
        positive(discriminator_learning_rate=self.learning_rate)
        check(
            replay=(self.replay, 1),
            gradient_penalty=(self.gradient_penalty, 0),
            discriminator_batch_size=(self.batch_size, 1),
            discriminator_hidden_size=(self.hidden_size, 1),
            discriminator_layers=(self.layers, 0),
            discriminator_dropout=(self.dropout, 0, 0.99),
            discriminator_weight_decay=(self.weight_decay, 0),
        )


class TransitionAdversary(DiscriminatorTrainer):
    """Learns to tell an expert's transitions from a policy's.

    Args:
        network: The discriminator, on its device.
        name: The network's, for messages.
        expert: What is imitated; None where nothing is to be learned any more.
        reward: A form of :data:`lhy_rl.functional.discriminator_rewards.FORMS`, or ``objective`` for the objective's
        own.
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
        self.pay = RewardTransform(objective_name, reward)
        self.penalty = max(penalty, self.objective.penalty_weight)
        self.replay: deque[tuple[Transitions, Tensor]] = deque(maxlen=replay)
        if expert is not None:
            self.network.features.update_statistics(self.features(expert.steps))

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
        self.network.features.update_statistics(self.features(played))
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
                [
                    self.features(self.expert.steps[theirs]),
                    self.features(pool[mine]),
                    self.network.features.encode_absorbing(),
                ]
            )
            inputs = self.network.embed(rows)
            scores = self.network.forward_embedded(inputs)
            known = expert_log_prob(theirs)
            if known is not None:
                scores = scores - torch.cat([known, told[mine], known.new_zeros(1)])
            real, fake, absorbed = scores[:n], scores[n:-1], scores[-1:]
            loss = self._loss(real, fake, absorbed, shares)
            penalty = torch.zeros((), device=self.device)
            if self.penalty:
                penalty = slope_penalty(self.network.forward_embedded, inputs[:n], inputs[n:-1])
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
    def features(self, steps: Transitions) -> Tensor:
        """(N, F) of the network's inputs."""
        return self.network.features.encode(steps.obs, steps.actions, steps.next_obs, steps.terminated)

    def rewards(self, steps: Transitions, log_prob: Tensor | None = None) -> Tensor:
        """(N,) of transitions."""
        scores = self.network.score(self.features(steps))
        return self.pay(scores if log_prob is None else scores - log_prob)

    def absorbing_reward(self) -> float:
        """Of the absorbing state, a step."""
        return float(self.pay(self.network.score(self.network.features.encode_absorbing())))

    def absorbing_return(self) -> float:
        """What comes behind an end, seen from the step that ended; 0 without an absorbing state."""
        options = self.network.options
        return options.gamma * absorbing_value(self.absorbing_reward(), options.gamma) if options.absorbing else 0.0

    @property
    def reward(self) -> LearnedRewardNet:
        """What was learned, as a reward of transitions."""
        return LearnedRewardNet(self.network, self.name, self.pay, self.network.options.gamma)

    def save_reward(self, path: str | os.PathLike[str]) -> None:
        """Write the reward to a file, JSON and safetensors in a zip, for ``LearnedReward`` and ``load_reward``."""
        rows = self.network.features
        named = {
            "observation_space": spaces.to_json(rows.observation_space),
            "action_space": spaces.to_json(rows.action_space),
        }
        archive.write(zipped(path), {"kind": "learned reward", **named, "reward": self.reward.tree()})

    # ------------------------------------------------------------------ resume
    def state_dict(self) -> dict[str, Any]:
        kept = [{**vars(steps), "log_prob": told} for steps, told in self.replay]
        return {**super().state_dict(), "replay": kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.replay.clear()
        seen, done = self.network.features.observation_space, self.network.features.action_space
        for kept in state["replay"]:
            n = len(kept["rewards"])
            for name, space in (("obs", seen), ("next_obs", seen), ("actions", done)):
                check_rows(kept[name], space, (n,), name)
            flags = np.zeros(n, bool)
            like = {"rewards": np.zeros(n), "terminated": flags, "start": flags, "log_prob": torch.zeros(n)}
            check_like(kept, like, "replay", shapes=True)
            told = kept["log_prob"].to(self.device)
            self.replay.append((Transitions(**{k: v for k, v in kept.items() if k != "log_prob"}), told))


def expert_for(env: Any, demonstrations: Any, trajectories: int | None, every: int, seed: int) -> Expert | None:
    """The expert in demonstrations of this vector environment; None where there are none.

    Args:
        demonstrations: What :func:`lhy_rl.interop.demonstrations.load_demonstrations` takes, or None.
        trajectories: Take the first so many; None takes all.
        every: Take each so-manieth step only.
        seed: Of the place where that begins.
    """
    if demonstrations is None:
        return None
    from lhy_rl.interop.demonstrations import load_demonstrations

    found = load_demonstrations(demonstrations, env)
    return Expert.of(found if trajectories is None else found.take(trajectories), every, seed)


def make_adversary(
    observation_space: gym.Space[Any],
    action_space: gym.Space[Any],
    expert: Expert | None,
    generator: torch.Generator,
    device: torch.device,
    options: AdversaryOptions,
    gamma: float = 0.99,
    state_only: bool = True,
) -> TransitionAdversary:
    """An adversary with a discriminator for these spaces.

    Args:
        gamma: Discount of the returns that the rewards are learned for.
        state_only: Whether the reward inside a shaped discriminator sees the state only.

    Raises:
        UserError: a name that is not known, or an absorbing state without discount.
    """
    if options.absorbing and gamma >= 1:
        raise UserError("gamma is 1; an absorbing state has a value below 1 only (gamma 0.99, or absorbing false)")
    built = DiscriminatorOptions(
        options.inputs,
        options.hidden_size,
        options.layers,
        options.activation,
        options.dropout,
        options.spectral_norm,
        options.absorbing,
        gamma,
        state_only,
    )
    name, network = make_discriminator(options.discriminator, observation_space, action_space, built, options.objective)
    return TransitionAdversary(
        network.to(device),
        name,
        options.objective,
        generator,
        device,
        expert=expert,
        reward=options.reward if options.objective in ("gan", "gan_saturating") else "objective",
        batch_size=options.batch_size,
        penalty=options.gradient_penalty,
        replay=options.replay,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
    )


def _share(ends: float) -> float:
    """The absorbing state's share of the steps where an episode goes on there for one step: e / (1 + e)."""
    return ends / (1 + ends)
