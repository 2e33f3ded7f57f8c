"""A scripted partner that speaks: its action in ``negotiation_v0`` is expressed word by word in the language of
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
"""(121, 12) the words that express each action, filled up with end tokens."""


class _NoTies(np.random.Generator):
    """Draws the same number for every candidate, so that the first of equal ones is taken."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        return np.zeros(() if size is None else size)


class Spoken:
    """A bot that speaks.

    Its knowledge does not change during its utterance, and of equally good offers it always takes the first. So it
    decides the same at every word, and needs no memory. The random bot says random legal words.

    Args:
        bot: The partner in ``negotiation_v0`` that decides.
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
