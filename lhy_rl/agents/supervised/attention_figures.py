"""Figures for the report: where the attention looks while a picture is captioned."""

from __future__ import annotations

import numpy as np

from lhy_rl.core.protocols import TextTask
from lhy_rl.core.report_figures import PictureRows, ReportFigure
from lhy_rl.nn.decoding import attention_weights, sample
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.sources.regions import RegionEncoder

PICTURES, WORDS = 4, 11
DARKEST = 0.15  # brightness of a region without attention
LINE = 3  # words per line of a label


def attention_figures(policy: ActorCritic, task: TextTask) -> list[ReportFigure]:
    """Pictures of the test split: for each word of their greedy captions, regions are as bright as their attention.

    No figure where sentences are not about pictures, or the policy has no attention over their regions.
    """
    reader = policy.trunk.source
    if reader is None or reader.attention is None or not isinstance(reader.encoder, RegionEncoder):
        return []
    with evaluating(policy):
        written = sample(policy, task, PICTURES, temperature=0.0, answered=task.sequences("test"))
        weights = attention_weights(policy, task, written)[:, :WORDS]
    assert written.sources is not None
    rows = {}
    for picture, tokens, looked in zip(written.sources, written.tokens, weights, strict=True):
        parts = [picture, *(shaded(picture, one, reader.encoder.grid) for one in looked)]
        parts += [np.full_like(picture, 255)] * (WORDS + 1 - len(parts))
        rows[in_lines(str(task.decode(tokens[:WORDS])))] = np.stack(parts)
    caption = "Pictures of the test split; then, for each word that is written, where the attention looks."
    return [PictureRows(title="Where the words look", caption=caption, rows=rows)]


def shaded(picture: np.ndarray, weights: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) picture whose regions (L,) are as bright as their weights, relative to the largest."""
    light = DARKEST + (1 - DARKEST) * weights / max(float(weights.max()), 1e-9)
    height, width = picture.shape[0] // grid[0], picture.shape[1] // grid[1]
    whole = light.reshape(grid).repeat(height, 0).repeat(width, 1)
    result = np.full_like(picture, 0)
    result[: len(whole), : whole.shape[1]] = picture[: len(whole), : whole.shape[1]] * whole[..., None]
    return result


def in_lines(text: str) -> str:
    """Break a label into lines of a few words."""
    words = text.split()
    return "\n".join(" ".join(words[i : i + LINE]) for i in range(0, len(words), LINE)) or "nothing"
