"""Inverse reinforcement learning as structured learning (lecture 19).

The expert's behaviour is the correct structure, and every other behaviour should score lower. Alternate:

    actor:   pi_i = the optimal policy under the current reward R
    reward:  move R so that the expert's score <D_E, R> is above <D_i, R> for every actor found so far

This is the structured perceptron, w <- w + mu_E - mu_i for a linear R = w . phi, or the structured SVM, with the
greatest possible margin (Abbeel and Ng 2004, eq. 10). If some reward of norm 1 prefers the expert by delta to every
other policy, the perceptron makes at most (max |mu_E - mu_i| / delta)^2 updates (Novikoff 1962). Once the actor's
features are the expert's, it is as good as the expert, whatever the true reward is.

Without tables, actor and reward may oscillate and the last actor may be a poor one; the policy that is kept is the
actor whose features came nearest to the expert's, which needs no true reward (Abbeel and Ng 2004, section 3). Simple,
but it assumes an optimal expert; ``maxent_irl`` allows one that errs.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.inverse_rl.base import InverseAgent
from lhy_rl.agents.inverse_rl.state_visitation import StateVisitation, loaded_visitation, mixture_policy
from lhy_rl.core.errors import suggest
from lhy_rl.core.saved_states import check_like, load_optimizer
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.min_norm_point import min_norm_point
from lhy_rl.rollouts.vector_envs import Environment

METHODS = ("perceptron", "max_margin")
MOVES = 20_000  # maximum per update of a linear perceptron; reached only if nothing separates the expert


class IRL(InverseAgent):
    """Structured learning of a reward. A timestep is a plan on tables, and a step of the environment elsewhere.

    Args:
        env: An environment with tables, or any that PPO takes with observations that are numbers.
        method: ``perceptron``, or ``max_margin``: for a linear reward the quadratic program, solved exactly, for a
            network the hinge loss.
        learning_rate: Step size of the perceptron (for a linear reward on tables it only scales w), and Adam's learning
            rate for the hinge loss.
        reward_steps: Gradient steps of a network per update. Not used by a linear reward: the perceptron moves until
            the expert scores above every stored actor, and the quadratic program is solved.
        l2: Weight of the squared parameters in the hinge loss.
        tolerance: On tables: stop when the expected features of the actor (for ``perceptron``) or of the best mixture
            of actors (for ``max_margin``) are nearer than this to the expert's, in Euclidean distance relative to the
            first actor's.
        stored: Maximum number of stored actors; the oldest is dropped first.
        **inverse: Options of ``irl`` and ``maxent_irl``, and of every agent.

    Logs ``train/margin`` (the least difference of the expert's score and a stored actor's, for a linear reward scaled
    to norm 1), ``train/mistakes``, ``train/feature_gap``, ``train/actor_gap``, ``train/stored`` and on tables
    ``rollout/ep_rew_mean`` (of the policy, under the true reward), otherwise the metrics of PPO.
    """

    def __init__(
        self,
        env: Environment,
        *,
        method: str = "max_margin",
        learning_rate: float = 1.0,
        reward_steps: int = 50,
        l2: float = 1e-3,
        tolerance: float = 1e-3,
        stored: int = 200,
        **inverse: Any,
    ) -> None:
        positive(learning_rate=learning_rate, tolerance=tolerance)
        check(reward_steps=(reward_steps, 1), l2=(l2, 0), stored=(stored, 1))
        if method not in METHODS:
            raise suggest(method, METHODS, "method")
        super().__init__(env, **inverse)
        self.method = method
        self.learning_rate = learning_rate
        self.reward_steps = reward_steps
        self.l2 = l2
        self.tolerance = tolerance
        self.most = stored
        self.actors: list[StateVisitation] = []
        self.plans: list[np.ndarray] = []  # the actors' policies, on tables
        self.mistakes = 0
        self.first_gap = 0.0
        self.least_gap = np.inf
        self.indistinguishable = False
        hinged = method == "max_margin" and not self.reward.linear
        self.optimizer = torch.optim.Adam(self.reward.parameters(), lr=learning_rate) if hinged else None
        if self.planned is None:
            self.policy = copy.deepcopy(self.learner.policy)

    @property
    def unfinished(self) -> bool:
        return super().unfinished and not self.indistinguishable

    # ------------------------------------------------------------------ alternate
    def update(self) -> Metrics:
        expert = self.demonstrated_expert
        # the optimal actor under the current reward
        planned = self.planned
        if planned is not None:
            metrics: Metrics = {}
            plan = self.best_policy()
            actor = planned.on_table(planned.occupancy(plan))
            self.plans = [*self.plans, plan][-self.most :]
            self.num_timesteps += 1
        else:
            actor, _, metrics = self.play()
        actor_gap = (expert.mean - actor.mean).norm().item()
        self.first_gap = self.first_gap or actor_gap
        if planned is None and actor_gap < self.least_gap:  # keep the actor nearest to the expert
            self.least_gap = actor_gap
            self.policy.load_state_dict(self.played)
        enough = self.tolerance * self.first_gap
        separated = actor_gap > enough
        if separated or not self.actors:
            self.actors = [*self.actors, actor][-self.most :]
        elif planned is not None:
            self.plans = self.plans[:-1]
        # move the reward so that the expert is better under it
        apart = torch.stack([expert.mean - other.mean for other in self.actors])  # (K, F)
        nearest, shares = min_norm_point(apart.double().cpu().numpy())
        if separated:
            self._move_reward(apart, nearest)
        gap = float(np.linalg.norm(nearest))
        if planned is not None:
            newest = self.method == "perceptron" or not separated  # else the mixture that comes nearest to the expert
            self.policy_table = plan if newest else mixture_policy(self.plans, shares, planned.task, self.gamma)
            planned.policy.set(self.policy_table)
            self.indistinguishable = not separated if self.method == "perceptron" else gap <= enough
            metrics["rollout/ep_rew_mean"] = planned.true_return(self.policy_table)
        return {
            **metrics,
            "train/margin": float(self.margins().min()),
            "train/mistakes": self.mistakes,
            "train/feature_gap": gap / max(self.first_gap, 1e-12),
            "train/actor_gap": actor_gap / max(self.first_gap, 1e-12),
            "train/stored": len(self.actors),
        }

    def margins(self) -> Tensor:
        """(K,) margins of the expert's score over each stored actor's, under the current reward."""
        with torch.no_grad():
            apart = self._apart()
            return apart / self.reward.weights.norm().clamp(min=1e-12) if self.reward.linear else apart

    def _apart(self) -> Tensor:
        """(K,) score of the expert minus those of the stored actors."""
        expert = self.demonstrated_expert
        if self.planned is not None:  # the same states for all
            weights = torch.stack([expert.weights - actor.weights for actor in self.actors])
            apart: Tensor = weights @ self.reward(expert.features)
            return apart
        return expert.score(self.reward) - torch.stack([actor.score(self.reward) for actor in self.actors])

    def _move_reward(self, apart: Tensor, nearest: np.ndarray) -> None:
        if self.optimizer is not None:
            self._hinge(self.optimizer)
        elif not self.reward.linear:
            self._perceptron_of_a_network()
        else:
            if self.method == "perceptron":
                weights = self._perceptron(apart.double().cpu().numpy())
            else:
                weights = nearest / max(float(np.linalg.norm(nearest)), 1e-12)
            with torch.no_grad():
                self.reward.weights.copy_(torch.as_tensor(weights))

    def _perceptron(self, apart: np.ndarray) -> np.ndarray:
        """w <- w + learning_rate (mu_E - mu_i), i the actor with the highest score, until the expert is above it."""
        weights = self.reward.weights.detach().double().cpu().numpy().copy()
        for _ in range(MOVES):
            margins = apart @ weights
            worst = int(margins.argmin())
            if margins[worst] > 0:
                break
            self.mistakes += 1
            weights += self.learning_rate * apart[worst]
        return weights

    def _perceptron_of_a_network(self) -> None:
        """R <- R + learning_rate d(score of the expert - score of the best actor)/dR, until that is positive."""
        for _ in range(self.reward_steps):
            worst = self._apart().min()
            if worst > 0:
                break
            self.mistakes += 1
            grads = torch.autograd.grad(worst, list(self.reward.parameters()))
            with torch.no_grad():
                for parameter, grad in zip(self.reward.parameters(), grads, strict=True):
                    parameter.add_(grad, alpha=self.learning_rate)

    def _hinge(self, optimizer: torch.optim.Optimizer) -> None:
        """sum_i max(0, 1 - (score of the expert - score of actor i)) + l2 |theta|^2."""
        for _ in range(self.reward_steps):
            apart = self._apart()
            penalty = torch.stack([p.square().sum() for p in self.reward.parameters()]).sum()
            loss: Tensor = (1 - apart).clamp(min=0).sum() + self.l2 * penalty
            self.mistakes += int((apart <= 0).sum())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    # ------------------------------------------------------------------ saving, loading
    def state_dict(self) -> dict[str, Any]:
        return {
            **super().state_dict(),
            "optimizer": None if self.optimizer is None else self.optimizer.state_dict(),
            "actors": [a.weights if self.planned is not None else a.state_dict() for a in self.actors],
            "plans": self.plans,
            "mistakes": self.mistakes,
            "first_gap": self.first_gap,
            "least_gap": self.least_gap,
            "indistinguishable": self.indistinguishable,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        if self.optimizer is not None:
            load_optimizer(self.optimizer, state["optimizer"])
        if self.planned is not None:
            weights, task = self.demonstrated_expert.weights, self.planned.task
            horizon = () if task.max_episode_steps is None else (task.max_episode_steps,)
            plan = np.zeros((*horizon, len(task.starts), task.transitions.shape[1]))  # (T, S, A) or (S, A)
            check_like(state["actors"], [weights] * len(state["actors"]), "actors", shapes=True)
            check_like(state["plans"], [plan] * len(state["actors"]), "plans", shapes=True)
            if len(state["plans"]) != len(state["actors"]):
                raise ValueError(f"it has {len(state['plans'])} plans for {len(state['actors'])} actors")
            self.actors = [self.planned.on_table(weights) for weights in state["actors"]]
        else:
            size = self.reward_model.features.size
            self.actors = [loaded_visitation(actor, self.device, size) for actor in state["actors"]]
        self.plans = list(state["plans"])
        self.mistakes = int(state["mistakes"])
        self.first_gap, self.least_gap = float(state["first_gap"]), float(state["least_gap"])
        self.indistinguishable = bool(state["indistinguishable"])
