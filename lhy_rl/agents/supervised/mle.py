"""Maximum likelihood, with scheduled sampling.

L = -E[log pi(x_t | x_<t)] over the training sentences of a text task. It is the baseline of everything that
trains text by reward, and where they all begin. With scheduled sampling (Bengio et al. 2015) the inputs are
more and more the model's own tokens, as they will be when it writes; the targets stay the true ones.
"""

from __future__ import annotations

from typing import Any

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.supervised.sequence_likelihood import Likelihood
from lhy_rl.core.validation import check, positive
from lhy_rl.rollouts.vector_envs import Environment


class MLE(Agent):
    """Maximum likelihood on a text task. A timestep is a token learned from.

    Args:
        env: A text environment: an id or a ``VectorEnv``.
        learning_rate: Adam's. 0.01 is fast for small generators; 0.005 with more hidden units and dropout.
        batch_size: Sentences a gradient step.
        max_grad_norm: Longer gradients are shortened to it.
        gradient_steps: Gradient steps an update, between two rows of metrics.
        scheduled_sampling: ``none``, ``linear``, ``exponential`` or ``inverse_sigmoid``: how the share of true
            inputs falls.
        scheduled_sampling_half_life: Gradient steps until half of the inputs are the model's own.
        **shared: Options of every agent.

    Logs ``train/nll`` (nats a token), ``train/epoch`` and, with scheduled sampling, ``train/true_token_probability``.
    """

    def __init__(
        self,
        env: Environment,
        *,
        learning_rate: float = 0.01,
        batch_size: int = 64,
        max_grad_norm: float = 5.0,
        gradient_steps: int = 50,
        scheduled_sampling: str = "none",
        scheduled_sampling_half_life: float = 1000.0,
        **shared: Any,
    ) -> None:
        positive(learning_rate=learning_rate, max_grad_norm=max_grad_norm, half_life=scheduled_sampling_half_life)
        check(batch_size=(batch_size, 1), gradient_steps=(gradient_steps, 1))
        super().__init__(env, **shared)
        self.gradient_steps = gradient_steps
        self.likelihood = Likelihood(
            self.policy,
            self.task,
            self.generator,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_grad_norm=max_grad_norm,
            scheduled_sampling=scheduled_sampling,
            half_life=scheduled_sampling_half_life,
        )

    @property
    def timestep(self) -> str:
        return "tokens learned from"

    def update(self) -> Metrics:
        metrics, tokens = self.likelihood.update(self.gradient_steps)
        self.num_timesteps += tokens
        return metrics

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "likelihood": self.likelihood.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.likelihood.load_state_dict(state["likelihood"])
