"""The gradient of a small actor and a small critic by hand, both networks side by side.

A gradient step of such networks is a hundred operations of a few microseconds, and recording them in a graph costs as
much again. Here are the operations without the graph: what :meth:`ActorCritic.evaluate` says, and the way back.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor

from lhy_rl.functional.categorical import categorical_backward, categorical_forward
from lhy_rl.functional.dense import tanh_backward, tanh_forward
from lhy_rl.nn.heads import LOG_SQRT_2PI, CategoricalHead, GaussianHead, illegal_out
from lhy_rl.nn.mlp import MLPEncoder
from lhy_rl.nn.policy import ActorCritic, Trunk


class Twins:
    """Actor and critic of a policy.

    Args:
        policy: Of vectors, with tanh layers and a separate critic, without memory, with a categorical or Gaussian
            head; see :meth:`of`.
    """

    def __init__(self, policy: ActorCritic) -> None:
        assert isinstance(policy.trunk.encoder, MLPEncoder) and policy.critic_trunk is not None
        assert policy.critic is not None
        self.head, self.encoder = policy.actor, policy.trunk.encoder
        self.output, self.critic = policy.actor.output, policy.critic
        self.hidden = list(zip(policy.trunk.parameters(), policy.critic_trunk.parameters(), strict=True))
        own = [policy.actor.log_std] if isinstance(policy.actor, GaussianHead) else []
        last = [own, self.output.parameters(), self.critic.parameters()]
        order = {id(p): k for k, p in enumerate(chain(*zip(*self.hidden, strict=True), *last))}
        self.places = [order[id(p)] for p in policy.parameters()]

    @classmethod
    def of(cls, policy: ActorCritic) -> Twins | None:
        """None where the policy is another."""
        fits = policy.critic_trunk is not None and all(map(small, (policy.trunk, policy.critic_trunk)))
        return cls(policy) if fits and type(policy.actor) in (CategoricalHead, GaussianHead) else None

    @torch.no_grad()
    def evaluate(self, obs: Tensor, actions: Tensor, legal: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`ActorCritic.evaluate`, without a graph: (T, B) log-probabilities, values and entropies."""
        x, leading = self.encoder.flatten(obs)
        both = [torch.stack(pair) for pair in self.hidden]
        self.weights = both[::2]
        self.layers = tanh_forward(x.expand(2, *x.shape), self.weights, [bias[:, None] for bias in both[1::2]])
        h = self.layers[-1]
        outputs = torch.addmm(self.output.bias, h[0], self.output.weight.T)  # (N, A)
        value = torch.addmv(self.critic.bias, h[1], self.critic.weight[0])  # (N,)
        actions = actions.flatten(0, len(leading) - 1)
        if isinstance(self.head, CategoricalHead):
            logits = illegal_out(outputs, None if legal is None else legal.flatten(0, len(leading) - 1))
            log_prob, entropy, self.kept = categorical_forward(logits, actions.long() - self.head.start)
            return log_prob.view(leading), value.view(leading), entropy.view(leading)
        assert isinstance(self.head, GaussianHead)
        precision = torch.exp(-self.head.log_std)
        z = (actions.flatten(1) - outputs) * precision
        self.kept = (z, precision)
        log_prob = -(0.5 * z * z + self.head.log_std + LOG_SQRT_2PI).sum(-1)
        return log_prob.view(leading), value.view(leading), self.head.entropy().expand(leading)

    @torch.no_grad()
    def pull(self, log_prob: Tensor, value: Tensor, entropy: float) -> list[Tensor]:
        """Gradients of the parameters that :meth:`evaluate` just used, in the order of ``policy.parameters()``.

        Args:
            log_prob, value: (T, B) the loss's slopes.
            entropy: The loss's slope in each entropy.
        """
        log_prob, value, h = log_prob.flatten(), value.flatten(), self.layers[-1]
        own: list[Tensor] = []
        if isinstance(self.head, CategoricalHead):
            grad = categorical_backward(self.kept, log_prob, entropy or None)
        else:
            z, precision = self.kept
            pulled = log_prob[:, None] * z
            grad = pulled * precision
            own = [(pulled * z).sum(0) - log_prob.sum() + entropy * len(z)]
        dh = torch.empty_like(h)
        torch.mm(grad, self.output.weight, out=dh[0])
        torch.mul(value[:, None], self.critic.weight, out=dh[1])
        hidden, _ = tanh_backward(dh, self.layers, self.weights, False)
        grads = [*(g[0] for g in hidden), *(g[1] for g in hidden), *own]
        grads += [grad.T @ h[0], grad.sum(0), value[None] @ h[1], value.sum(0, keepdim=True)]
        return [grads[place] for place in self.places]


def small(trunk: Trunk) -> bool:
    """Whether a trunk is tanh layers and nothing else."""
    return (
        trunk.core is None
        and not trunk.dropout.p
        and type(trunk.encoder) is MLPEncoder  # a subclass may read otherwise
        and trunk.encoder.layers.fused
    )
