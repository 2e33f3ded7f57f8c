"""Gradient steps on the likelihood of what an expert did; the learning part of `bc` and `dagger`.

    L = -E[log pi(a|s)] - c E[H(pi(.|s))]

Of continuous actions the mean is learned by the squared error, weighted by the spread of the expert's actions, with
means beyond the actions' bounds counted as at them; the standard deviation is the likeliest one given the mean, in
closed form, instead of by gradient: a deviation that shrinks while the mean is learned only makes its steps uneven.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lhy_rl.agents.common.divergence import diverged
from lhy_rl.agents.supervised.labelled_steps import LabelledSteps, packed
from lhy_rl.core.saved_states import load_optimizer
from lhy_rl.core.trees import map_tree
from lhy_rl.functional.censored_gaussian import cut_residual, gaussian_nll, likeliest_log_std
from lhy_rl.functional.fused.categorical import categorical_backward, categorical_forward
from lhy_rl.nn.acceleration.flat_parameters import FlatParameters
from lhy_rl.nn.acceleration.manual_gradients import ManualNetwork
from lhy_rl.nn.heads.categorical import CategoricalHead
from lhy_rl.nn.heads.gaussian import GaussianHead
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.policies.actor_critic import ActorCritic, mask_of

ROWS = 1024  # steps judged at a time
LEAST_VARIANCE = 1e-8


class Material:
    """Examples and what the policy sees of them.

    Args:
        examples: At least one of them labelled.
        obs: (N, ...) their observations as the policy takes them.

    Attributes:
        known: The labelled steps.
        spans: First step of each episode and the one after its last.
    """

    def __init__(self, examples: LabelledSteps, obs: Any) -> None:
        self.examples, self.obs = examples, obs
        self.known = examples.labelled.nonzero()[:, 0]
        self.spans = examples.episodes


class Cloning:
    """Learns examples by heart, and says how well it knows others.

    Args:
        policy: The network that learns, on its device.
        generator: Owner of the shuffling.
        batch_size: Steps a gradient step; with a memory whole episodes of together about as many.
        entropy_coef: c.
        weight_decay: Pull on the weights (AdamW).
        max_grad_norm: Longer gradients are shortened to it.
    """

    def __init__(
        self,
        policy: ActorCritic,
        generator: torch.Generator,
        *,
        batch_size: int,
        entropy_coef: float,
        weight_decay: float,
        max_grad_norm: float,
    ) -> None:
        self.policy, self.generator = policy, generator
        self.batch_size, self.entropy_coef, self.max_grad_norm = batch_size, entropy_coef, max_grad_norm
        self.parameters = FlatParameters(policy)
        self.optimizer = torch.optim.AdamW([self.parameters.vector], weight_decay=weight_decay, fused=True)
        self.gaussian = policy.actor if isinstance(policy.actor, GaussianHead) else None
        self.manual = self._by_hand()
        self.order = torch.empty(0, dtype=torch.int64)  # of this pass's remaining steps or, with a memory, episodes
        self.num_steps = 0

    def _by_hand(self) -> ManualNetwork | None:
        """The actor, where its gradient may be made by hand."""
        if not self.policy.free or type(self.policy.actor) not in (CategoricalHead, GaussianHead):
            return None
        return ManualNetwork.of(self.policy.trunk, self.policy.actor.output, self.parameters)

    # ------------------------------------------------------------------ what there is to learn
    def study(self, material: Material, order: Tensor | None = None) -> None:
        """Learn this from now on; a new pass begins, or goes on with ``order`` unless that asks for more."""
        self.material = material
        self.order = self.order[:0] if order is None or (order >= self.pool).any() else order
        if self.gaussian is not None:
            spread = material.examples.actions[material.known].flatten(1).std(0, correction=0)
            self.scale = torch.where(spread > 1e-6, spread, torch.ones_like(spread))

    @property
    def pool(self) -> int:
        """What a pass shuffles: labelled steps, or with a memory episodes."""
        return len(self.material.spans if self.policy.recurrent else self.material.known)

    @property
    def steps_per_epoch(self) -> float:
        """Gradient steps in one pass over the examples, about."""
        return max(1.0, len(self.material.known) / self.batch_size)

    # ------------------------------------------------------------------ learning
    def update(self, steps: int, learning_rate: float) -> tuple[dict[str, float], int]:
        """That many gradient steps.

        Returns:
            ``train/nll``, ``train/entropy``, ``train/grad_norm``, and how many labelled steps they learned from.

        Raises:
            UserError: the loss is not a number.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        if self.parameters.tie(self.optimizer):
            self.manual = self._by_hand()
        self.policy.train()
        said: list[Tensor] = []
        learned = 0
        for _ in range(steps):
            row, n = self._gradient_step(self._next_batch())
            said.append(row)
            learned += n
            self.num_steps += 1
        mean = torch.stack(said).mean(0)
        if not bool(mean.isfinite().all()):
            raise diverged(self.num_steps)
        norm, rest = float(mean[0]), mean[1:]
        if self.gaussian is None:
            return {"train/nll": float(rest[0]), "train/entropy": float(rest[1]), "train/grad_norm": norm}, learned
        self.set_deviation(rest)
        nll = gaussian_nll(rest, self.gaussian.log_std.detach())
        entropy = self.gaussian.entropy().detach()
        return {"train/nll": float(nll), "train/entropy": float(entropy), "train/grad_norm": norm}, learned

    @torch.no_grad()
    def set_deviation(self, mean_square: Tensor) -> None:
        """The likeliest standard deviation, given the mean squared errors (A,)."""
        assert self.gaussian is not None
        self.gaussian.log_std.copy_(likeliest_log_std(mean_square.clamp(min=LEAST_VARIANCE), self.entropy_coef))

    def _gradient_step(self, rows: Tensor) -> tuple[Tensor, int]:
        """One step down the loss of these steps; (gradient's norm, what there is to log) and how many are labelled."""
        if self.manual is not None:
            outputs = self.manual.forward(self.material.obs.index_select(0, rows).numpy())
            said, grad = self._slope(torch.from_numpy(outputs), self.material.examples.actions[rows])
            self.parameters.grad.zero_()
            self.manual.backward(grad.numpy())
            norm = self.parameters.step(self.optimizer, self.max_grad_norm)
            return torch.cat([norm[None], said]), len(rows)
        loss, said, n = self._loss(rows)
        norm = self.parameters.descend(self.optimizer, loss, self.max_grad_norm)
        return torch.cat([norm[None], said]), n

    def _slope(self, outputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """What there is to log, and the loss's slope in the head's numbers (N, A)."""
        n = len(outputs)
        if self.gaussian is not None:
            residual = self._residual(outputs, actions)
            return residual.square().mean(0), residual / (-n * self.scale**2)
        assert isinstance(self.policy.actor, CategoricalHead)
        log_prob, entropy, kept = categorical_forward(outputs, actions.long() - self.policy.actor.start)
        grad = torch.full_like(log_prob, -1.0 / n)
        slope = categorical_backward(kept, grad, -self.entropy_coef / n if self.entropy_coef else None)
        return torch.stack([-log_prob.mean(), entropy.mean()]), slope

    def _loss(self, rows: Tensor) -> tuple[Tensor, Tensor, int]:
        """The loss with its graph, what there is to log, and how many of the steps are labelled."""
        h, actions, action_mask = self._features(self.material, rows)
        if self.gaussian is not None:
            residual = self._residual(self.gaussian.output(h), actions)
            loss = 0.5 * (residual / self.scale).square().sum(-1).mean()
            return loss, residual.detach().square().mean(0), len(h)
        log_prob, entropies = self.policy.actor.evaluate(h, actions, action_mask)
        nll, entropy = -log_prob.mean(), entropies.mean()
        return nll - self.entropy_coef * entropy, torch.stack([nll.detach(), entropy.detach()]), len(h)

    def _residual(self, mean: Tensor, actions: Tensor) -> Tensor:
        assert self.gaussian is not None
        return cut_residual(mean, actions.flatten(1), self.gaussian.low.flatten(), self.gaussian.high.flatten())

    def _features(self, material: Material, rows: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Features, actions and legal actions of the labelled among some steps: (N,), or (L, R) with -1 for none."""
        rows = rows.to(self.policy.device)
        examples, inside = material.examples, rows.clamp(min=0)
        obs = map_tree(lambda x: x[inside], material.obs)
        action_mask = mask_of(obs)
        if not self.policy.recurrent:
            h, _ = self.policy.trunk(map_tree(lambda x: x[None], obs), (), None)
            return h[0], examples.actions[rows], action_mask
        start = examples.start[inside]
        start[0] = True
        h, _ = self.policy.trunk(obs, self.policy.trunk.initial_state(rows.shape[1]), start)
        counts = (rows >= 0) & examples.labelled[inside]
        return h[counts], examples.actions[inside[counts]], None if action_mask is None else action_mask[counts]

    # ------------------------------------------------------------------ batches
    def _next_batch(self) -> Tensor:
        """The next steps of this pass, or with a memory the next episodes'; passes follow each other without a gap."""
        material, recurrent, pool = self.material, self.policy.recurrent, self.pool
        size = min(self.batch_size, pool)
        if recurrent:  # whole episodes of together as many steps, at least one
            mean = len(material.examples) / pool
            size = min(max(1, round(self.batch_size / mean)), pool)
        if len(self.order) < size:
            self.order = torch.cat([self.order, torch.randperm(pool, generator=self.generator)])
        batch, self.order = self.order[:size], self.order[size:]
        return rows_of([material.spans[i] for i in batch.tolist()]) if recurrent else material.known[batch]

    # ------------------------------------------------------------------ judging
    @torch.no_grad()
    def judge(self, material: Material) -> dict[str, float]:
        """Of examples that are not learned: the mean negative log-likelihood, and how often the most probable action is
        the expert's (not of continuous ones, whose standard deviation is set by these errors).
        """
        parts = [rows_of(material.spans)] if self.policy.recurrent else list(torch.split(material.known, ROWS))
        with evaluating(self.policy):
            said = [self._features(material, rows) for rows in parts]
        if self.gaussian is not None:
            errors = torch.cat([self._residual(self.gaussian.output(h), actions) for h, actions, _ in said])
            self.set_deviation(errors.square().mean(0))
            nll = gaussian_nll(errors.square().mean(0), self.gaussian.log_std)
            return {"train/nll_held_out": float(nll)}
        head = self.policy.actor
        log_prob = torch.cat([head.log_prob(h, actions, action_mask=action_mask) for h, actions, action_mask in said])
        right = [
            (head.sample(h, temperature=0.0, action_mask=action_mask) == actions) for h, actions, action_mask in said
        ]
        accuracy = torch.cat(right).view(len(log_prob), -1).all(1).float().mean()
        return {"train/nll_held_out": -float(log_prob.mean()), "train/accuracy_held_out": float(accuracy)}

    # ------------------------------------------------------------------ resume
    def state_dict(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "order": self.order, "num_steps": self.num_steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        load_optimizer(self.optimizer, state["optimizer"])
        self.order = state["order"]
        self.num_steps = state["num_steps"]


def rows_of(spans: Sequence[tuple[int, int]]) -> Tensor:
    """(L, R) steps of episodes put end to end in R rows, as long as the longest; -1 behind a row's last."""
    spans = sorted(spans, key=lambda span: span[0] - span[1])  # the longest first
    length = spans[0][1] - spans[0][0]
    rows = packed([end - first for first, end in spans], length)
    index = torch.full((length, len(rows)), -1)
    for column, members in enumerate(rows):
        steps = torch.cat([torch.arange(*spans[i]) for i in members])
        index[: len(steps), column] = steps
    return index
