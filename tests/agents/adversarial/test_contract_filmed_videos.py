"""Videos that cannot be learned from: one line and status 2. Those of another size and frame rate are converted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lhy_rl.agents.adversarial.third_person import ThirdPerson
from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.data.videos import Videos
from tests.agents.adversarial.test_contract_third_person import ENV, SMALL, small
from tests.data.test_contract_videos import moving, write_gif, write_pictures


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expert_videos": "one"}, "'one' is one frame long"),
        ({"expert_videos": "films"}, "'films/b' is one frame long"),
        ({"expert_videos": "still"}, "nothing moves"),
        ({"expert_videos": "none"}, "no videos 'none'"),
        ({"expert_videos": "text.mp4"}, "'text.mp4' cannot be read"),
        ({"expert_videos": {"random": None}}, "unknown videos {'random': None}"),
        ({"expert_videos": 3}, "unknown videos 3"),
        ({"expert_videos": "scripted:nobody"}, "unknown domain 'nobody'"),
        ({"failure_videos": "random:nobody"}, "unknown domain 'nobody'"),
        ({"failure_videos": "still"}, "nothing moves"),
        ({"video_fps": 0.0}, "video_fps is 0.0"),
    ],
)
def test_contract_what_cannot_be_learned_from_is_refused(
    options: dict[str, Any], message: str, tiny: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny(agent={**SMALL, "name": "third_person", "core": None, **options})
    env = {"id": ENV, "size": 16, "horizon": 8}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": env}))
    write_pictures(Path("one"), moving(1))
    write_pictures(Path("films/a"), moving(4))
    write_pictures(Path("films/b"), moving(1))
    write_pictures(Path("still"), moving(6)[[2, 2, 2]])
    Path("text.mp4").write_text("no film")
    assert main(["train", str(path), "--run.folder", "run"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("lhy-rl: ") and err.count("\n") == 1 and message in err
    assert not Path("run").exists()


def test_contract_an_environment_without_domains_has_no_second_view() -> None:
    with pytest.raises(UserError, match="third_person needs observations"):
        ThirdPerson("lhy_rl/Catch-v0", **{**SMALL, "core": None, "encoder": "cnn_small"})


def expert_of(source: Any, **options: Any) -> np.ndarray:
    agent = ThirdPerson(small(), **{**SMALL, "expert_videos": source, "failure_videos": None, "videos": 1, **options})
    return agent.discriminator.kinds["expert"].frames.numpy()


@pytest.mark.parametrize(("fps", "frames"), [(None, 10), (5.0, 5), (20.0, 20)])
def test_contract_films_of_another_size_and_rate_are_converted(fps: float | None, frames: int, tmp_path: Path) -> None:
    """Ten frames of 48 x 60, a tenth of a second each."""
    video = moving(10, 48, 60)
    found = {"gif": expert_of(write_gif(tmp_path / "film.gif", video, 100), video_fps=fps)}
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    writer = ffmpeg.write_frames(str(tmp_path / "film.mp4"), (60, 48), fps=10, macro_block_size=1)
    writer.send(None)
    for frame in video:
        writer.send(np.ascontiguousarray(frame).tobytes())
    writer.close()
    found["mp4"] = expert_of(tmp_path / "film.mp4", video_fps=fps)
    for kind, film in found.items():
        assert film.shape == (frames, 16, 16, 3), kind
        assert np.abs(film[1].astype(float) - film[0]).max() > 20 or fps == 20, kind
        assert np.abs(film[0].astype(float).mean() - video[0].mean()) < 3, kind


def test_contract_pictures_and_arrays_of_another_size_are_converted(tmp_path: Path) -> None:
    video = moving(10, 48, 60)
    pictures = expert_of(write_pictures(tmp_path / "film", video))
    assert pictures.shape == (10, 16, 16, 3)
    np.testing.assert_array_equal(expert_of(Videos.of([video])), pictures)
