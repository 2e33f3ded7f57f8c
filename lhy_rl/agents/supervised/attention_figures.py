"""Where an attention looks while a picture is captioned, for the report."""

from __future__ import annotations

import numpy as np

from lhy_rl.core.protocols import TextTask
from lhy_rl.core.report_figures import PictureRows, ReportFigure
from lhy_rl.nn.decoding import attention_weights, sample
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.sources.regions import RegionEncoder

PICTURES, WORDS = 4, 11
DARKEST = 0.15  # share of a region's light where nothing is looked at
LINE = 3  # words of a label's line


def attention_figures(policy: ActorCritic, task: TextTask) -> list[ReportFigure]:
    """Pictures of the test split, each word of their greedy captions with the regions as bright as it looks at them.

    Nothing where sentences are about no pictures, or no attention looks at their regions.
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
    """(H, W, 3) a picture whose regions (L,) are as bright as their weights, relative to the largest."""
    light = DARKEST + (1 - DARKEST) * weights / max(float(weights.max()), 1e-9)
    height, width = picture.shape[0] // grid[0], picture.shape[1] // grid[1]
    whole = light.reshape(grid).repeat(height, 0).repeat(width, 1)
    result = np.full_like(picture, 0)
    result[: len(whole), : whole.shape[1]] = picture[: len(whole), : whole.shape[1]] * whole[..., None]
    return result


def in_lines(text: str) -> str:
    """A label of a few words a line."""
    words = text.split()
    return "\n".join(" ".join(words[i : i + LINE]) for i in range(0, len(words), LINE)) or "nothing"
