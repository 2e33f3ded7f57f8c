"""The table of games, which PettingZoo makes; nothing is imported before use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class GameRow:
    """One game, which PettingZoo makes.

    Attributes:
        id: ``lhy_rl/<name>_v<version>``, as PettingZoo writes it.
        module: Has ``env``, ``raw_env`` and ``parallel_env``.
        rules: ``"module:class"`` of the rules, whose docstring is the documentation page.
        summary: One line for lists.
        small: Arguments for a size that runs in milliseconds.
        held_out: Arguments that give games held out from training; empty where nothing is held out.
        validation: Arguments that give games other than those of ``held_out``; they choose the best checkpoint.
        partner: ``"module:function"`` that returns a scripted player by its name; empty where there is none.
    """

    id: str
    module: str
    rules: str
    summary: str
    small: dict[str, Any] = field(default_factory=dict)
    held_out: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    partner: str = ""


GAMES: tuple[GameRow, ...] = (
    GameRow(
        "lhy_rl/negotiation_v0",
        "lhy_rl.envs.dialogue.negotiation_v0",
        "lhy_rl.envs.dialogue.negotiation:Negotiation",
        "two players divide books, hats and balls that they value differently; the exact optima are known",
        small={"max_moves": 4},
        held_out={"split": "held_out"},
        validation={"split": "train"},
        partner="lhy_rl.envs.dialogue.negotiation_bots:partner",
    ),
    GameRow(
        "lhy_rl/negotiation_tokens_v0",
        "lhy_rl.envs.dialogue.negotiation_tokens_v0",
        "lhy_rl.envs.dialogue.negotiation_tokens:NegotiationTokens",
        "the negotiation word by word, in a language with a grammar",
        small={"max_moves": 4},
        held_out={"split": "held_out"},
        validation={"split": "train"},
        partner="lhy_rl.envs.dialogue.negotiation_spoken:spoken_partner",
    ),
    GameRow(
        "lhy_rl/referential_v0",
        "lhy_rl.envs.dialogue.referential_v0",
        "lhy_rl.envs.dialogue.referential:Referential",
        "a speaker invents words for an object, and a listener finds it among others",
        small={"message_length": 2},
        held_out={"split": "held_out"},
        validation={"split": "train"},
    ),
    GameRow(
        "lhy_rl/chat_selfplay_v0",
        "lhy_rl.envs.dialogue.chat_selfplay_v0",
        "lhy_rl.envs.dialogue.chat_selfplay:ChatSelfplay",
        "two bots continue a conversation that a person began, until one is dull or repeats itself",
        small={"corpus": "chatterbot-english", "max_length": 6, "vocabulary_size": 200, "max_turns": 4},
        held_out={"split": "test"},
        validation={"split": "validation"},
    ),
)
