"""Distillation: a student learns the probability that its teacher gives each action, not only the action it takes.

    L = (1 - w) T^2 KL(p_T(.|s) || q_T(.|s)) - w log q(a|s) - c H(q(.|s))

(Hinton, Vinyals and Dean 2015, section 2; of policies Rusu et al. 2015) with p the teacher, q the student, both at the
temperature T, and w the weight of the hard labels a, the teacher's own actions. For continuous actions the divergence
is that of two normal distributions, in closed form.

Use it to compress a policy into a smaller network or another backbone: each state gives as many target numbers as
there are actions, where a label gives one. The states are the teacher's own (``beta: always``) or those that the
student visits (``first``), in the same rounds as `dagger`'s.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Self

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.supervised.action_likelihood import ActionLikelihood, LabelledFeatures
from lhy_rl.agents.supervised.base import SupervisedImitation
from lhy_rl.agents.supervised.labelled_steps import LabelledSteps
from lhy_rl.agents.supervised.rounds import LabellingCollector, LabellingRounds
from lhy_rl.agents.supervised.teachers import Teacher, teacher_for
from lhy_rl.core.validation import check, positive
from lhy_rl.rollouts.fixed_length import Actor
from lhy_rl.rollouts.vector_envs import Environment


class Distill(LabellingRounds, SupervisedImitation):
    """Policy distillation. A timestep is an environment step.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable; episodes go on from round to round.
        teacher: The folder of a run, the path of an agent saved by us or by Stable-Baselines3, or in Python also the
            agent or model itself. The action values of a DQN are taken as logits. Loading a student does not load its
            teacher again, unless it is given.
        temperature: T. Above 1 the student learns more about the actions that the teacher would not choose; usually 1
            to 5 for a softmax policy, and 0.01 for the action values of a DQN.
        label_weight: w, from 0 to 1: weight of the likelihood of the teacher's own actions in the loss. 1 is cloning.
        teacher_stochastic: Sample the teacher's actions, those it plays and those used as labels, instead of taking
            the most probable ones. The visited states vary more then.
        **rounds: Options of ``dagger``, with the teacher as its expert, and of every agent. If ``demonstrations`` are
            given, the teacher's probabilities at their steps are learned, whoever played them.

    Logs the metrics of ``dagger``, and ``train/teacher_kl``: T^2 KL(teacher || student) of the steps learned from.
    """

    changeable = (*SupervisedImitation.changeable, "temperature", "label_weight")

    def __init__(
        self,
        env: Environment,
        *,
        teacher: Any = None,
        temperature: float = 1.0,
        label_weight: float = 0.0,
        teacher_stochastic: bool = False,
        **rounds: Any,
    ) -> None:
        positive(temperature=temperature)
        check(label_weight=(label_weight, 0, 1))
        self.temperature, self.label_weight = temperature, label_weight
        self.teacher_stochastic = teacher_stochastic
        self.teacher = teacher
        super().__init__(env, **rounds)
        if self.demonstrated is not None:
            self.demonstrated = replace(self.demonstrated, targets=self.expert.of_steps(self.demonstrated))

    expert: Teacher

    def find_expert(self) -> Teacher:
        return teacher_for(self.teacher, self.policy.actor, self.env)

    def make_collector(self) -> LabellingCollector:
        return ProbabilityCollector(self)

    # ------------------------------------------------------------------ the loss
    def batch_loss(self, batch: LabelledFeatures) -> tuple[Tensor, Tensor]:
        """L = (1 - w) T^2 KL(p_T || q_T) - w E[log q(a|s)] - c E[H(q)]; the divergence is the last statistic."""
        head, w, targets = self.policy.actor, self.label_weight, batch.targets
        assert targets is not None
        if not isinstance(head.space, gym.spaces.Box):
            batch = batch._replace(action_mask=targets > -torch.inf)
        log_prob, entropy, stats = self.likelihood.evaluate(batch)
        kl = head.kl(batch.features, targets, self.temperature).mean()
        loss = (1 - w) * (kl - self.entropy_coef * entropy.mean()) + w * self.loss(log_prob, entropy)
        return loss, torch.cat([stats, kl.detach()[None]])

    def loss(self, log_prob: Tensor, entropy: Tensor) -> Tensor:
        """The loss of the hard labels: -E[log q(a|s)] - c E[H(q)]."""
        return -log_prob.mean() - self.entropy_coef * entropy.mean()

    def make_likelihood(self) -> ActionLikelihood:
        """The likelihood under the policy's own distribution, whose deviation is learned, too (continuous actions)."""
        return ActionLikelihood(self.policy)

    def loss_metrics(self, stats: Tensor) -> Metrics:
        return {**super().loss_metrics(stats[:-1]), "train/teacher_kl": float(stats[-1])}

    def _manual_network(self) -> None:
        """None: autograd computes the gradient of this loss."""

    # ------------------------------------------------------------------ loading
    @classmethod
    def load(
        cls, path: str | os.PathLike[str], env: Environment | None = None, device: str = "auto", **options: Any
    ) -> Self:
        """As :meth:`Agent.load`; the teacher is not loaded again unless it is given."""
        return super().load(path, env, device, **{"teacher": None, **options})


class ProbabilityCollector(LabellingCollector):
    """Collects steps that the student and the teacher play, with the teacher's distributions."""

    agent: Distill

    def labelled(self, n_steps: int) -> LabelledSteps:
        self.targets: list[Tensor] = []  # (B, P) of each step
        steps = super().labelled(n_steps)
        return replace(steps, targets=torch.stack(self.targets))

    def _actor(self, noise: Tensor) -> Actor:
        agent, self.draws = self.agent, torch.zeros(noise.shape)
        if agent.teacher_stochastic:
            self.draws = agent.policy.actor.noise(tuple(noise.shape[:2]), agent.generator, torch.device("cpu"))
        return super()._actor(noise)

    def ask(self, t: int, start: np.ndarray, wanted: np.ndarray, action_mask: np.ndarray | None) -> np.ndarray:
        teacher = self.agent.expert
        self.targets.append(teacher.distribution(self.obs, start, action_mask))
        return teacher.choose(self.targets[-1], self.draws[t])
