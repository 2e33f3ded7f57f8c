"""Figures in the report of a third-person run: the expert, the learner, and the discriminator's view of both."""

from __future__ import annotations

import numpy as np
import torch

from lhy_rl.agents.generative.sample_figures import nearest_of
from lhy_rl.agents.rewards.frame_pairs import FramePairs
from lhy_rl.agents.rewards.third_person import ThirdPersonReward
from lhy_rl.core.report_figures import (
    Embedding,
    EpisodeFrames,
    MetricCurves,
    PictureRows,
    ReportFigure,
    principal_plane,
)
from lhy_rl.data.videos import Videos

EPISODES = 4  # of each kind in the embedding
TRANSLATED, COLUMNS = 3, 6  # episodes in the figure of translations, and frames of each
LABELS = {
    "expert": "expert, its view",
    "failures": "failures, the expert's view",
    "random": "random, the learner's view",
    "learner": "learner, its own view",
}


CURVES = MetricCurves(
    title="What the discriminator tells apart",
    caption=(
        "The class head is to tell the expert from the others; the domain head is to fail, at 50 % the features have "
        "forgotten whose view they are of, as far as this head can tell. A new one may still find it."
    ),
    columns={
        "train/discriminator_accuracy": "the expert from others (class head)",
        "train/domain_accuracy": "the expert's view from the learner's (domain head)",
    },
    marks={"chance": 0.5},
)


def figures_of(discriminator: ThirdPersonReward, learner: Videos) -> list[ReportFigure]:
    """Frames of all kinds with their rewards, what the discriminator tells apart, and its features in a plane.

    Args:
        learner: Episodes of the learner in its own view.
    """
    kinds = {name: some_episodes(pairs) for name, pairs in discriminator.kinds.items()} | {"learner": learner}
    films = {LABELS[name]: kinds[name] for name in LABELS if name in kinds}
    return [frames_figure(films, discriminator), CURVES, embedding_figure(films, discriminator)]


def translation_figure(expert: Videos, drawn: Videos, own: Videos) -> PictureRows:
    """Frames of the expert's first episodes, their translations, and the nearest frames of the learner's view.

    Args:
        expert, drawn: The same videos, original and translated.
        own: Random behaviour in the learner's own view, to search for the nearest frames.
    """
    ends = expert.ends[:TRANSLATED]
    episodes = zip(ends - expert.lengths[:TRANSLATED], ends - 1, strict=True)
    places = np.concatenate([np.linspace(*episode, COLUMNS).round().astype(int) for episode in episodes])
    translation = drawn.frames[places]
    return PictureRows(
        title="The expert's view, translated",
        caption="Frames of the expert's first episodes; how they are drawn in the learner's view, which the "
        "discriminator gets; and of random behaviour in that view the frame that is nearest to each.",
        rows={
            "expert, its view": expert.frames[places],
            "translation": translation,
            "nearest of the learner's": nearest_of(translation, own.frames),
        },
    )


def frames_figure(films: dict[str, Videos], discriminator: ThirdPersonReward) -> EpisodeFrames:
    """An episode of each kind, and the reward of each step."""
    rows, values = {}, {}
    for label, videos in films.items():
        first = Videos(videos.frames[: videos.ends[0]], videos.ends[:1])
        pairs = first.pairs(discriminator.options.ahead)
        features = discriminator.network.read(torch.as_tensor(first.frames).to(discriminator.device))
        scores = discriminator.network.score(features[pairs[:, 0]], features[pairs[:, 1]])
        rewards = discriminator.transform(scores).cpu().numpy()
        rows[label], values[label] = first.frames, np.append(rewards, np.nan)
    return EpisodeFrames(
        title="Frames as the discriminator gets them",
        caption=(
            "An episode of each, from its beginning to its end; below a frame what its step would be rewarded with. "
            f"The film has them side by side: {'; '.join(films)}."
        ),
        rows=rows,
        values=values,
    )


def embedding_figure(films: dict[str, Videos], discriminator: ThirdPersonReward) -> Embedding:
    """The features of all frames in their principal plane."""
    frames = np.concatenate([videos.frames for videos in films.values()])
    features = discriminator.network.read(torch.as_tensor(frames).to(discriminator.device)).cpu().numpy()
    plane, shares = principal_plane(features.astype(np.float64))
    parts = np.split(plane, np.cumsum([len(videos.frames) for videos in films.values()])[:-1])
    axes = [f"component {i + 1}, {share:.0%} of the variance" for i, share in enumerate(shares)]
    return Embedding(
        title="The discriminator's features",
        caption=(
            f"Each point is a frame, of {EPISODES} episodes of each kind, in the plane in which the features vary "
            "most. Where the reversal succeeds, both views lie on top of each other; where the features tell how far "
            "the task is done, beginning and end of an expert's episode are apart."
        ),
        points=dict(zip(films, parts, strict=True)),
        values={label: progress(videos) for label, videos in films.items()},
        value_name="progress within the episode",
        axes=(axes[0], axes[1]),
    )


def progress(videos: Videos) -> np.ndarray:
    """(F,) how far in its episode each frame is, from 0 to 1."""
    return np.concatenate([np.linspace(0, 1, length) for length in videos.lengths])


def some_episodes(pairs: FramePairs) -> Videos:
    """The first episodes that the discriminator learns from; an episode ends at a frame that begins no pair."""
    ends = np.setdiff1d(np.arange(len(pairs.frames)), pairs.pairs[:, 0].cpu().numpy())[:EPISODES] + 1
    return Videos(pairs.frames[: ends[-1]].cpu().numpy(), ends)
