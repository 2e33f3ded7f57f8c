"""The other player of an adversarial agent: a discriminator, its objective and its optimizer, as a reward model.

What the samples are (sentences, transitions) is up to a subclass; here is what all of them share.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lhy_rl.agents.common.reward_model import RewardModel
from lhy_rl.core.errors import UserError
from lhy_rl.core.saved_states import load_optimizer
from lhy_rl.functional.adversarial import Objective, objective
from lhy_rl.functional.adversarial_penalties import clip_weights


class DiscriminatorTrainer(RewardModel):
    """Learns to tell real samples from a generator's, and rewards the generator for what passes as real.

    Args:
        network: From samples to scores; on its device already.
        name: Name of the network, for messages.
        objective_name: Name of the objective.
        generator: Owner of the batches' randomness.
        learning_rate: Adam's.
        weight_decay: Weight decay of the network's parameters (AdamW).

    Raises:
        UserError: an unknown objective, or one that the network does not fit.
    """

    def __init__(
        self,
        network: Any,
        name: str,
        objective_name: str,
        generator: torch.Generator,
        device: torch.device,
        *,
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        self.objective = fitting_objective(objective_name, name, bool(getattr(network, "is_energy", False)))
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
        )
        self.device = device
        self.generator = generator
        self.balance = self.objective.initial_balance
        self.num_steps = 0
        self.name = name
        self.network = network

    def descend(self, loss: Tensor, real: Tensor, fake: Tensor) -> None:
        """One gradient step down the loss of these scores."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.objective.weight_clip is not None:
            clip_weights(self.network.parameters(), self.objective.weight_clip)
        self.balance = self.objective.next_balance(self.balance, real.detach(), fake.detach())
        self.num_steps += 1

    def accuracy(self, real: Tensor, fake: Tensor) -> Tensor:
        """The share that is right: a logit of the right sign; of critics and energies, a real sample ranked higher."""
        if self.objective.kind == "logit":
            return ((real > 0).float().mean() + (fake <= 0).float().mean()) / 2
        ranked = real[:, None] < fake if self.objective.kind == "energy" else real[:, None] > fake
        return ranked.float().mean()

    def state_dict(self) -> dict[str, Any]:
        """Network, optimizer, balance and counts."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "balance": self.balance,
            "num_steps": self.num_steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        self.network.load_state_dict(state["network"])
        load_optimizer(self.optimizer, state["optimizer"])
        self.balance = state["balance"]
        self.num_steps = state["num_steps"]


def fitting_objective(objective_name: str, discriminator: str, is_energy: bool) -> Objective:
    """The objective, if the discriminator's scores are what it takes.

    Raises:
        UserError: energies for an objective of logits, or the other way round.
    """
    made = objective(objective_name)
    if (made.kind == "energy") != is_energy:
        raise UserError(
            f"objective {objective_name!r} and discriminator {discriminator!r} do not fit; "
            "ebgan and began need 'autoencoder', the others cannot use it"
        )
    return made
