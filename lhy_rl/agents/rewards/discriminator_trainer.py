"""The discriminator of an adversarial agent, with its objective and its optimizer, as a reward model.

A subclass defines what the samples are (sentences, transitions); this is the part that all of them share.
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
    """Learns to tell real samples from a generator's, and rewards the generator for samples that pass as real.

    Args:
        network: From samples to scores; on its device already.
        name: Name of the network, for messages.
        objective_name: Name of the objective.
        generator: Random numbers for the batches.
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
        """One gradient step down a loss; the scores update the objective's balance."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.objective.weight_clip is not None:
            clip_weights(self.network.parameters(), self.objective.weight_clip)
        self.balance = self.objective.next_balance(self.balance, real.detach(), fake.detach())
        self.num_steps += 1

    def accuracy(self, real: Tensor, fake: Tensor) -> Tensor:
        """Share of logits with the right sign; for critics and energies, of pairs whose real sample ranks higher."""
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
        """Continue from a state of :meth:`state_dict`."""
        self.network.load_state_dict(state["network"])
        load_optimizer(self.optimizer, state["optimizer"])
        self.balance = state["balance"]
        self.num_steps = state["num_steps"]


def fitting_objective(objective_name: str, discriminator: str, is_energy: bool) -> Objective:
    """The objective of that name, if it fits the discriminator's kind of scores.

    Raises:
        UserError: energies for an objective that does not take them, or the other way round.
    """
    made = objective(objective_name)
    if (made.kind == "energy") != is_energy:
        raise UserError(
            f"objective {objective_name!r} and discriminator {discriminator!r} do not fit together; "
            "ebgan and began need 'autoencoder', the others cannot use it"
        )
    return made
