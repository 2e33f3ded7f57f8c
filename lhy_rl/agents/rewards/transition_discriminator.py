"""A discriminator as a reward model: it tells the expert's transitions from the policy's, and its score is a reward."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.rewards.discriminator_trainer import DiscriminatorTrainer
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.saved_states import check_like, check_rows
from lhy_rl.core.validation import check, positive
from lhy_rl.data.demonstrations import Demonstrations, Transitions
from lhy_rl.functional.adversarial_penalties import gradient_penalty
from lhy_rl.functional.discriminator_rewards import FORMS, absorbing_value
from lhy_rl.interop.demonstrations import load_demonstrations
from lhy_rl.nn.discriminators.transition import NetworkOptions, TransitionDiscriminator, make_discriminator
from lhy_rl.nn.rewards.learned_reward import LearnedRewardNet, RewardTransform
from lhy_rl.rollouts.rollout import Rollout


@dataclass(frozen=True, kw_only=True)
class DiscriminatorOptions:
    """How a discriminator of transitions is built and trained, and how its score becomes a reward.

    Args:
        objective: ``gan``, ``gan_saturating``, ``lsgan``, ``wgan``, ``wgan_gp``, ``ebgan`` or ``began``.
        reward: Form of the reward for a logit: ``gail`` (-log(1 - D), positive), ``log_d`` (log D, negative), ``logit``
            (either sign), ``probability`` (D), ``fairl`` (-s e^s); or ``objective`` for the objective's own.
        absorbing: Continue terminated episodes in an absorbing state. Without it the sign of the reward decides whether
            long or short episodes are favoured.
        discriminator: ``mlp``, ``cnn``, ``autoencoder`` (for ebgan and began), or ``auto`` for the one that fits.
        discriminator_inputs: Inputs of the discriminator: ``state``, ``state_action``, ``state_next_state`` or
            ``state_action_next_state``. Without actions, demonstrations need none.
        discriminator_learning_rate: Adam's. Raise it when the policy fools the discriminator (accuracy 0.5) but is bad.
        discriminator_batch_size: The expert's steps, and as many of the policy's, per gradient step.
        discriminator_steps: Gradient steps per round. More follow the policy closer, but overfit few demonstrations.
        discriminator_hidden_size: Width of its layers.
        discriminator_layers: Number of its hidden layers.
        discriminator_activation: Activation of its hidden layers.
        discriminator_dropout: Share of the hidden layers' outputs dropped in training.
        discriminator_weight_decay: Weight decay of its parameters.
        gradient_penalty: Weight of the penalty that keeps the norm of its gradient near 1 between the expert's steps
            and the policy's.
        spectral_norm: Divide its weights by their largest singular values, which makes it 1-Lipschitz.
        replay: Number of latest rounds whose steps of the policy are trained on; 1 takes the newest only.

    Raises:
        UserError: a number out of its range.
    """

    objective: str = "gan"
    reward: str = "logit"
    absorbing: bool = NetworkOptions.absorbing
    discriminator: str = "auto"
    discriminator_inputs: str = NetworkOptions.inputs
    discriminator_learning_rate: float = 1e-3
    discriminator_batch_size: int = 128
    discriminator_steps: int = 8
    discriminator_hidden_size: int = NetworkOptions.hidden_size
    discriminator_layers: int = NetworkOptions.layers
    discriminator_activation: str = NetworkOptions.activation
    discriminator_dropout: float = NetworkOptions.dropout
    discriminator_weight_decay: float = 0.0
    gradient_penalty: float = 0.1
    spectral_norm: bool = NetworkOptions.spectral
    replay: int = 4

    def __post_init__(self) -> None:
        positive(discriminator_learning_rate=self.discriminator_learning_rate)
        limits: dict[str, tuple[float, ...]] = {"discriminator_batch_size": (1,), "discriminator_steps": (0,)}
        limits |= {"discriminator_hidden_size": (1,), "discriminator_layers": (0,), "discriminator_dropout": (0, 0.99)}
        limits |= {"discriminator_weight_decay": (0,), "gradient_penalty": (0,), "replay": (1,)}
        check(**{name: (getattr(self, name), *limit) for name, limit in limits.items()})
        if self.reward not in ("objective", *FORMS):
            raise suggest(self.reward, ["objective", *FORMS], "reward")

    def network(self, gamma: float, state_only: bool) -> NetworkOptions:
        """The options of the network."""
        return NetworkOptions(
            self.discriminator_inputs, self.discriminator_hidden_size, self.discriminator_layers,
            self.discriminator_activation, self.discriminator_dropout, self.spectral_norm, self.absorbing,
            gamma, state_only,
        )  # fmt: skip


@dataclass(frozen=True)
class ExpertTransitions:
    """The steps that are imitated.

    Attributes:
        transitions: All of the expert's steps, or some.
        termination_rate: Terminated episodes per step, counted over the whole episodes.
    """

    transitions: Transitions
    termination_rate: float

    @classmethod
    def of(cls, demonstrations: Demonstrations, subsample: int, seed: int) -> ExpertTransitions:
        """Every ``subsample``-th step of demonstrations; the rate of terminations is that of all of their steps."""
        ended = sum(episode.terminated for episode in demonstrations.episodes)
        return cls(demonstrations.subsampled(subsample, seed), ended / int(demonstrations.lengths.sum()))


def expert_transitions(
    env: Any, demonstrations: Any, trajectories: int | None, subsample: int, seed: int
) -> ExpertTransitions | None:
    """The expert's transitions in demonstrations for this vector environment; None without demonstrations.

    Args:
        env: The vector environment, or its spaces of one observation and one action.
        demonstrations: Argument of :func:`lhy_rl.interop.demonstrations.load_demonstrations`, or None.
        trajectories: Number of episodes to use, the first ones; None takes all.
        subsample: Use every n-th step only.
        seed: Seed of the random offset of the subsampling.
    """
    check(subsample=(subsample, 1))
    if demonstrations is None:
        return None
    return ExpertTransitions.of(load_demonstrations(demonstrations, env, trajectories), subsample, seed)


class PolicyLogProb(Protocol):
    """log pi(a|s) of the policy that the discriminator plays against."""

    def of_rollout(self, rollout: Rollout) -> Tensor:
        """(N,) for the valid steps of a rollout."""
        ...

    def of_expert(self, transitions: Transitions) -> Tensor:
        """(N,) for the expert's steps."""
        ...


class TransitionDiscriminatorReward(DiscriminatorTrainer):
    """Learns to tell an expert's transitions from a policy's; its score, transformed, is the policy's reward.

    Args:
        observation_space, action_space: The spaces of one environment.
        expert: The expert's transitions; None if nothing more is to be learned.
        options: How the discriminator is built and trained, and how its score becomes a reward.
        generator: Random numbers for the batches.
        device: Device of the network.
        gamma: Discount of the returns that the rewards are learned for.
        state_only: Whether the reward inside a shaped discriminator reads the state only.

    Attributes:
        policy_log_prob: If it is given, the logit is the network's score minus log pi(a|s).

    Raises:
        UserError: an unknown name, or an absorbing state without discount.
    """

    network: TransitionDiscriminator

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        expert: ExpertTransitions | None,
        options: DiscriminatorOptions,
        generator: torch.Generator,
        device: torch.device,
        *,
        gamma: float = 0.99,
        state_only: bool = True,
    ) -> None:
        if options.absorbing and gamma >= 1:
            raise UserError("gamma is 1, so absorbing states have infinite values; set gamma 0.99 or absorbing false")
        name, network = make_discriminator(
            options.discriminator,
            observation_space,
            action_space,
            options.network(gamma, state_only),
            options.objective,
        )
        super().__init__(
            network.to(device),
            name,
            options.objective,
            generator,
            device,
            learning_rate=options.discriminator_learning_rate,
            weight_decay=options.discriminator_weight_decay,
        )
        self.expert, self.options, self.gamma = expert, options, gamma
        form = options.reward if self.objective.kind == "logit" else "objective"
        self.transform = RewardTransform(options.objective, form)
        self.penalty = max(options.gradient_penalty, self.objective.penalty_weight)
        self.replay: deque[tuple[Transitions, Tensor]] = deque(maxlen=options.replay)
        self.policy_log_prob: PolicyLogProb | None = None
        self._rollout: Rollout | None = None  # the rollout whose transitions and log-probabilities are known
        if expert is not None:
            network.features.update_statistics(self.features(expert.transitions))

    # ------------------------------------------------------------------ learning
    def train(self, rollout: Rollout) -> Metrics:
        """Gradient steps on the policy's latest rollout and as many of the expert's steps."""
        return self.train_on(*self._played(rollout))

    def train_on(self, played: Transitions, log_prob: Tensor | None = None) -> Metrics:
        """Gradient steps on the policy's newest and replayed transitions, beside as many of the expert's.

        Args:
            played: The policy's newest transitions.
            log_prob: (N,) log-probabilities of their actions, if ``policy_log_prob`` is given.

        Returns:
            ``train/discriminator_loss``, ``train/discriminator_accuracy`` on the batches before each step, and
            ``train/gradient_penalty`` if there is a penalty.

        Raises:
            UserError: there is no expert.
        """
        if self.expert is None:
            raise UserError("imitation needs demonstrations; none were given")
        expert = self.expert.transitions
        self.network.features.update_statistics(self.features(played))
        self.replay.append((played, torch.zeros(len(played), device=self.device) if log_prob is None else log_prob))
        kept, log_probs = zip(*self.replay, strict=True)  # of all rounds that are kept
        pool, pool_log_prob = Transitions.concatenate(kept), torch.cat(log_probs)
        rates = self.expert.termination_rate, float(pool.terminated.mean())
        shares = tuple(rate / (1 + rate) if self.options.absorbing else 0.0 for rate in rates)
        self.network.train()
        sums = torch.zeros(3, device=self.device)
        n = self.options.discriminator_batch_size
        for _ in range(self.options.discriminator_steps):
            mine = torch.randint(len(pool), (n,), generator=self.generator).numpy()
            theirs = torch.randint(len(expert), (n,), generator=self.generator).numpy()
            absorbing = self.network.features.encode_absorbing()
            features = torch.cat([self.features(expert[theirs]), self.features(pool[mine]), absorbing])
            inputs = self.network.embed(features)
            scores = self.network.forward_embedded(inputs)
            if self.policy_log_prob is not None:
                known = self.policy_log_prob.of_expert(expert[theirs])
                scores = scores - torch.cat([known, pool_log_prob[mine], known.new_zeros(1)])
            real, fake, absorbed = scores[:n], scores[n:-1], scores[-1:]
            loss = self._loss(real, fake, absorbed, *shares)
            penalty = torch.zeros((), device=self.device)
            if self.penalty:
                penalty = gradient_penalty(self.network.forward_embedded, inputs[:n], inputs[n:-1])
                loss = loss + self.penalty * penalty
            self.descend(loss, real, fake)
            with torch.no_grad():
                sums += torch.stack([loss, self.accuracy(real, fake), penalty])
        loss_mean, accuracy, penalty_mean = (sums / max(self.options.discriminator_steps, 1)).tolist()
        metrics = {"train/discriminator_loss": loss_mean, "train/discriminator_accuracy": accuracy}
        if self.penalty:
            metrics["train/gradient_penalty"] = penalty_mean
        if self.balance is not None:
            metrics["train/balance"] = self.balance
        return metrics

    def _loss(self, real: Tensor, fake: Tensor, absorbed: Tensor, p: float, q: float) -> Tensor:
        """The objective's loss, with shares p of the expert's steps and q of the policy's in the absorbing state.

        That state is one vector, so its share is a weight and needs no sampling: the loss is a sum of a mean over real
        and a mean over generated samples, and a mixture on both sides is a mixture of four losses. With one step in the
        absorbing state after each termination, its share of all steps is e / (1 + e), e the rate of terminations.
        """
        loss = (1 - p) * (1 - q) * self.objective.discriminator_loss(real, fake, self.balance)
        if p or q:
            loss = loss + p * (1 - q) * self.objective.discriminator_loss(absorbed, fake, self.balance)
            loss = loss + (1 - p) * q * self.objective.discriminator_loss(real, absorbed, self.balance)
            loss = loss + p * q * self.objective.discriminator_loss(absorbed, absorbed, self.balance)
        return loss

    def _played(self, rollout: Rollout) -> tuple[Transitions, Tensor | None]:
        """The valid transitions of a rollout, and their log-probabilities if these are needed."""
        if self._rollout is not rollout:
            log_prob = None if self.policy_log_prob is None else self.policy_log_prob.of_rollout(rollout)
            self._rollout, self._newest = rollout, (rollout.transitions(), log_prob)
        return self._newest

    # ------------------------------------------------------------------ the reward
    def relabel(self, rollout: Rollout) -> Metrics:
        played, log_prob = self._played(rollout)
        scores = self.network.score(self.features(played))
        plain = self.transform(scores if log_prob is None else scores - log_prob)
        rewards = torch.zeros_like(rollout.rewards)
        rewards[rollout.valid] = plain
        metrics = {"rollout/learned_reward_mean": float(plain.mean())}
        if self.options.absorbing:
            metrics["train/absorbing_reward"] = absorbing = self.absorbing_reward()
            rewards += rollout.terminated * (self.gamma * absorbing_value(absorbing, self.gamma))
        rollout.rewards, self._rollout = rewards, None
        return metrics

    def rewards(self, steps: Transitions) -> Tensor:
        return self.reward(steps.obs, steps.actions, steps.next_obs, steps.terminated)

    def absorbing_reward(self) -> float:
        """The reward of a step in the absorbing state."""
        return float(self.transform(self.network.score(self.network.features.encode_absorbing())))

    def features(self, steps: Transitions) -> Tensor:
        """(N, F) the network's features of transitions."""
        return self.network.features.encode(steps.obs, steps.actions, steps.next_obs, steps.terminated)

    @property
    def reward(self) -> LearnedRewardNet:
        """The learned reward, as a function of transitions that needs no agent."""
        return LearnedRewardNet(self.network, self.name, self.transform, self.gamma)

    # ------------------------------------------------------------------ resume
    def state_dict(self) -> dict[str, Any]:
        replay = [{**vars(steps), "log_prob": log_prob} for steps, log_prob in self.replay]
        return {**super().state_dict(), "replay": replay}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.replay.clear()
        features = self.network.features
        observations, actions = features.observation_space, features.action_space
        for kept in state["replay"]:
            n = len(kept["rewards"])
            for name, space in (("obs", observations), ("next_obs", observations), ("actions", actions)):
                check_rows(kept[name], space, (n,), name)
            flags = np.zeros(n, bool)
            like = {"rewards": np.zeros(n), "terminated": flags, "start": flags, "log_prob": torch.zeros(n)}
            check_like(kept, like, "replay", shapes=True)
            log_prob = kept["log_prob"].to(self.device)
            self.replay.append((Transitions(**{k: v for k, v in kept.items() if k != "log_prob"}), log_prob))
