"""Behaviour cloning: maximum likelihood of an expert's actions.

    L = -E[log pi(a|s)] - c E[H(pi(.|s))]       over the demonstrated (s, a)     (Pomerleau 1991)

The first thing to try where there are demonstrations, and enough where they cover the states that the policy will
reach. Where its own errors lead it to other states, its cost grows with the square of the horizon (Ross and Bagnell
2010): then use `dagger` if the expert can be queried, or `gail` if it cannot.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.supervised.base import SupervisedImitation
from lhy_rl.agents.supervised.labelled_steps import LabelledSteps, PreparedDataset
from lhy_rl.core.errors import UserError
from lhy_rl.core.saved_states import check_like
from lhy_rl.core.validation import check
from lhy_rl.rollouts.vector_envs import Environment


class BC(SupervisedImitation):
    """Behaviour cloning. A timestep is a demonstrated step that a gradient step learned from.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable; it is not stepped.
        gradient_steps: Gradient steps per update, between two evaluations of the held-out episodes.
        held_out: Share of the episodes held out for evaluation, at least one where there are two; the weights with
            their greatest likelihood are kept at the end. 0 trains on all episodes and keeps the last weights.
        patience: Stop when the held-out likelihood has not risen for this many updates; null never stops.
        **imitation: Options of ``bc`` and ``dagger``, and of every agent.

    Logs ``train/nll``, ``train/entropy``, ``train/grad_norm``, ``train/epoch``, ``train/learning_rate`` and, with
    episodes held out, ``train/nll_held_out`` and, for discrete actions, ``train/accuracy_held_out``.
    """

    def __init__(
        self,
        env: Environment,
        *,
        gradient_steps: int = 100,
        held_out: float = 0.1,
        patience: int | None = None,
        num_envs: int = 1,
        **imitation: Any,
    ) -> None:
        check(gradient_steps=(gradient_steps, 1), held_out=(held_out, 0, 0.9))
        check(patience=(1 if patience is None else patience, 1))
        super().__init__(env, num_envs=num_envs, **imitation)
        self.gradient_steps = gradient_steps
        self.patience = patience
        self.best: dict[str, Tensor] | None = None
        self.best_nll, self.waited = float("inf"), 0
        self.held_out: PreparedDataset | None = None
        self.parts: tuple[LabelledSteps, LabelledSteps | None] | None = None  # to learn, and held out
        if self.demonstrated is not None:
            self.parts = split(self.demonstrated, held_out, self.generator)
            self.measure(self.parts[0])
            self._prepare(*self.parts)

    def _prepare(self, learned: LabelledSteps, held_out: LabelledSteps | None, order: Tensor | None = None) -> None:
        """Normalise both as the policy's observations; ``order`` is the rest of an unfinished pass, if there is one."""
        self.learn_from(self.prepared(learned), order)
        self.held_out = None if held_out is None else self.prepared(held_out)

    def loss(self, log_prob: Tensor, entropy: Tensor) -> Tensor:
        """L = -E[log pi(a|s)] - c E[H(pi(.|s))]."""
        return -log_prob.mean() - self.entropy_coef * entropy.mean()

    def update(self) -> Metrics:
        if self.demonstrated is None:
            raise UserError("bc needs demonstrations; none were given (lhy-rl list demonstrations)")
        rate = self.present_rate
        metrics, learned = self.take_gradient_steps(self.gradient_steps)
        self.num_timesteps += learned
        steps_per_epoch = max(1.0, len(self.dataset.labelled_rows) / self.batch_size)
        metrics["train/epoch"] = self.num_gradient_steps / steps_per_epoch
        metrics["train/learning_rate"] = rate
        if self.held_out is not None:
            metrics |= self.held_out_metrics(self.held_out)
            self._keep_if_best(metrics["train/nll_held_out"])
            if not self.unfinished:
                assert self.best is not None
                self.policy.load_state_dict(self.best)
        return metrics

    def _keep_if_best(self, nll: float) -> None:
        """Keep the weights if they are the best so far."""
        if nll < self.best_nll:
            self.best_nll, self.waited = nll, 0
            self.best = {name: tensor.clone() for name, tensor in self.policy.state_dict().items()}
        else:
            self.waited += 1

    @property
    def timestep(self) -> str:
        return "demonstrated steps learned from"

    @property
    def unfinished(self) -> bool:
        return super().unfinished and (self.patience is None or self.waited < self.patience)

    # ------------------------------------------------------------------ saving, loading
    def begin_anew(self) -> None:
        super().begin_anew()
        self.best, self.best_nll, self.waited = None, float("inf"), 0  # other demonstrations may have been held out

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "best": self.best, "best_nll": self.best_nll, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.best, self.best_nll, self.waited = state["best"], state["best_nll"], state["waited"]
        if self.best is not None:
            check_like(self.best, self.policy.state_dict(), "best", shapes=True)
        elif self.best_nll < float("inf"):
            raise ValueError("it has no 'best', the weights with the lowest validation loss")
        if self.parts is not None:  # the loaded normalisation may be that of other demonstrations
            self._prepare(*self.parts, self.order)


def split(steps: LabelledSteps, share: float, generator: torch.Generator) -> tuple[LabelledSteps, LabelledSteps | None]:
    """Split whole episodes to train on and to hold out; None is held out of a single episode, or if the share is 0."""
    spans = steps.episodes
    if not share or len(spans) < 2:
        return steps, None
    count = min(max(1, round(share * len(spans))), len(spans) - 1)
    order = torch.randperm(len(spans), generator=generator).tolist()
    learned, held_out = (
        steps[torch.cat([torch.arange(*spans[i]) for i in sorted(members)])]
        for members in (order[count:], order[:count])
    )
    return (learned, held_out) if learned.labelled.any() and held_out.labelled.any() else (steps, None)
