"""Rewards R(context, reply) of a reply, by name or as a user's callable.

A reward is called with contexts (N, L), replies (N, T) and their lengths (N,), token ids padded at the end, and returns
(N,) numbers. In a context each turn is closed by the end token, and so is a finished reply. A class is instantiated
once, with the data (:class:`~lhy_rl.data.conversations.ConversationData`) and the scorer of the environment.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import ReplyScorer, TokenSequences
from lhy_rl.core.registry import Registry
from lhy_rl.data.conversations import ConversationData
from lhy_rl.data.tokenizer import Tokenizer
from lhy_rl.envs.dialogue.chat.turns import WordReader

Reward = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
NONE = "none"

rewards = Registry(
    "reward",
    {
        NONE: "lhy_rl.envs.dialogue.chat.rewards:Nothing",
        "bleu": "lhy_rl.envs.dialogue.chat.bleu:Bleu",
        "length": "lhy_rl.envs.dialogue.chat.rewards:Length",
        "li": "lhy_rl.envs.dialogue.chat.li:LiReward",
        "pmi": "lhy_rl.envs.dialogue.chat.li:MutualInformation",
        "rating": "lhy_rl.envs.dialogue.chat.rating:Rating",
        "relevance": "lhy_rl.envs.dialogue.chat.rules:Relevance",
        "rules": "lhy_rl.envs.dialogue.chat.rules:Rules",
    },
)
scorers = Registry("scorer", {"counts": "lhy_rl.envs.dialogue.chat.counts:CountScorer"})


def choose_reward(given: Any, data: ConversationData, scorer: Any = None) -> Reward | None:
    """The reward for a name, for ``"module:name"``, or a callable; None for ``"none"``.

    Raises:
        UserError: an unknown name, nothing at ``"module:name"``, or an object that cannot be called.
    """
    if isinstance(given, str) and given == NONE:
        return None
    found = rewards.choose_callable(given)
    if inspect.isclass(found):
        make: Any = found
        scored = len(inspect.signature(make).parameters) > 1
        found = make(data, choose_scorer(scorer, data)) if scored else make(data)
    return Checked(found, _name(given))


def choose_scorer(given: Any, data: ConversationData) -> ReplyScorer:
    """The scorer itself, or one that is made from the data by a name, ``"module:Class"``, a class or a function.

    None is ``"counts"``.

    Raises:
        UserError: it does not implement ``ReplyScorer``.
    """
    scorer = given
    if given is None or isinstance(given, str) or inspect.isclass(given) or inspect.isfunction(given):
        scorer = scorers.choose_callable("counts" if given is None else given)(data)
    if not isinstance(scorer, ReplyScorer):
        raise UserError(f"scorer is {brief(given)}; allowed: 'counts', module:Class, or a ReplyScorer")
    return scorer


def _name(given: Any) -> str:
    return given if isinstance(given, str) else str(getattr(given, "__name__", type(given).__name__))


class Checked:
    """A reward whose results are checked: a mistake in it is an error of one line, not a traceback or a silent NaN.

    Args:
        reward: Called as described at the top of the module.
        name: For messages.
    """

    def __init__(self, reward: Reward, name: str) -> None:
        self.reward, self.name = reward, name

    def __call__(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(N,) finite float64.

        Raises:
            UserError: the reward raised, or returned something else.
        """
        try:
            given = self.reward(contexts, replies, lengths)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"reward {self.name!r} raised {type(error).__name__}: {brief(str(error))}") from error
        try:
            values = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            raise UserError(f"reward {self.name!r} returned {brief(given)}; must be {len(replies)} numbers") from None
        if values.shape != (len(replies),):
            raise UserError(f"reward {self.name!r} returned shape {values.shape}; must be ({len(replies)},)")
        if not np.isfinite(values).all():
            wrong = values[~np.isfinite(values)][0]
            raise UserError(f"reward {self.name!r} returned {wrong}; must be finite numbers")
        return values


class Nothing:
    """0 for everything: the agent brings its own reward."""

    def __init__(self, data: ConversationData) -> None: ...

    def __call__(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return np.zeros(len(replies))


class Length:
    """min(1, words / 6), used as a length term.

    Args:
        data: The conversations, for their tokenizer.
    """

    ENOUGH = 6

    def __init__(self, data: ConversationData) -> None:
        self.reader = WordReader(data.tokenizer)

    def __call__(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        enough: np.ndarray = np.minimum(self.reader.words(replies, lengths).counts / self.ENOUGH, 1.0)
        return enough


def closed(replies: np.ndarray, lengths: np.ndarray, tokenizer: Tokenizer) -> TokenSequences:
    """Replies (N, T) closed by the end token, (N, T + 1), also truncated ones."""
    tokens = np.pad(replies, ((0, 0), (0, 1)), constant_values=tokenizer.pad_token)
    rows = np.arange(len(tokens))
    unfinished = (lengths == 0) | (tokens[rows, np.maximum(lengths - 1, 0)] != tokenizer.end_token)
    tokens[rows[unfinished], lengths[unfinished]] = tokenizer.end_token
    lengths = lengths + unfinished
    filled = np.arange(tokens.shape[1]) < lengths[:, None]
    return TokenSequences(np.where(filled, tokens, tokenizer.pad_token), lengths)
