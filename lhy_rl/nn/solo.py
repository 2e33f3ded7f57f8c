"""The gradient of a small actor by hand: for learning from what others did, where there is no critic to train.

As :mod:`lhy_rl.nn.twins`, for one network: the operations without the graph that records them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lhy_rl.functional.dense import tanh_backward, tanh_forward
from lhy_rl.nn.heads import CategoricalHead, GaussianHead
from lhy_rl.nn.mlp import MLPEncoder
from lhy_rl.nn.policy import ActorCritic
from lhy_rl.nn.twins import small


class Solo:
    """The actor of a policy.

    Args:
        policy: Of vectors, with tanh layers, without memory, with a categorical or Gaussian head; see :meth:`of`.
    """

    def __init__(self, policy: ActorCritic) -> None:
        assert isinstance(policy.trunk.encoder, MLPEncoder)
        self.encoder, self.output = policy.trunk.encoder, policy.actor.output
        self.hidden = list(policy.trunk.parameters())
        self.parameters = [*self.hidden, *self.output.parameters()]

    @classmethod
    def of(cls, policy: ActorCritic) -> Solo | None:
        """None where the policy is another."""
        return cls(policy) if small(policy.trunk) and type(policy.actor) in (CategoricalHead, GaussianHead) else None

    @torch.no_grad()
    def outputs(self, obs: Tensor) -> Tensor:
        """(N, ...) observations to the head's numbers, (N, A)."""
        x, _ = self.encoder.flatten(obs)
        self.weights = [weight[None] for weight in self.hidden[::2]]
        self.layers = tanh_forward(x[None], self.weights, [bias[None, None] for bias in self.hidden[1::2]])
        return torch.addmm(self.output.bias, self.layers[-1][0], self.output.weight.T)

    @torch.no_grad()
    def pull(self, slope: Tensor) -> list[Tensor]:
        """Gradients of :attr:`parameters`, given the loss's slope in what :meth:`outputs` just gave, (N, A)."""
        hidden, _ = tanh_backward(torch.mm(slope, self.output.weight)[None], self.layers, self.weights, False)
        return [*(grad[0] for grad in hidden), slope.T @ self.layers[-1][0], slope.sum(0)]
