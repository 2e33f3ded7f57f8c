"""A discriminator made of a reward and a shaping term, so that the reward can be used elsewhere (Fu et al. 2018)."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.nn.discriminators.transition import (
    ImageReader,
    NetworkOptions,
    TransitionDiscriminator,
    perceptron,
)
from lhy_rl.nn.discriminators.transition_features import Block
from lhy_rl.nn.layers.eval_mode import evaluating


class ShapedDiscriminator(TransitionDiscriminator):
    """f(s, a, s') = g(s[, a]) + gamma h(s') - h(s)   (Fu et al. 2018, eq. 4 and section 6).

    g is the reward and h a potential, which absorbs what depends on the dynamics (Ng et al. 1999): if g reads the state
    only, it transfers to other dynamics. The discriminator's logit is f - log pi(a|s); the caller subtracts the
    log-probability.

    Raises:
        UserError: The inputs are others than state, action and next state.
    """

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], options: NetworkOptions
    ) -> None:
        if options.inputs != "state_action_next_state":
            raise UserError(
                f"discriminator 'shaped' reads state, action, next state; discriminator_inputs is {options.inputs!r} "
                "and must be state_action_next_state"
            )
        super().__init__(observation_space, action_space, options)
        assert self.features.action is not None and self.features.next_state is not None
        self.actions = (
            0 if options.state_only else self.features.action.columns.stop - self.features.action.columns.start
        )
        self.reward = Potential(self.features.state, options, self.actions)
        self.potential = Potential(self.features.state, options, 0)

    def forward_embedded(self, embedded: Tensor) -> Tensor:
        now, after = self._observations(embedded)
        h = self.potential(torch.cat([now, after]))
        shaping: Tensor = self.options.gamma * h[len(now) :] - h[: len(now)]
        return self._reward(embedded) + shaping

    @torch.no_grad()
    def reward_scores(self, features: Tensor) -> Tensor:
        """(N,) the reward g without the shaping term."""
        with evaluating(self):
            return self._reward(self.embed(features))

    def _reward(self, embedded: Tensor) -> Tensor:
        now, _ = self._observations(embedded)
        if self.actions:
            assert self.features.action is not None
            now = torch.cat([now, embedded[:, self.features.action.columns]], 1)
        return self.reward(now)  # type: ignore[no-any-return]

    def _observations(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        assert self.features.next_state is not None
        return embedded[:, self.features.state.columns], embedded[:, self.features.next_state.columns]


class Potential(nn.Module):
    """The columns of an observation, followed by ``extra`` columns, to one number."""

    def __init__(self, block: Block, options: NetworkOptions, extra: int) -> None:
        super().__init__()
        self.reader = ImageReader(block, options)
        self.width = block.columns.stop - block.columns.start
        self.layers = perceptron(self.reader.output_size + extra, 1, options)

    def forward(self, columns: Tensor) -> Tensor:
        """(N, columns) to (N,)."""
        read = self.reader(columns[:, : self.width])
        return self.layers(torch.cat([read, columns[:, self.width :]], 1))[:, 0]  # type: ignore[no-any-return]
