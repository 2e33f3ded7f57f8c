"""A scripted partner that speaks: what it would do in ``negotiation_v0``, said word by word in the language of
``negotiation_tokens_v0``."""

from __future__ import annotations

from typing import Any

import numpy as np

from lhy_rl.core.trees import State
from lhy_rl.envs.dialogue import negotiation_grammar as grammar
from lhy_rl.envs.dialogue.negotiation import Negotiation
from lhy_rl.envs.dialogue.negotiation_bots import partner, random_partner
from lhy_rl.envs.dialogue.negotiation_contexts import AGREE, MOST_ITEMS, NUM_ACTIONS, OFFERS
from lhy_rl.envs.dialogue.negotiation_tokens import NegotiationTokens
from lhy_rl.envs.game_versus import Partner


def _utterances() -> np.ndarray:
    table = np.full((NUM_ACTIONS, grammar.LONGEST), grammar.TOKEN[grammar.END], np.int64)
    for action in range(NUM_ACTIONS):
        if action == AGREE or OFFERS[action].max() <= MOST_ITEMS:  # no pool has more
            words = grammar.utterance(action)
            table[action, : len(words)] = words
    return table


UTTERANCES = _utterances()
"""(121, 12) the words that say each action, and ends behind them."""


class _NoTies(np.random.Generator):
    """Draws the same number for every candidate, so that of equal ones the first is taken."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        return np.zeros(() if size is None else size)


class Spoken:
    """A bot that speaks.

    While it speaks nothing that it knows changes, so it decides the same at every word; of equally good offers it
    therefore makes the first one, and needs no memory. The random bot says random legal words.

    Args:
        bot: Who decides, a partner in ``negotiation_v0``.
    """

    def __init__(self, bot: Partner) -> None:
        self.bot = bot

    def __call__(
        self, game: NegotiationTokens, state: State, player: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        if self.bot is random_partner:
            mask = game.action_mask(state, player)
            word: np.ndarray = np.where(mask, rng.random(mask.shape), -1).argmax(1)
            return word
        rules: Negotiation = game.rules
        action = self.bot(rules, state, player, _NoTies())
        token: np.ndarray = UTTERANCES[action, state["length"]]
        return token


def spoken_partner(name: str) -> Spoken:
    """The partner of that name, speaking."""
    return Spoken(partner(name))
