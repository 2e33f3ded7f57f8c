"""Adversarial inverse reinforcement learning: the discriminator contains a transferable reward (Fu et al. 2018).

    f(s, a, s') = g(s[, a]) + gamma h(s') - h(s),   D = e^f / (e^f + pi(a|s)),   reward f - log pi(a|s)    (eqs. 4, 12)

With the optimal discriminator f is the expert's advantage, and g, if it reads the state only, is the reward up to a
constant: ``save_reward`` saves g alone, and another policy can be trained on it under other dynamics. Use AIRL to learn
a reward; to imitate, ``gail`` does as well and is cheaper.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lhy_rl.agents.adversarial.gail import GAIL
from lhy_rl.agents.common.on_policy import OnPolicy
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.rollouts.rollout import Rollout
from lhy_rl.rollouts.vector_envs import Environment


class AIRL(GAIL):
    """GAIL with a discriminator made of a reward and a shaping term. A timestep is an environment step.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable.
        state_only: Whether the reward g reads the state only, which lets it transfer; otherwise the action, too.
        discriminator: ``shaped``.
        discriminator_inputs: ``state_action_next_state``.
        **gail: Options of ``gail``, of ``ppo``, and of every agent.

    Logs the metrics of ``gail``.
    """

    discriminators = ("shaped",)

    def __init__(
        self,
        env: Environment,
        *,
        state_only: bool = True,
        discriminator: str = "shaped",
        discriminator_inputs: str = "state_action_next_state",
        **gail: Any,
    ) -> None:
        self.state_only = state_only
        super().__init__(env, discriminator=discriminator, discriminator_inputs=discriminator_inputs, **gail)
        if self.policy.recurrent:
            raise UserError("airl evaluates pi(a|s) on single steps of the expert, without memory; core must be null")
        if self.discriminator.objective.kind != "logit":
            raise UserError("airl's discriminator outputs a probability; objective must be gan or gan_saturating")
        self.discriminator.policy_log_prob = LearnersLogProb(self.learner)


class LearnersLogProb:
    """log pi(a|s) under the current policy of a learner without memory."""

    def __init__(self, learner: OnPolicy) -> None:
        self.learner = learner

    @torch.no_grad()
    def of_rollout(self, rollout: Rollout) -> Tensor:
        obs = map_tree(lambda x: x[:-1], rollout.obs)
        evaluation = self.learner.policy.evaluate(
            obs, rollout.actions, (), rollout.start[:-1], action_mask=rollout.action_mask
        )
        return evaluation.log_prob[rollout.valid]

    @torch.no_grad()
    def of_expert(self, transitions: Transitions) -> Tensor:
        device = self.learner.device
        normalized = self.learner.normalizer.observations(transitions.obs)
        obs = map_tree(lambda x: torch.as_tensor(x, device=device)[None], normalized)
        actions = torch.as_tensor(transitions.actions, device=device)[None]
        start = torch.zeros(1, len(transitions), dtype=torch.bool, device=device)
        return self.learner.policy.evaluate(obs, actions, (), start).log_prob[0]
