"""``lhy-rl record``: record demonstrations of a policy, an expert or a person, and write them at the end."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from gymnasium.vector import VectorEnv

from lhy_rl.core.errors import UserError
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.data.npz import write_npz
from lhy_rl.interop.demonstrations import looks_like_an_id
from lhy_rl.recording.sources import RecordOptions, open_recording_source
from lhy_rl.reporting.terminal import progress
from lhy_rl.rollouts.record_episodes import Stop, random_policy, record

ONE_MORE = "recording-"  # prefix of the files of a folder to which recordings are added
CHANCE = 20  # episodes of a random policy for comparison


def demonstrate(options: RecordOptions, say: Callable[[str], None] = print) -> Demonstrations:
    """Record demonstrations.

    Returns:
        The episodes; fewer than requested after Ctrl-C.

    Raises:
        UserError: nothing that can act, an environment that does not fit, or no episode.
        KeyboardInterrupt: before the first episode was complete.
    """
    with open_recording_source(options, say) as source:
        about = {"env_id": source.env_id, "expert": source.expert, "seed": options.seed}
        about |= {"env_options": options.env_options} if options.env_options else {}
        about |= {"noise": options.noise, "labels": options.labels} if options.noise else {}
        bar = nullcontext(lambda now: None) if options.keyboard else progress(options.episodes, "recording")
        with bar as advance:
            try:
                found = record(
                    source.env,
                    source.act,
                    options.episodes,
                    seed=options.seed,
                    noise=options.noise,
                    labels=options.labels,
                    min_return=options.min_return,
                    about=about,
                    tell=lambda episode: advance(f"return {episode.total:.4g}, {len(episode)} steps"),
                )
            except Stop as stop:
                raise UserError(
                    "the recording ended before its first episode was complete; nothing is written"
                ) from stop
        if options.random:
            return found
        floor = _chance(source.env, options)
        found.about.update({} if floor is None else {"random_return": floor})
    mean = float(found.returns.mean())
    if floor is not None and mean <= floor:
        warnings.warn(
            f"the mean return of this expert is {mean:.4g}, that of a random policy {floor:.4g}", stacklevel=2
        )
    return found


def _chance(env: VectorEnv[Any, Any, Any], options: RecordOptions) -> float | None:
    """Mean return of a random policy; None where its episodes do not end."""
    if options.keyboard:  # its environment is on a screen
        return None
    try:
        found = record(env, random_policy(env.single_action_space, options.seed), CHANCE, seed=options.seed)
    except UserError:
        return None
    return round(float(found.returns.mean()), 4)


def destination(output: str | None, options: RecordOptions) -> str:
    """The place to write to, checked before the recording begins.

    Args:
        output: An .npz file, a Minari id (``name-v0``), a folder to which a file is added; None for a file below
            demonstrations/.

    Raises:
        UserError: it is there already, or cannot be written.
    """
    if output is None:
        who = "random" if options.random else "keyboard" if options.keyboard else "expert"
        stem = Path(options.who).stem if Path(options.who).exists() else options.who.replace("/", "-").replace(":", "-")
        path, number = Path("demonstrations") / f"{stem}-{who}.npz", 2
        while path.exists():
            path, number = path.with_name(f"{stem}-{who}-{number}.npz"), number + 1
        return str(path)
    path = Path(output)
    if not output:
        raise UserError("--output is empty; give an .npz file, a Minari id or a folder")
    if path.is_dir():
        if (path / "data").is_dir():
            raise UserError(f"--output {output!r} is already a dataset; give another name or version")
        return str(path / f"{ONE_MORE}{len(list(path.glob(f'{ONE_MORE}*.npz'))) + 1:03}.npz")
    if path.exists():
        raise UserError(f"--output {output!r} exists already; give another name")
    if path.suffix == ".npz":
        return output
    if looks_like_an_id(output):
        from lhy_rl.interop.minari import is_minari_id, minari_folder

        if not is_minari_id(output):
            raise UserError(f"--output {output!r} is not a Minari id; it must be like lhy_rl/CartPole/expert-v0")
        if minari_folder(output).exists():
            raise UserError(f"the dataset {output!r} exists already; give another name or version")
        return output
    return str(path / f"{ONE_MORE}001.npz")


def write(demonstrations: Demonstrations, place: str) -> tuple[Path, str]:
    """Write to a place from :func:`destination`; return the path, and the name for ``load_demonstrations``."""
    if place.endswith(".npz"):
        path = write_npz(demonstrations, place)
        return path, str(path.parent if path.name.startswith(ONE_MORE) else path)
    from lhy_rl.interop.minari import write_minari

    return write_minari(demonstrations, place), place
