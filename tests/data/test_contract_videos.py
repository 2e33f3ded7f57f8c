"""Videos from files of every kind, and what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lhy_rl.core.errors import UserError
from lhy_rl.data.videos import Videos, read_videos

SIZE = (16, 20)


def moving(frames: int = 6, height: int = 16, width: int = 20) -> np.ndarray:
    """A bright square that goes to the right."""
    video = np.zeros((frames, height, width, 3), np.uint8)
    for t in range(frames):
        video[t, 4:8, t : t + 4] = (200, 100, 50)
    return video


def write_pictures(folder: Path, video: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for t, frame in enumerate(video):
        Image.fromarray(frame).save(folder / f"{t:03}.png")
    return folder


def write_gif(path: Path, video: np.ndarray, milliseconds: int) -> Path:
    first, *rest = [Image.fromarray(frame) for frame in video]
    first.save(path, save_all=True, append_images=rest, duration=milliseconds, loop=0)
    return path


def test_a_folder_of_pictures_is_an_episode(tmp_path: Path) -> None:
    videos = read_videos(write_pictures(tmp_path / "film", moving()), SIZE)
    np.testing.assert_array_equal(videos.frames, moving())
    assert videos.ends.tolist() == [6]


def test_a_folder_of_folders_is_several(tmp_path: Path) -> None:
    write_pictures(tmp_path / "films/b", moving(4))
    write_pictures(tmp_path / "films/a", moving(3))
    videos = read_videos(tmp_path / "films", SIZE)
    assert videos.lengths.tolist() == [3, 4]
    np.testing.assert_array_equal(videos.frames[3:], moving(4))


def test_frames_come_in_the_size_that_is_wanted(tmp_path: Path) -> None:
    videos = read_videos(write_pictures(tmp_path / "film", moving(4, 32, 40)), SIZE)
    assert videos.frames.shape == (4, *SIZE, 3)
    np.testing.assert_allclose(videos.frames.mean(), moving(4, 32, 40).mean(), rtol=0.05)


@pytest.mark.parametrize(("fps", "expected"), [(None, 6), (10, 6), (5, 3), (20, 12)])
def test_a_gif_comes_at_the_rate_that_is_wanted(tmp_path: Path, fps: float | None, expected: int) -> None:
    videos = read_videos(write_gif(tmp_path / "film.gif", moving(), 100), SIZE, fps)
    assert videos.lengths.tolist() == [expected]
    np.testing.assert_allclose(videos.frames[0].astype(float), moving()[0], atol=8)  # a palette
    if fps == 5:
        np.testing.assert_allclose(videos.frames[1].astype(float), moving()[2], atol=8)


def test_an_mp4_is_read(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    video = moving(12, 64, 64)
    writer = ffmpeg.write_frames(str(tmp_path / "film.mp4"), (64, 64), fps=12, macro_block_size=16)
    writer.send(None)
    for frame in video:
        writer.send(np.ascontiguousarray(frame).tobytes())
    writer.close()
    whole = read_videos(tmp_path / "film.mp4", (64, 64))
    half = read_videos(tmp_path / "film.mp4", (64, 64), fps=6)
    assert abs(len(whole.frames) - 12) <= 1 and abs(len(half.frames) - len(whole.frames) / 2) <= 1
    assert np.abs(whole.frames[0].astype(float) - video[0]).mean() < 12


def test_pairs_stay_in_their_episode() -> None:
    videos = Videos.of([moving(4), moving(3)])
    assert videos.pairs(2).tolist() == [[0, 2], [1, 3], [2, 3], [4, 6], [5, 6]]
    assert videos.pairs(0).tolist() == [[0, 0], [1, 1], [2, 2], [4, 4], [5, 5]]


def test_still_pictures_teach_nothing() -> None:
    with pytest.raises(UserError, match="nothing moves"):
        Videos.of([np.zeros((5, *SIZE, 3), np.uint8)])


def test_one_frame_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one frame long"):
        read_videos(write_pictures(tmp_path / "film", moving(1)), SIZE)


@pytest.mark.parametrize("name", ["none", "text.gif", "text.mp4", "text.txt", "empty"])
def test_what_is_no_video(tmp_path: Path, name: str) -> None:
    if name.startswith("text"):
        (tmp_path / name).write_text("not a film")
    elif name == "empty":
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=name.split(".")[0]) as caught:
        read_videos(tmp_path / name, SIZE)
    assert "\n" not in str(caught.value)
