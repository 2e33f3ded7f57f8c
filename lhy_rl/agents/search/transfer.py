"""A controller whose policy is pretrained on the best configurations of other data sets.

A new policy draws uniformly, so that the first tens of trials are random search. This one is trained before the first
trial on tables of other data sets with the same space: it imitates the configurations with the best mean rank over
them,

    L = -1/D sum_d log pi(x_d | x_<d),   x uniform among the best ``pretraining_elite``,

which is the loss of the controller's self-imitation, with the other data sets' trials in place of its own. Then it
continues as the controller does, by policy gradient and imitation of its own best trials.
"""

from __future__ import annotations

from typing import Any

import torch

from lhy_rl.agents.common.gradient_step import gradient_step
from lhy_rl.agents.search.controller import Controller
from lhy_rl.core.validation import check, positive
from lhy_rl.search.space import Space
from lhy_rl.search.stacked import Names, learned_tables


class TransferController(Controller):
    """A controller whose policy was trained on other tables.

    Args:
        tables: Tables of the same space to pretrain on: names or paths, or a group of ``lhy_rl.search.stacked.GROUPS``;
            null: the shipped pretraining group with this space.
        pretraining_elite: Number of configurations, those with the best mean rank, that are imitated. More make the
            search wider and slower.
        pretraining_steps: Gradient steps before the search. 0: no pretraining.
        pretraining_batch: Configurations per step.
        pretraining_rate: Learning rate of Adam, falling linearly to 0.
    """

    def __init__(
        self,
        space: Space,
        seed: int = 0,
        tables: Names | None = None,
        pretraining_elite: int = 100,
        pretraining_steps: int = 150,
        pretraining_batch: int = 128,
        pretraining_rate: float = 0.01,
        **options: Any,
    ) -> None:
        check(
            pretraining_elite=(pretraining_elite, 1),
            pretraining_steps=(pretraining_steps, 0),
            pretraining_batch=(pretraining_batch, 1),
        )
        positive(pretraining_rate=pretraining_rate)
        super().__init__(space, seed, **options)
        learned = learned_tables(space, tables)
        self.learned_from = learned.names
        best = learned.best(pretraining_elite)  # (n, D)
        optimizer = torch.optim.Adam(self.policy.parameters(), pretraining_rate)
        for step in range(pretraining_steps):
            optimizer.param_groups[0]["lr"] = pretraining_rate * (1 - step / pretraining_steps)
            imitated = best[self.rng.integers(len(best), size=pretraining_batch)]
            log_prob, _ = self.policy.evaluate(torch.from_numpy(imitated))  # (N, D)
            gradient_step(self.policy, optimizer, -log_prob.mean(), 1.0, step)
