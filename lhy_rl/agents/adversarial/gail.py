"""Generative adversarial imitation: the policy is a generator, and a discriminator is its reward (Ho & Ermon 2016).

    discriminator   tells the expert's steps from the policy's, under an objective chosen by name
    reward          a function of the discriminator's score, under a form chosen by name
    generator       PPO or A2C, which maximises the sum of the learned rewards; the task's rewards are never used

A reward of one sign favours long episodes (all positive) or short ones (all negative) whatever the expert did.
So terminated episodes, the expert's and the policy's, go on in an absorbing state (Kostrikov et al. 2019): the
discriminator sees it, flagged as such, and the return after an end is the learned r_abs / (1 - gamma) instead of 0.
Truncated episodes do not enter it; they bootstrap from the critic, as everywhere.

Use it where there are few demonstrations and the environment can be played; with many demonstrations, or without an
environment to play in, use ``bc``.

How long a round should be depends on the task: 256 steps were enough on CartPole, MountainCar needed 2,048. With an
algorithm of Stable-Baselines3 as the generator, use ``lhy_rl.agents.adversarial.sb3_vec_reward``.
"""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.common.construction import defaults_of
from lhy_rl.agents.common.held_learner import HeldGenerator
from lhy_rl.agents.common.on_policy import OnPolicy
from lhy_rl.agents.policy_gradient.ppo import PPO
from lhy_rl.agents.rewards.transition_discriminator import (
    DiscriminatorOptions,
    TransitionDiscriminatorReward,
    expert_transitions,
)
from lhy_rl.core.errors import suggest
from lhy_rl.core.registry import Registry
from lhy_rl.nn.rewards.learned_reward import LearnedRewardNet
from lhy_rl.rollouts.vector_envs import Environment

GENERATORS = Registry(
    "generator",
    {"ppo": "lhy_rl.agents.policy_gradient.ppo:PPO", "a2c": "lhy_rl.agents.policy_gradient.a2c:A2C"},
)


class GAIL(HeldGenerator, Agent):
    """Adversarial imitation of demonstrations. A timestep is an environment step.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable.
        demonstrations: A ``Demonstrations`` object, a shipped name, a Minari dataset's id or folder, or an .npz.
        trajectories: Number of episodes to use, the first ones; null takes all.
        subsample: Use every n-th step only, from a random offset on, as the paper does to make the task hard.
        generator: ``ppo``, or ``a2c``, which takes one gradient step per round and only those options that it has.
        normalize_rewards: Divide learned rewards by the standard deviation of their discounted return.
        n_steps: Steps of each instance in a round, which is ``n_steps`` times ``num_envs`` long. If it is much shorter
            than an episode, instances that begin together show the discriminator one phase at a time.
        **options: Options of the discriminator, of ``ppo``, and of every agent.

    Logs the metrics of ``ppo`` (``rollout/ep_rew_mean`` is the task's own return, which is not trained on) and
    ``rollout/learned_reward_mean``, ``train/discriminator_loss``, ``train/discriminator_accuracy``,
    ``train/gradient_penalty``, ``train/absorbing_reward``.
    """

    takes_options_of = (DiscriminatorOptions, PPO)
    former_names = {"every": "subsample"}
    reports_steps = True
    schedulable = PPO.schedulable
    learner: OnPolicy
    discriminators: tuple[str, ...] = ("auto", "mlp", "cnn", "autoencoder")
    state_only = True  # of the reward inside a shaped discriminator

    def __init__(
        self,
        env: Environment,
        *,
        demonstrations: Any = None,
        trajectories: int | None = None,
        subsample: int = 1,
        generator: str = "ppo",
        normalize_rewards: bool = True,
        n_steps: int = 32,
        **options: Any,
    ) -> None:
        if generator not in GENERATORS:
            raise suggest(generator, GENERATORS, "generator")
        names = [field.name for field in fields(DiscriminatorOptions)]
        chosen = DiscriminatorOptions(**{name: options.pop(name) for name in names if name in options})
        if chosen.discriminator not in self.discriminators:
            raise suggest(chosen.discriminator, self.discriminators, "discriminator")
        kind, ppo = GENERATORS[generator], {**defaults_of(PPO), **options}
        ppo |= {"normalize_rewards": normalize_rewards, "n_steps": n_steps}
        self.learner = kind(env, **{name: ppo[name] for name in defaults_of(kind)})
        with self.randomness():
            self.discriminator = TransitionDiscriminatorReward(
                self.env.single_observation_space,
                self.env.single_action_space,
                expert_transitions(self.env, demonstrations, trajectories, subsample, self.seed),
                chosen,
                self.generator,
                self.device,
                gamma=self.learner.gamma,
                state_only=self.state_only,
            )
        self.learner.give_reward_model(self.discriminator)

    # ------------------------------------------------------------------ the game
    def update(self) -> Metrics:
        rollout = self.learner.collect()
        metrics = self.discriminator.train(rollout)
        metrics |= self.discriminator.relabel(rollout)
        return {**self.learner.train(rollout), **metrics}

    # ------------------------------------------------------------------ loading
    def load_state_dict(self, state: dict[str, Any]) -> None:
        if "adversary" in state:  # an older file, whose discriminator was not yet the learner's reward model
            scale = {name: state["scale"][name] for name in ("rewarded", "running")}
            normalizer = {**state["normalizer"], **scale}
            state = {**state, "reward_model": state["adversary"], "normalizer": normalizer}
        super().load_state_dict(state)

    # ------------------------------------------------------------------ the learned reward
    @property
    def reward(self) -> LearnedRewardNet:
        """The learned reward, as a function of transitions."""
        return self.discriminator.reward

    def save_reward(self, path: str | os.PathLike[str]) -> None:
        """Write the reward to a file, JSON and safetensors in a zip, for ``LearnedReward`` and ``load_reward``."""
        self.reward.save(path)
