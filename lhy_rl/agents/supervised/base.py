"""The part that `bc` and `dagger` share: gradient steps on labelled steps, and normalisation of observations."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import Any, Self

import gymnasium as gym
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.agents.common.gradient_step import diverged
from lhy_rl.agents.supervised.action_likelihood import ActionLikelihood, LabelledFeatures, likelihood_of
from lhy_rl.agents.supervised.labelled_steps import LabelledSteps, PreparedDataset, packed_rows
from lhy_rl.core.errors import suggest
from lhy_rl.core.saved_states import check_rows, load_optimizer
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import check, positive
from lhy_rl.interop.demonstrations import load_demonstrations
from lhy_rl.nn.acceleration.flat_parameters import FlatParameters
from lhy_rl.nn.acceleration.manual_gradients import ManualNetwork
from lhy_rl.nn.backbones.base import CoreChoice
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.policies.actor_critic import mask_of
from lhy_rl.rollouts.vector_envs import Environment

SCHEDULES = ("constant", "linear")
LEAST_RATE = 0.02  # share of the learning rate that is left at the end of a linear schedule
LEAST_DEVIATION = 1e-6  # observations that vary less are not rescaled
HELD_OUT_BATCH = 1024  # steps that are evaluated at a time


class SupervisedImitation(Agent):
    """A policy that learns actions from labelled steps.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable; its spaces must be the demonstrations'.
        demonstrations: Steps of an expert: :class:`~lhy_rl.data.demonstrations.Demonstrations`, or the name, id or path
            of some (``lhy-rl list demonstrations``).
        trajectories: Number of episodes to use, the first ones; null takes all.
        subsample: Use the actions of every n-th step only, from a random offset on (Ho and Ermon 2016 take 10 or 20,
            because whole trajectories are easily cloned). A policy with a memory still reads all observations.
        learning_rate: AdamW's.
        learning_rate_schedule: ``constant``, or ``linear`` down to a fiftieth at the end of ``learn``.
        batch_size: Minibatch size in steps; a policy with a memory takes whole episodes of about as many steps.
        entropy_coef: Bonus on the policy's entropy; below 1 where actions are continuous.
        weight_decay: Pull on all weights towards 0 (L2, AdamW's). Raise it where there are few demonstrations.
        max_grad_norm: Maximum norm of the gradient; larger gradients are clipped to it.
        normalize_observations: Bring vectors of floats to mean 0 and variance 1 over the demonstrations; images, tokens
            and dicts stay as they are. The statistics are saved with the agent.
        **shared: Options of every agent.
    """

    former_names = {"every": "subsample"}
    changeable: tuple[str, ...] = ("learning_rate", "entropy_coef", "max_grad_norm", "batch_size", "gradient_steps")

    def __init__(
        self,
        env: Environment,
        *,
        demonstrations: Any = None,
        trajectories: int | None = None,
        subsample: int = 1,
        learning_rate: float = 3e-3,
        learning_rate_schedule: str = "linear",
        batch_size: int = 64,
        entropy_coef: float = 0.0,
        weight_decay: float = 0.01,
        max_grad_norm: float = 10.0,
        normalize_observations: bool = True,
        core: CoreChoice | None = None,
        embedding_size: int = 64,
        hidden_size: int = 64,
        critic: str = "none",
        **shared: Any,
    ) -> None:
        positive(learning_rate=learning_rate, max_grad_norm=max_grad_norm)
        check(batch_size=(batch_size, 1), entropy_coef=(entropy_coef, 0), weight_decay=(weight_decay, 0))
        check(subsample=(subsample, 1), trajectories=(1 if trajectories is None else trajectories, 1))
        if learning_rate_schedule not in SCHEDULES:
            raise suggest(learning_rate_schedule, SCHEDULES, "learning_rate_schedule")
        super().__init__(
            env, core=core, embedding_size=embedding_size, hidden_size=hidden_size, critic=critic, **shared
        )
        if isinstance(self.env.single_action_space, gym.spaces.Box):
            check(entropy_coef=(entropy_coef, 0, 0.99))
        self.learning_rate, self.learning_rate_schedule = learning_rate, learning_rate_schedule
        self.batch_size, self.entropy_coef, self.max_grad_norm = batch_size, entropy_coef, max_grad_norm
        space = self.env.single_observation_space
        numbers = isinstance(space, gym.spaces.Box) and space.dtype.kind == "f" and len(space.shape) == 1
        self.normalizes = normalize_observations and numbers
        self.moments: tuple[Tensor, Tensor] | None = None  # mean and deviation of the observations
        self.likelihood = self.make_likelihood()
        self.parameters = FlatParameters(self.policy)
        self.optimizer = torch.optim.AdamW([self.parameters.vector], weight_decay=weight_decay, fused=True)
        self.manual = self._manual_network()
        self.order = torch.empty(0, dtype=torch.int64)  # remaining steps (with a memory, episodes) of this pass
        self.num_gradient_steps = 0
        self.demonstrated: LabelledSteps | None = None
        if demonstrations is not None:
            chosen = load_demonstrations(demonstrations, self.env, trajectories)
            self.demonstrated = LabelledSteps.of_demonstrations(chosen, subsample, self.seed)

    # ------------------------------------------------------------------ observations
    def measure(self, steps: LabelledSteps) -> None:
        """Compute the normalisation of observations from the labelled steps."""
        if self.normalizes:
            known = steps.obs[steps.labelled]
            deviation = known.std(0, correction=0)
            usual = torch.where(deviation > LEAST_DEVIATION, deviation, torch.ones_like(deviation))
            self.moments = known.mean(0).to(self.device), usual.to(self.device)

    def observe(self, observation: Any) -> Any:
        return self.normalized(super().observe(observation))

    def normalized(self, obs: Any) -> Any:
        """Normalised observations, as tensors for the policy."""
        if self.moments is None:
            return obs
        mean, deviation = self.moments
        return (obs.float() - mean) / deviation

    def prepared(self, steps: LabelledSteps) -> PreparedDataset:
        """Labelled steps on the policy's device."""
        moved = steps.map(lambda x: x.to(self.device))
        return PreparedDataset(moved, self.normalized(moved.obs))

    def learn_from(self, dataset: PreparedDataset, order: Tensor | None = None) -> None:
        """Learn from this dataset from now on; a new pass begins, or one resumes with ``order`` if that fits."""
        self.dataset = dataset
        self.order = self.order[:0] if order is None or (order >= self.pass_size).any() else order
        self.likelihood.fit_scale(dataset.steps.actions[dataset.labelled_rows])

    # ------------------------------------------------------------------ learning
    @abstractmethod
    def loss(self, log_prob: Tensor, entropy: Tensor) -> Tensor:
        """The loss of a minibatch, given the log-probabilities of the expert's actions and the entropies, (N,)."""

    def make_likelihood(self) -> ActionLikelihood:
        """The likelihood of the expert's actions under the policy."""
        return likelihood_of(self.policy)

    def batch_loss(self, batch: LabelledFeatures) -> tuple[Tensor, Tensor]:
        """:meth:`loss` of labelled steps, differentiable, and their statistics."""
        log_prob, entropy, stats = self.likelihood.evaluate(batch)
        return self.loss(log_prob, entropy), stats

    def loss_metrics(self, stats: Tensor) -> Metrics:
        """Metrics from the mean of an update's statistics."""
        return self.likelihood.metrics(stats, self.entropy_coef)

    def take_gradient_steps(self, count: int) -> tuple[Metrics, int]:
        """Take ``count`` gradient steps down the loss of the dataset.

        Returns:
            ``train/nll``, ``train/entropy``, ``train/grad_norm``, and the number of labelled steps learned from.

        Raises:
            UserError: the loss is not a number.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.present_rate
        if self.parameters.tie(self.optimizer):
            self.manual = self._manual_network()
        self.policy.train()
        rows, labelled = [], 0
        for _ in range(count):
            norm, stats, n = self._gradient_step(self._next_batch())
            rows.append(torch.cat([norm[None], stats]))
            labelled += n
            self.num_gradient_steps += 1
        mean = torch.stack(rows).mean(0)
        if not bool(mean.isfinite().all()):
            raise diverged(self.num_gradient_steps)
        return self.loss_metrics(mean[1:]) | {"train/grad_norm": float(mean[0])}, labelled

    def _gradient_step(self, rows: Tensor) -> tuple[Tensor, Tensor, int]:
        """One step down the loss of these rows: the gradient's norm, the statistics, the number of labelled steps."""
        if self.manual is not None:  # all rows are labelled, and the gradient of the same loss is computed by hand
            outputs = torch.from_numpy(self.manual.forward(self.dataset.obs.index_select(0, rows).numpy()))
            actions = self.dataset.steps.actions[rows]
            stats, grad = self.likelihood.manual_gradient(outputs, actions, self.entropy_coef)
            self.parameters.grad.zero_()
            self.manual.backward(grad.numpy())
            return self.parameters.step(self.optimizer, self.max_grad_norm), stats, len(rows)
        batch = self.features(self.dataset, rows)
        loss, stats = self.batch_loss(batch)
        norm = self.parameters.descend(self.optimizer, loss, self.max_grad_norm)
        return norm, stats, len(batch.features)

    def _manual_network(self) -> ManualNetwork | None:
        """The actor, if its gradient can be computed by hand."""
        if not self.policy.free or not self.likelihood.has_manual_gradient:
            return None
        return ManualNetwork.of(self.policy.trunk, self.policy.actor.output, self.parameters)

    def features(self, dataset: PreparedDataset, rows: Tensor) -> LabelledFeatures:
        """The inputs of the actor's head at the labelled steps among ``rows``: (N,), or (L, R) with -1 for no step."""
        rows = rows.to(self.device)
        steps, inside = dataset.steps, rows.clamp(min=0)
        obs = map_tree(lambda x: x[inside], dataset.obs)
        action_mask = mask_of(obs)
        if not self.policy.recurrent:
            h, _ = self.policy.trunk(map_tree(lambda x: x[None], obs), (), None)
            targets = None if steps.targets is None else steps.targets[rows]
            return LabelledFeatures(h[0], steps.actions[rows], action_mask, targets)
        start = steps.start[inside]
        start[0] = True
        h, _ = self.policy.trunk(obs, self.policy.trunk.initial_state(rows.shape[1]), start, rows >= 0)
        counts = (rows >= 0) & steps.labelled[inside]
        chosen = inside[counts]
        return LabelledFeatures(
            h[counts],
            steps.actions[chosen],
            None if action_mask is None else action_mask[counts],
            None if steps.targets is None else steps.targets[chosen],
        )

    def _next_batch(self) -> Tensor:
        """The next steps of this pass, or with a memory those of the next episodes; a batch may span two passes."""
        dataset, recurrent, total = self.dataset, self.policy.recurrent, self.pass_size
        size = min(self.batch_size, total)
        if recurrent:  # whole episodes, at least one, of about as many steps in total
            size = min(max(1, round(self.batch_size / (len(dataset.steps) / total))), total)
        if len(self.order) < size:
            self.order = torch.cat([self.order, torch.randperm(total, generator=self.generator)])
        batch, self.order = self.order[:size], self.order[size:]
        return packed_rows([dataset.episodes[i] for i in batch.tolist()]) if recurrent else dataset.labelled_rows[batch]

    @property
    def pass_size(self) -> int:
        """Number of items that a pass shuffles: labelled steps, or with a memory episodes."""
        return len(self.dataset.episodes if self.policy.recurrent else self.dataset.labelled_rows)

    @torch.no_grad()
    def held_out_metrics(self, dataset: PreparedDataset) -> Metrics:
        """``train/nll_held_out`` of held-out steps and, for discrete actions, ``train/accuracy_held_out``."""
        if self.policy.recurrent:
            parts = [packed_rows(dataset.episodes)]
        else:
            parts = list(torch.split(dataset.labelled_rows, HELD_OUT_BATCH))
        with evaluating(self.policy):
            return self.likelihood.held_out_metrics([self.features(dataset, rows) for rows in parts], self.entropy_coef)

    @property
    def present_rate(self) -> float:
        """The current learning rate."""
        if self.learning_rate_schedule == "constant":
            return self.learning_rate
        return self.learning_rate * max(LEAST_RATE, 1.0 - self.done_share)

    # ------------------------------------------------------------------ saving, loading
    @classmethod
    def load(
        cls, path: str | os.PathLike[str], env: Environment | None = None, device: str = "auto", **options: Any
    ) -> Self:
        """As :meth:`Agent.load`; the demonstrations are not read again unless they are given."""
        return super().load(path, env, device, **{"demonstrations": None, **options})

    def state_dict(self) -> dict[str, Any]:
        steps = {
            "optimizer": self.optimizer.state_dict(),
            "order": self.order,
            "num_steps": self.num_gradient_steps,
        }
        moments = None if self.moments is None else list(self.moments)
        return {**super().state_dict(), "cloning": steps, "moments": moments}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        steps = state["cloning"]
        load_optimizer(self.optimizer, steps["optimizer"])
        self.order, self.num_gradient_steps = steps["order"], steps["num_steps"]
        if state["moments"] is not None:
            mean, deviation = state["moments"]
            for moment in (mean, deviation):
                check_rows(moment, self.env.single_observation_space, (), "moments")
            self.moments = mean.to(self.device), deviation.to(self.device)
