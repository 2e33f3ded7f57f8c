"""How long, how varied and how much alike the dialogues of bots are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lhy_rl.functional.text_metrics import count_tokens, distinct_per_token

COLLAPSED = 30
"""Different first replies of 300 below which a bot says the same to everybody."""


def dialogue_metrics(
    dialogues: Sequence[Sequence[Sequence[int]]], turns: Sequence[int] | np.ndarray, tokens: int | None = None
) -> dict[str, float]:
    """Measures of Li et al. (2016), section 5, and two that their reward does not see.

    Args:
        dialogues: Each with its replies, in order, without the opening and without end tokens.
        turns: Of each dialogue, the replies before it became dull or repeated itself.
        tokens: Count distinct n-grams in so many tokens, the first replies of all dialogues before the second ones.
            The more there are, the more repeat: who is compared must have as many. None takes all.

    Returns:
        ``turns`` (mean), ``distinct1`` and ``distinct2`` (different n-grams over tokens), ``mean_length`` (tokens of a
        reply), ``first_replies`` (different ones) and ``tokens`` (all that were written).
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
