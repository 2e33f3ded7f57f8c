"""The hierarchical encoder of dialogues: one RNN over the words of a turn, one over the turns.

    u_n = last state of a token-level RNN over turn n, reset at each turn
    z_n = turn-level RNN(u_n, z_{n-1})

(Sordoni et al. 2015, HRED; Serban et al. 2016, for dialogues). The attention is over the turns z_n
(:class:`TurnEncoder`), or over the tokens, with each turn's state added to its tokens' (:class:`TokenInTurnEncoder`).
No Python loop runs over turns: all turns of all sources are one packed run of the token-level RNN, and all sources one
of the turn-level RNN.

Use it for a source that holds the whole dialogue so far and is answered in an episode. If an episode is the dialogue
itself, with a turn at each step, as in ``lhy_rl/TwentyQuestions-v0``, the same hierarchy is an encoder of the step's
observation and a recurrent core over the steps: ``core="gru"`` is the turn-level RNN there.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from torch import Tensor

from lhy_rl.core.errors import UserError, brief
from lhy_rl.nn.sources.base import Reading, RealPlaces, SourceEmbedding, SourceEncoder, SourceOptions
from lhy_rl.nn.sources.recurrent import BothWays


class TurnEncoder(SourceEncoder):
    """Annotates turns, each at the place where it ends; the summary is the turn-level RNN's last state.

    The turn-level RNN runs forward only, as the dialogue does; ``bidirectional`` applies to the token-level one.
    """

    core = "gru"
    end_token = 0
    """The token that ends a turn; 0 in the suite's tasks. Tokens after the last one are a turn, too."""
    annotates_tokens = False

    def __init__(self, space: gym.Space[Any], options: SourceOptions) -> None:
        super().__init__()
        if not isinstance(space, gym.spaces.MultiDiscrete):
            raise UserError(f"source_encoder 'hred' reads turns of tokens, MultiDiscrete([n] * L), not {brief(space)}")
        size = options.size
        self.embedding = SourceEmbedding(space, size)
        self.tokens = BothWays(self.core, size, size, options.bidirectional, options.num_layers)
        self.turns = BothWays(self.core, size, size, False, options.num_layers)

    def forward(self, source: Tensor, mask: Tensor) -> Reading:
        rows, tokens = RealPlaces.of(mask), source[mask]
        last = (tokens == self.end_token) | rows.first.roll(-1)  # (R,) of a turn
        first = last.roll(1)
        states, turns = self.tokens(self.embedding(tokens), first)  # (R, E), and (M, E) of the turns
        owner = rows.source[last]
        begins = torch.diff(owner, prepend=owner.new_full((1,), -1)) > 0
        turns, dialogues = self.turns(turns, begins)
        summary = states.new_zeros(len(mask), states.shape[1]).index_put((owner[begins],), dialogues)
        return self.reading(summary, states, turns, last, rows, mask)

    def reading(
        self, summary: Tensor, states: Tensor, turns: Tensor, last: Tensor, rows: RealPlaces, mask: Tensor
    ) -> Reading:
        """The reading, given the states of tokens and turns.

        Args:
            summary: (N, E).
            states: (R, E) states of the tokens.
            turns: (M, E) states of the turns.
            last: (R,) bool: a turn ends with this token.
        """
        ends = RealPlaces(rows.source[last], rows.place[last], rows.first[last])
        attended = torch.zeros_like(mask).index_put((ends.source, ends.place), torch.ones_like(ends.first))
        return Reading(summary, ends.scatter(turns, mask), attended)


class TokenInTurnEncoder(TurnEncoder):
    """Annotates tokens: each token's state plus the state of its turn."""

    annotates_tokens = True

    def reading(
        self, summary: Tensor, states: Tensor, turns: Tensor, last: Tensor, rows: RealPlaces, mask: Tensor
    ) -> Reading:
        turn = last.cumsum(0) - last.long()  # (R,) the turn that each token belongs to
        return Reading(summary, rows.scatter(states + turns[turn], mask), mask)
