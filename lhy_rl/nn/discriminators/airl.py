"""A discriminator that is a reward and a shaping term, so that the reward can be taken elsewhere (Fu et al. 2018)."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.nn.discriminators.transition import (
    DiscriminatorOptions,
    ImageReader,
    TransitionDiscriminator,
    perceptron,
)
from lhy_rl.nn.discriminators.transition_features import Block
from lhy_rl.nn.layers.eval_mode import evaluating


class ShapedDiscriminator(TransitionDiscriminator):
    """f(s, a, s') = g(s[, a]) + gamma h(s') - h(s)   (Fu et al. 2018, eq. 4 and section 6).

    g is the reward, h a potential: what depends on the dynamics goes there (Ng et al. 1999), and g alone transfers to
    others where it sees the state only. The logit of "the expert's" is f - log pi(a|s), which the caller takes off.
    """

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], options: DiscriminatorOptions
    ) -> None:
        super().__init__(observation_space, action_space, options)
        assert self.rows.action is not None and self.rows.next_state is not None
        self.actions = 0 if options.state_only else self.rows.action.columns.stop - self.rows.action.columns.start
        self.reward = Potential(self.rows.state, options, self.actions)
        self.potential = Potential(self.rows.state, options, 0)

    def judge(self, embedded: Tensor) -> Tensor:
        now, after = self._observations(embedded)
        h = self.potential(torch.cat([now, after]))
        shaping: Tensor = self.options.gamma * h[len(now) :] - h[: len(now)]
        return self._reward(embedded) + shaping

    @torch.no_grad()
    def reward_scores(self, rows: Tensor) -> Tensor:
        """g alone."""
        with evaluating(self):
            return self._reward(self.embed(rows))

    def _reward(self, embedded: Tensor) -> Tensor:
        now, _ = self._observations(embedded)
        if self.actions:
            assert self.rows.action is not None
            now = torch.cat([now, embedded[:, self.rows.action.columns]], 1)
        return self.reward(now)  # type: ignore[no-any-return]

    def _observations(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        assert self.rows.next_state is not None
        return embedded[:, self.rows.state.columns], embedded[:, self.rows.next_state.columns]


class Potential(nn.Module):
    """An observation's columns (and ``extra`` ones behind them) to a number."""

    def __init__(self, block: Block, options: DiscriminatorOptions, extra: int) -> None:
        super().__init__()
        self.reader = ImageReader(block, options)
        self.width = block.columns.stop - block.columns.start
        self.layers = perceptron(self.reader.output_size + extra, 1, options)

    def forward(self, columns: Tensor) -> Tensor:
        """(N, columns) to (N,)."""
        read = self.reader(columns[:, : self.width])
        return self.layers(torch.cat([read, columns[:, self.width :]], 1))[:, 0]  # type: ignore[no-any-return]
