"""Dataset aggregation: the expert labels the states that the learner visits.

    round i:  play a mixture beta_i expert + (1 - beta_i) pi_i,  let the expert label the states visited,
              D <- D + {(s, expert(s))},  pi_{i+1} = the likeliest policy on D        (Ross, Gordon and Bagnell 2011)

Use it where the expert can be queried: where the cost of cloning grows with the square of the horizon, DAgger's grows
with the horizon, because the learner's own errors are in its dataset.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lhy_rl.agents.supervised.base import SupervisedImitation
from lhy_rl.agents.supervised.experts import Expert, expert_for
from lhy_rl.agents.supervised.rounds import LabellingRounds
from lhy_rl.rollouts.vector_envs import Environment


class DAgger(LabellingRounds, SupervisedImitation):
    """Behaviour cloning in the states that the learner visits. A timestep is an environment step.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable; episodes go on from round to round.
        expert: The expert that labels: ``scripted`` (the environment itself, or the expert of
            ``lhy_rl.rollouts.scripted_controllers``), ``person`` (at the terminal), the path of an agent saved by us or
            by Stable-Baselines3; in Python also anything with ``predict``, or a function from observations (B, ...)
            to actions (B, ...).
        **rounds: Options of the rounds and of ``bc``, and of every agent.

    Logs ``rollout/ep_rew_mean`` and ``rollout/ep_len_mean`` (of the last 100 episodes played), ``rollout/labels`` (so
    far), ``rollout/expert_share``, ``rollout/agreement`` (how often the learner's action is the expert's, for
    discrete actions), ``train/nll``, ``train/entropy``, ``train/grad_norm``, ``train/learning_rate``.
    """

    def __init__(self, env: Environment, *, expert: Any = "scripted", **rounds: Any) -> None:
        self.asked = expert
        super().__init__(env, **rounds)

    def find_expert(self) -> Expert:
        return expert_for(self.asked, self.env)

    def loss(self, log_prob: Tensor, entropy: Tensor) -> Tensor:
        """L = -E[log pi(expert(s)|s)] - c E[H(pi(.|s))], over all of D."""
        return -log_prob.mean() - self.entropy_coef * entropy.mean()
