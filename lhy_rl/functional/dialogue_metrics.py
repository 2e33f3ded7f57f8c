"""Measures of the length, variety and similarity of bots' dialogues."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lhy_rl.functional.text_metrics import count_tokens, distinct_per_token

COLLAPSED = 30
"""With fewer different first replies than this among 300, a bot counts as giving everybody the same reply."""


def dialogue_metrics(
    dialogues: Sequence[Sequence[Sequence[int]]], turns: Sequence[int] | np.ndarray, tokens: int | None = None
) -> dict[str, float]:
    """Measures of Li et al. (2016), section 5, and two that are not in their reward.

    Args:
        dialogues: The replies of each dialogue, in order, without the opening and without end tokens.
        turns: For each dialogue, the number of replies before it became dull or repeated itself.
        tokens: Count distinct n-grams in this many tokens, the first replies of all dialogues before the second ones.
            More tokens repeat more, so bots must be compared at equal numbers. None takes all.

    Returns:
        ``turns`` (mean), ``distinct1`` and ``distinct2`` (distinct n-grams per token), ``mean_length`` (tokens per
        reply), ``first_replies`` (number of different ones) and ``tokens`` (total number).
    """
    longest = max(map(len, dialogues))
    replies = [list(dialogue[k]) for k in range(longest) for dialogue in dialogues if k < len(dialogue)]
    count = count_tokens(replies)
    return {
        "turns": float(np.mean(turns)),
        "distinct1": distinct_per_token(replies, 1, tokens),
        "distinct2": distinct_per_token(replies, 2, tokens),
        "mean_length": count / len(replies),
        "first_replies": float(len({tuple(dialogue[0]) for dialogue in dialogues if dialogue})),
        "tokens": float(count),
    }
