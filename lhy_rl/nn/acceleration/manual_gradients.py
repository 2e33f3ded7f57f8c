"""Hand-written gradients of small networks, in numpy.

A gradient step of a network of a few dozen units is some eighty operations of a few microseconds each. Recording them
in a graph costs as much again, and each costs twice as much in torch as in numpy, whose tanh is faster, too. This
module computes them without a graph; each class gives the same numbers as the torch module that it replaces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.nn.acceleration.flat_parameters import FlatParameters
from lhy_rl.nn.encoders.mlp import MLPEncoder
from lhy_rl.nn.heads.categorical import CategoricalHead
from lhy_rl.nn.heads.gaussian import LOG_SQRT_2PI, GaussianHead
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.policies.trunk import Trunk

Array = np.ndarray
ROWS = 1024  # rows evaluated at a time, so that their activations stay in the cache


class ManualNetwork:
    """A trunk of tanh layers, followed by a linear layer.

    Args:
        trunk: The trunk, of the kind that :meth:`of` accepts.
        output: The last layer.
        parameters: The parameters of the whole network; gradients are written there.
    """

    def __init__(self, trunk: Trunk, output: nn.Linear, parameters: FlatParameters) -> None:
        assert isinstance(trunk.encoder, MLPEncoder)
        layers = [*(layer for layer in trunk.encoder.layers if isinstance(layer, nn.Linear)), output]
        self.scale = np.float32(trunk.encoder.scale)
        self.weights = [layer.weight.detach().numpy() for layer in layers]  # (O, I); memory shared with torch
        self.biases = [layer.bias.detach().numpy() for layer in layers]
        self.grad_weights = [parameters.grad_of(layer.weight).numpy() for layer in layers]
        self.grad_biases = [parameters.grad_of(layer.bias).numpy() for layer in layers]
        self.inputs: list[Array] = []

    @classmethod
    def of(cls, trunk: Trunk, output: nn.Linear, parameters: FlatParameters) -> ManualNetwork | None:
        """The network, or None if the trunk does not fit: on a GPU, of images or tokens, recurrent, or other layers."""
        encoder = trunk.encoder
        known = type(encoder) is MLPEncoder and encoder.layers.fused  # a subclass may compute something else
        fits = known and not trunk.has_memory and not trunk.dropout.p
        where = {(p.device.type, p.dtype) for p in (*trunk.parameters(), output.weight)}
        return cls(trunk, output, parameters) if fits and where == {("cpu", torch.float32)} else None

    def forward(self, obs: Array) -> Array:
        """(N, ...) observations to (N, O); each layer's input is kept for :meth:`backward`."""
        x = obs.reshape(len(obs), -1).astype(np.float32, copy=False)
        if self.scale != 1:
            x = x * self.scale
        self.inputs = [x]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = x @ weight.T
            x += bias
            np.tanh(x, out=x)
            self.inputs.append(x)
        y: Array = x @ self.weights[-1].T
        y += self.biases[-1]
        return y

    def backward(self, grad: Array) -> None:
        """Write the parameters' gradients, given the outputs' (N, O); overwrites what :meth:`forward` kept."""
        for k in reversed(range(len(self.weights))):
            y = self.inputs[k]
            np.matmul(grad.T, y, out=self.grad_weights[k])
            np.add.reduce(grad, 0, out=self.grad_biases[k])
            if k:
                grad = grad @ self.weights[k]
                np.multiply(y, y, out=y)
                np.subtract(1.0, y, out=y)
                grad *= y  # d tanh z / dz = 1 - y^2


class CategoricalOutput:
    """Log-probability and entropy of a softmax over a network's outputs."""

    def __init__(self, head: CategoricalHead) -> None:
        self.start = head.start

    def evaluate(self, outputs: Array, actions: Array, action_mask: Array | None) -> tuple[Array, Array]:
        """(N, A) logits and (N,) actions to log-probabilities and entropies, (N,)."""
        logits = outputs.T.copy()  # (A, N): numpy sums over the first axis much faster than over a short last one
        if action_mask is not None:
            logits[~action_mask.T] = -np.inf
        logits -= logits.max(0)
        self.p = np.exp(logits)
        total = self.p.sum(0)
        self.p /= total
        logits -= np.log(total)
        np.maximum(logits, np.finfo(logits.dtype).min, out=logits)  # 0 log 0 = 0
        self.chosen = actions - self.start, np.arange(len(actions))
        log_prob = logits[self.chosen]
        self.weighted = np.multiply(self.p, logits, out=logits)
        self.entropy = -self.weighted.sum(0)
        return log_prob, self.entropy

    def backward(self, grad_log_prob: Array, grad_entropy: float) -> Array:
        """d log p(a) / d logits = onehot(a) - p,   d H / d logits = -p (log p + H): (N, A)."""
        grad: Array = self.p * -(grad_log_prob + grad_entropy * self.entropy if grad_entropy else grad_log_prob)
        grad[self.chosen] += grad_log_prob
        if grad_entropy:
            grad -= grad_entropy * self.weighted
        return grad.T


class GaussianOutput:
    """Log-probability and entropy of a normal distribution, from a network's outputs and the head's ``log_std``."""

    def __init__(self, head: GaussianHead, parameters: FlatParameters) -> None:
        self.log_std = head.log_std.detach().numpy()
        self.grad_log_std = parameters.grad_of(head.log_std).numpy()

    def evaluate(self, outputs: Array, actions: Array, action_mask: Array | None) -> tuple[Array, Array]:
        """(N, A) means and (N, ...) actions to log-probabilities and entropies, (N,)."""
        self.precision = np.exp(-self.log_std)
        self.z = (actions.reshape(outputs.shape) - outputs) * self.precision
        log_prob = -(0.5 * self.z * self.z + self.log_std + np.float32(LOG_SQRT_2PI)).sum(1)
        entropy = (self.log_std + np.float32(LOG_SQRT_2PI + 0.5)).sum()
        return log_prob, np.broadcast_to(entropy, log_prob.shape)

    def backward(self, grad_log_prob: Array, grad_entropy: float) -> Array:
        """Return the means' gradient, (N, A), and write that of ``log_std``."""
        grad: Array = grad_log_prob[:, None] * self.z
        self.grad_log_std[:] = (grad * self.z).sum(0) - grad_log_prob.sum() + grad_entropy * len(grad)
        grad *= self.precision
        return grad


class ManualActorCritic:
    """A small policy without memory, with separate actor and critic.

    Args:
        actor, critic: The policy's networks.
        output: The action distribution over the actor's outputs.
    """

    def __init__(self, actor: ManualNetwork, critic: ManualNetwork, output: CategoricalOutput | GaussianOutput) -> None:
        self.actor, self.critic, self.output = actor, critic, output

    @classmethod
    def of(cls, policy: ActorCritic, parameters: FlatParameters) -> ManualActorCritic | None:
        """The policy's networks, or None if its trunks or head do not fit, or it has hooks or frozen parameters."""
        if policy.critic_trunk is None or policy.critic is None or not policy.free:
            return None
        actor = ManualNetwork.of(policy.trunk, policy.actor.output, parameters)
        critic = ManualNetwork.of(policy.critic_trunk, policy.critic, parameters)
        if actor is None or critic is None:
            return None
        output: CategoricalOutput | GaussianOutput
        if type(policy.actor) is CategoricalHead:
            output = CategoricalOutput(policy.actor)
        elif type(policy.actor) is GaussianHead:
            output = GaussianOutput(policy.actor, parameters)
        else:
            return None
        return cls(actor, critic, output)

    def read(self, obs: Tensor, actions: Tensor | None, action_mask: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """A rollout's log-probabilities (T, B), if actions are given, and values (T + 1, B), without gradient."""
        count, inputs = obs.shape[1], obs.flatten(0, 1).numpy()
        values = np.concatenate([self.value(inputs[i : i + ROWS]) for i in range(0, len(inputs), ROWS)])
        log_prob = None
        if actions is not None:
            chosen = actions.flatten(0, 1).numpy()
            mask = None if action_mask is None else action_mask.flatten(0, 1).numpy()
            found = []
            for i in range(0, len(chosen), ROWS):
                rows = slice(i, min(i + ROWS, len(chosen)))
                outputs = self.actor.forward(inputs[rows])
                found.append(self.output.evaluate(outputs, chosen[rows], None if mask is None else mask[rows])[0])
            log_prob = torch.from_numpy(np.concatenate(found)).view(-1, count)
        return log_prob, torch.from_numpy(values).view(-1, count)

    def value(self, obs: Array) -> Array:
        """(N,) values of N observations."""
        return self.critic.forward(obs)[:, 0]

    def evaluate(self, obs: Array, actions: Array, action_mask: Array | None) -> tuple[Array, Array, Array]:
        """Log-probabilities, values and entropies of N steps, (N,); :meth:`backward` may follow."""
        log_prob, entropy = self.output.evaluate(self.actor.forward(obs), actions, action_mask)
        return log_prob, self.value(obs), entropy

    def backward(self, grad_log_prob: Array, grad_value: Array, grad_entropy: float) -> None:
        """Write the parameters' gradients for the last :meth:`evaluate`.

        Args:
            grad_log_prob, grad_value: (N,) gradients of the loss with respect to each log-probability and value.
            grad_entropy: Gradient of the loss with respect to each entropy.
        """
        self.actor.backward(self.output.backward(grad_log_prob, grad_entropy))
        self.critic.backward(grad_value[:, None])


def ppo_gradient(
    manual: ManualActorCritic | None, steps: Any, clip_range: float, value_coef: float, entropy_coef: float
) -> Tensor | None:
    """The gradient of PPO's loss on N steps, written into the parameters.

    Args:
        manual: The policy; None if it does not fit.
        steps: Arrays (N, ...): ``obs``, ``actions``, ``action_mask``, ``log_prob`` under the old policy,
            ``advantages`` and ``returns``.

    Returns:
        (5,): the clipped surrogate's loss, the critic's loss, the entropy, KL(old || new) and the share of ratios
        beyond the clip; None if the policy does not fit.
    """
    if manual is None:
        return None
    log_prob, values, entropy = manual.evaluate(steps.obs, steps.actions, steps.action_mask)
    n, log_ratio = len(log_prob), log_prob - steps.log_prob
    ratio, error = np.exp(log_ratio), values - steps.returns
    inside = np.minimum(np.maximum(ratio, 1 - clip_range), 1 + clip_range)
    gain, held = ratio * steps.advantages, inside * steps.advantages
    clipped = ratio != inside
    sums = -np.minimum(gain, held).sum(), error @ error, entropy.sum(), (ratio - log_ratio).sum() - n, clipped.sum()
    grad_log_prob = np.where(gain <= held, gain, np.float32(0)) * np.float32(-1 / n)  # 0 if the clipped term is less
    manual.backward(grad_log_prob, error * np.float32(2 * value_coef / n), -entropy_coef / n)
    return torch.from_numpy(np.array(sums, np.float32) / n)


def a2c_gradient(manual: ManualActorCritic | None, steps: Any, value_coef: float, entropy_coef: float) -> Tensor | None:
    """:func:`ppo_gradient` for A2C's loss: (3,) the actor's loss, the critic's loss and the entropy."""
    if manual is None:
        return None
    log_prob, values, entropy = manual.evaluate(steps.obs, steps.actions, steps.action_mask)
    n, error = len(log_prob), values - steps.returns
    manual.backward(steps.advantages * np.float32(-1 / n), error * np.float32(2 * value_coef / n), -entropy_coef / n)
    return torch.from_numpy(np.array((-(log_prob @ steps.advantages), error @ error, entropy.sum()), np.float32) / n)
