"""Generative adversarial imitation: the policy is a generator, and a discriminator is its reward (Ho & Ermon 2016).

    discriminator   tells the expert's steps from the policy's, under an objective chosen by name
    reward          what the discriminator's score is worth, under a form chosen by name
    generator       PPO or A2C, which maximises the sum of the learned rewards; the task's are never looked at

A reward of one sign pays for living on (all positive) or for ending soon (all negative) whatever the expert did.
So an episode that the task ended goes on in an absorbing state (Kostrikov et al. 2019), the expert's and the policy's:
the discriminator sees it, with a mark, and the return behind an end is the learned r_abs / (1 - gamma) instead of 0.
Time limits absorb nothing; there the critic's value stands, as everywhere.

Use it where there are few demonstrations and the environment can be played; with many demonstrations or none of it,
``bc``.

How long a round should be depends on the task: on CartPole 256 steps did, MountainCar needed 2,048. For a generator of
Stable-Baselines3's there is ``lhy_rl.agents.adversarial.sb3_vec_reward``.
"""

from __future__ import annotations

import os
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.common.rollout_batch import Batch
from lhy_rl.agents.policy_gradient.a2c import A2C
from lhy_rl.agents.policy_gradient.ppo import PPO
from lhy_rl.agents.rewards.transition_discriminator import AdversaryOptions, expert_for, make_adversary
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.nn.rewards.learned_reward import LearnedRewardNet
from lhy_rl.rollouts.fixed_length import Rollout
from lhy_rl.rollouts.normalization import Normalizer
from lhy_rl.rollouts.vector_envs import Environment

GENERATORS = {"ppo": PPO, "a2c": A2C}


class GAIL(PPO):
    """Adversarial imitation of demonstrations. A timestep is an environment step.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable.
        demonstrations: A ``Demonstrations`` object, a shipped name, a Minari dataset's id or folder, or an .npz.
        trajectories: Take the first so many; null takes all.
        every: Take each so-manieth step only, from a drawn place on, as the paper does to make it hard.
        generator: ``ppo``, or ``a2c``, which takes one step a round and of the PPO options only those of ``a2c``.
        objective: ``gan``, ``gan_saturating``, ``lsgan``, ``wgan``, ``wgan_gp``, ``ebgan`` or ``began``.
        reward: Of a logit: ``gail`` (-log(1 - D), positive), ``log_d`` (log D, negative), ``logit`` (either sign),
            ``probability`` (D), ``fairl`` (-s e^s); or ``objective`` for the objective's own.
        absorbing: Go on in an absorbing state where the task ends an episode. Without it the sign of the reward
            decides whether living or dying is favoured.
        discriminator: ``mlp``, ``cnn``, ``autoencoder`` (for ebgan and began), or ``auto`` for what fits.
        discriminator_inputs: What it sees: ``state``, ``state_action``, ``state_next_state`` or
            ``state_action_next_state``. Without actions demonstrations may come without them, too.
        discriminator_learning_rate: Adam's. Raise it when the policy fools it (accuracy 0.5) and is bad all the same.
        discriminator_batch_size: The expert's steps, and as many of the policy's, a gradient step.
        discriminator_steps: Gradient steps a round. More follows the policy closer and overfits few demonstrations.
        discriminator_hidden_size: Width of its layers.
        discriminator_layers: How many.
        discriminator_activation: Between them.
        discriminator_dropout: Share of their outputs dropped in training.
        discriminator_weight_decay: Pull on its weights.
        gradient_penalty: Weight of the penalty that keeps its slope near 1 between the expert's steps and the policy's.
        spectral_norm: Divide its weights by their largest singular values; it is then 1-Lipschitz.
        replay: Rounds of the policy's steps that it learns from; 1 takes the newest only.
        normalize_rewards: Divide learned rewards by the standard deviation of their discounted return.
        **ppo: Options of ``ppo``, and of every agent. A round is ``n_steps`` times ``num_envs``; where ``n_steps`` is
            much less than an episode, instances that begin together show the discriminator one phase at a time.

    Logs what ``ppo`` logs (``rollout/ep_rew_mean`` is the task's own return, which nothing is learned from) and
    ``rollout/learned_reward_mean``, ``train/discriminator_loss``, ``train/discriminator_accuracy``,
    ``train/gradient_penalty``, ``train/absorbing_reward``.
    """

    judges = True
    discriminator_kinds: tuple[str, ...] = ("auto", "mlp", "cnn", "autoencoder")
    state_only = True  # of the reward inside a shaped discriminator

    def __init__(
        self,
        env: Environment,
        *,
        demonstrations: Any = None,
        trajectories: int | None = None,
        every: int = 1,
        generator: str = "ppo",
        objective: str = AdversaryOptions.objective,
        reward: str = AdversaryOptions.reward,
        absorbing: bool = AdversaryOptions.absorbing,
        discriminator: str = AdversaryOptions.discriminator,
        discriminator_inputs: str = AdversaryOptions.inputs,
        discriminator_learning_rate: float = AdversaryOptions.learning_rate,
        discriminator_batch_size: int = AdversaryOptions.batch_size,
        discriminator_steps: int = 8,
        discriminator_hidden_size: int = AdversaryOptions.hidden_size,
        discriminator_layers: int = AdversaryOptions.layers,
        discriminator_activation: str = AdversaryOptions.activation,
        discriminator_dropout: float = AdversaryOptions.dropout,
        discriminator_weight_decay: float = AdversaryOptions.weight_decay,
        gradient_penalty: float = AdversaryOptions.gradient_penalty,
        spectral_norm: bool = AdversaryOptions.spectral_norm,
        replay: int = AdversaryOptions.replay,
        normalize_rewards: bool = True,
        n_steps: int = 32,
        **ppo: Any,
    ) -> None:
        if generator not in GENERATORS:
            raise suggest(generator, GENERATORS, "generator")
        if discriminator not in self.discriminator_kinds:
            raise suggest(discriminator, self.discriminator_kinds, "discriminator")
        check(every=(every, 1), discriminator_steps=(discriminator_steps, 0))
        self.solver: Any = GENERATORS[generator]
        super().__init__(env, n_steps=n_steps, **ppo)
        if not isinstance(demonstrations, str | os.PathLike | None):
            self.hyperparameters = {**self.hyperparameters, "demonstrations": None}  # a file keeps no demonstrations
        self.absorbing = absorbing
        self.discriminator_steps = discriminator_steps
        options = AdversaryOptions(
            objective=objective,
            reward=reward,
            absorbing=absorbing,
            discriminator=discriminator,
            inputs=discriminator_inputs,
            learning_rate=discriminator_learning_rate,
            batch_size=discriminator_batch_size,
            hidden_size=discriminator_hidden_size,
            layers=discriminator_layers,
            activation=discriminator_activation,
            dropout=discriminator_dropout,
            weight_decay=discriminator_weight_decay,
            gradient_penalty=gradient_penalty,
            spectral_norm=spectral_norm,
            replay=replay,
        )
        spaces = self.env.single_observation_space, self.env.single_action_space
        expert = expert_for(self.env, demonstrations, trajectories, every, self.seed)
        with self.randomness():
            self.adversary = make_adversary(
                *spaces, expert, self.generator, self.device, options, self.gamma, self.state_only
            )
        self.scale = Normalizer(spaces[0], self.env.num_envs, self.gamma, rewarded=normalize_rewards)

    # ------------------------------------------------------------------ the generator
    def make_optimizer(self, epsilon: float) -> torch.optim.Optimizer:
        return cast(torch.optim.Optimizer, self.solver.make_optimizer(self, epsilon))

    def improve(self, batch: Batch) -> Metrics:
        return cast(Metrics, self.solver.improve(self, batch))

    # ------------------------------------------------------------------ the reward
    def judge(self, steps: Rollout) -> Metrics:
        """Train the discriminator on what was played and the expert's steps, and pay what was played."""
        if self.adversary.expert is None:
            raise UserError(f"{type(self).__name__} has nothing to imitate; give it demonstrations")
        played, log_prob = self.transitions(steps), self.log_prob(steps)
        told = torch.zeros(len(played), device=self.device) if log_prob is None else log_prob
        metrics = self.adversary.update(played, told, self.discriminator_steps, self.expert_log_prob)
        rewards = torch.zeros_like(steps.rewards)
        rewards[steps.valid] = self.adversary.rewards(played, log_prob)
        metrics["rollout/learned_reward_mean"] = float(rewards[steps.valid].mean())
        if self.absorbing:
            metrics["train/absorbing_reward"] = self.adversary.absorbing_reward()
            rewards += steps.terminated * self.adversary.absorbing_return()
        played_rewards, done, valid = (
            x.cpu().numpy() for x in (rewards, steps.terminated | steps.truncated, steps.valid)
        )
        steps.rewards = torch.as_tensor(self.scale.rewards(played_rewards, done, valid), device=self.device)
        return metrics

    def transitions(self, steps: Rollout) -> Transitions:
        """The valid steps in rows, as the environment gave and took them."""
        valid = steps.valid.cpu().numpy()
        obs = map_tree(lambda x: x[:-1][valid], steps.seen)
        following = map_tree(lambda x: x[1:].copy(), steps.seen)
        for t, i, last in steps.last:
            map_tree(lambda x, one, t=t, i=i: x.__setitem__((t, i), one), following, last)
        actions = self.policy.actor.for_environment(steps.actions)
        terminated, start = steps.terminated.cpu().numpy(), steps.start[:-1].cpu().numpy()
        rewards = steps.rewards.cpu().numpy()
        return Transitions(
            obs,
            actions[valid],
            map_tree(lambda x: x[valid], following),
            rewards[valid],
            terminated[valid],
            start[valid],
        )

    def log_prob(self, steps: Rollout) -> Tensor | None:
        """(N,) of the actions played, where the discriminator is told."""
        return None

    def expert_log_prob(self, which: np.ndarray) -> Tensor | None:
        """(N,) of some of the expert's actions under the present policy, where the discriminator is told."""
        return None

    # ------------------------------------------------------------------ the reward, taken away
    @property
    def reward(self) -> LearnedRewardNet:
        """What was learned, as a reward of transitions."""
        return self.adversary.reward

    def save_reward(self, path: str | os.PathLike[str]) -> None:
        """Write the reward to a file, JSON and safetensors in a zip, for ``LearnedReward`` and ``load_reward``."""
        self.adversary.save_reward(path)

    # ------------------------------------------------------------------ resume
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "adversary": self.adversary.state_dict(), "scale": self.scale.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.adversary.load_state_dict(state["adversary"])
        self.scale.load_state_dict(state["scale"])
