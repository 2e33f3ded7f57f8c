"""Maximum-entropy inverse reinforcement learning: the reward that makes the demonstrations most likely.

The actor has maximum entropy given its rewards: pi(a|s) = exp(Q(s, a) - V(s)), with soft values. The reward ascends

    L(R) = <D_E, R> - E[V(s_0)],   dL/dR(s) = D_E(s) - D(s)        (Ziebart et al. 2008, eq. 6; Ziebart 2010, chapter 6)

where D_E and D are the expected visits of the expert and of the actor: at the maximum both have the same expected
features. On tables V and D are computed exactly. Otherwise the actor is PPO with an entropy bonus, and its expectation
is over the paths of its latest rollout, with importance weights under the current reward (Finn et al. 2016):

    dL/dtheta = E_demonstrations[dR] - sum_j w_j dR_j,   w_j ~ exp(R(tau_j)) / q(tau_j)

It allows suboptimal demonstrations, and its reward can be used for planning under other dynamics. Use ``irl`` for the
lecture's simpler version.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.inverse_rl.base import InverseAgent
from lhy_rl.agents.inverse_rl.planned_actor import PlannedActor
from lhy_rl.agents.inverse_rl.state_visitation import state_occupancy
from lhy_rl.core.errors import suggest
from lhy_rl.core.protocols import Tabular
from lhy_rl.core.saved_states import check_like, load_optimizer
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.dynamic_programming import soft_value_iteration
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.vector_envs import Environment

OPTIMIZERS = ("lbfgs", "adam")


class MaxEntIRL(InverseAgent):
    """Maximum causal entropy. A timestep is a plan on tables, and a step of the environment elsewhere.

    Args:
        env: An environment with tables, or any that PPO takes with observations that are numbers.
        optimizer: ``lbfgs`` (tables only; a few dozen plans) or ``adam``.
        learning_rate: Adam's, of the reward. 0.01 to 0.1 on tables, 0.001 to 0.01 elsewhere.
        l2: Weight of the squared parameters. A finite number of demonstrations can rarely be matched exactly; raise it
            (to 0.1) when there are few.
        tolerance: On tables: stop when no expected feature differs by more than this from the expert's.
        reward_steps: Without tables: gradient steps of the reward between two rounds of PPO.
        effective_share: Without tables: importance weights are flattened until the effective share of the paths is at
            least this.
        **inverse: Options of ``irl`` and ``maxent_irl``, and of every agent.

    On tables logs ``train/log_likelihood``, ``train/feature_gap``, ``train/occupancy_gap``, ``train/grad_norm`` and
    ``rollout/ep_rew_mean`` (under the true reward). Otherwise ``train/reward_margin``, ``train/effective_paths`` and
    the metrics of PPO.
    """

    def __init__(
        self,
        env: Environment,
        *,
        optimizer: str = "lbfgs",
        learning_rate: float = 0.01,
        l2: float = 0.0,
        tolerance: float = 1e-4,
        reward_steps: int = 10,
        effective_share: float = 0.5,
        **inverse: Any,
    ) -> None:
        positive(learning_rate=learning_rate, tolerance=tolerance)
        check(l2=(l2, 0), reward_steps=(reward_steps, 1), effective_share=(effective_share, 0, 1))
        if optimizer not in OPTIMIZERS:
            raise suggest(optimizer, OPTIMIZERS, "optimizer")
        super().__init__(env, **inverse)
        self.l2 = l2
        self.tolerance = tolerance
        self.reward_steps = reward_steps
        self.effective_share = effective_share
        self.matched = False
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(self.reward.parameters(), lr=learning_rate)
        if optimizer == "lbfgs" and self.planned is not None:
            self.optimizer = torch.optim.LBFGS(
                self.reward.parameters(), max_iter=1, max_eval=20, history_size=20, line_search_fn="strong_wolfe"
            )

    def update(self) -> Metrics:
        return self._update_by_play() if self.planned is None else self._update_on_tables(self.planned)

    @property
    def policies(self) -> dict[str, ActorCritic]:
        return {"maxent_irl": self.policy}

    @property
    def unfinished(self) -> bool:
        return super().unfinished and not self.matched

    # ------------------------------------------------------------------ tables
    def _update_on_tables(self, planned: PlannedActor) -> Metrics:
        expert, task, plans = self.demonstrated_expert, planned.task, 0

        def loss() -> Tensor:
            nonlocal plans
            plans += 1
            self.optimizer.zero_grad()
            rewards = self.reward(expert.features)
            value = SoftValue.apply(rewards, task, planned.starts, self.gamma)  # type: ignore[no-untyped-call]
            total: Tensor = value - expert.weights @ rewards + self._penalty()
            total.backward()  # type: ignore[no-untyped-call]
            return total

        before = self.optimizer.step(loss).item()  # type: ignore[attr-defined, arg-type]
        self.num_timesteps += plans
        problem = task.transitions, self.state_rewards, self.gamma, task.max_episode_steps
        policy = soft_value_iteration(*problem).policy
        planned.policy.set(policy)
        apart = torch.as_tensor(planned.occupancy(policy), device=self.device) - expert.weights
        gap = float((apart @ expert.features).abs().max())
        self.matched = gap < self.tolerance
        return {
            "train/log_likelihood": -before,
            "train/feature_gap": gap,
            "train/occupancy_gap": float(apart.abs().max()),
            "train/grad_norm": self._grad_norm(),
            "rollout/ep_rew_mean": planned.true_return(policy),
        }

    # ------------------------------------------------------------------ play
    def _update_by_play(self) -> Metrics:
        expert = self.demonstrated_expert
        _, log_prob, metrics = self.play()
        newest = self.reward_model.newest
        assert newest is not None
        played, valid = newest.features, newest.valid.float()  # (T, B, F), (T, B)
        log_q = (log_prob * valid).sum(0)  # (B,) of the paths
        weights = torch.full_like(log_q, 1 / len(log_q))
        for _ in range(self.reward_steps):
            rewards = self.reward(played) * valid
            with torch.no_grad():
                weights = flattened_weights(rewards.sum(0) - log_q, self.effective_share)
            steps = (weights * (valid.sum(0) + newest.absent)).sum()
            margin = expert.score(self.reward) - (weights * rewards.sum(0)).sum() / steps
            loss: Tensor = self._penalty() - margin
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        return {
            **metrics,
            "train/reward_margin": margin.item(),
            "train/effective_paths": float(1 / weights.square().sum()),
        }

    def _penalty(self) -> Tensor:
        return self.l2 * torch.stack([p.square().sum() for p in self.reward.parameters()]).sum()

    def _grad_norm(self) -> float:
        grads = [p.grad.norm() for p in self.reward.parameters() if p.grad is not None]
        return float(torch.stack(grads).norm())

    # ------------------------------------------------------------------ saving, loading
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "optimizer": self.optimizer.state_dict(), "matched": self.matched}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        load_optimizer(self.optimizer, state["optimizer"])
        for kept in self.optimizer.state.values():
            if "old_dirs" in kept:  # the history of LBFGS
                kept.pop("al", None)  # a buffer that it overwrites before reading
                last, size = len(kept["ro"]), kept["d"]
                for name, like in (("old_dirs", size), ("old_stps", size), ("ro", size.sum())):
                    check_like(kept[name], [like] * last, name, shapes=True)
                    if len(kept[name]) != last:
                        raise ValueError(f"the optimizer has {len(kept[name])} {name} for {last} steps")
        self.matched = bool(state["matched"])


class SoftValue(torch.autograd.Function):
    """E[V(s_0)], the soft value of a task with tables as a function of rewards (S,); its gradient is the visits."""

    @staticmethod
    def forward(ctx: Any, rewards: Tensor, task: Tabular, starts: np.ndarray, gamma: float) -> Tensor:
        table = rewards.detach().cpu().double().numpy()
        plan = soft_value_iteration(task.transitions, table, gamma, task.max_episode_steps)
        ctx.save_for_backward(torch.as_tensor(state_occupancy(task, plan.policy, gamma, starts)).to(rewards))
        values = plan.values if plan.values.ndim == 1 else plan.values[0]
        return rewards.new_tensor(starts @ values)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (occupancy,) = ctx.saved_tensors
        return grads[0] * occupancy, None, None, None


def flattened_weights(log_weights: Tensor, share: float) -> Tensor:
    """softmax(log_weights / t), (B,), for the least t >= 1 at which 1 / sum w^2 is at least ``share`` of B.

    Log-weights of whole paths are sums over their steps, so that the weights soon concentrate on one path; tempered
    weights keep the order that the reward gives.
    """
    low, high = 0.0, 60.0  # log2 of t
    if 1 / torch.softmax(log_weights, 0).square().sum() >= share * len(log_weights):
        return torch.softmax(log_weights, 0)
    for _ in range(40):
        middle = (low + high) / 2
        weights = torch.softmax(log_weights / 2**middle, 0)
        low, high = (low, middle) if 1 / weights.square().sum() >= share * len(weights) else (middle, high)
    return torch.softmax(log_weights / 2**high, 0)
