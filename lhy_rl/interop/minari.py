"""Reads and writes Minari datasets; nothing that a dataset names is run or unpickled."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from lhy_rl.core.errors import UserError, install_extra, suggest
from lhy_rl.core.saved_states import MISFIT
from lhy_rl.core.trees import leaves, map_tree
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.data.npz import Spaces, check_spaces
from lhy_rl.data.spaces import conformed, without_texts

try:
    import minari
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_dataset import MinariDataset, parse_dataset_id
    from minari.dataset.minari_storage import METADATA_FILE_NAME, MinariStorage
    from minari.namespace import create_namespace, list_local_namespaces
    from minari.storage.datasets_root_dir import get_dataset_path
except ImportError as error:
    raise UserError(f"minari is not installed; {install_extra('minari')}") from error

OURS = "lhy_rl"  # key in a dataset's metadata for Demonstrations.about


def is_minari_id(name: str) -> bool:
    """Whether a name is a valid dataset id: ``(namespace/)name-v0``."""
    try:
        parse_dataset_id(name)
    except (ValueError, TypeError):  # TypeError: without a version
        return False
    return True


def minari_folder(dataset_id: str) -> Path:
    """The folder of a dataset of that id, which need not exist."""
    return Path(get_dataset_path(dataset_id))


def list_minari() -> list[tuple[str, str]]:
    """Ids and summaries of the local datasets, below ``MINARI_DATASETS_PATH`` or ``~/.minari/datasets``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about folders that are no datasets
        found = minari.list_local_datasets()
    rows = []
    for name, metadata in found.items():
        spec = "no environment named"
        with suppress(*MISFIT):  # skips datasets with unreadable metadata
            spec = json.loads(str(metadata["env_spec"]))["id"]
        rows.append((name, f"{spec}, {metadata['total_episodes']} episodes, {metadata['total_steps']:,} steps"))
    return rows


def read_minari(source: str | os.PathLike[str], env_spaces: Spaces | None = None) -> Demonstrations:
    """Read a Minari dataset of any origin.

    Args:
        source: The id of a local dataset, or a folder: the dataset's or the ``data`` in it.
        env_spaces: Spaces of the environment that it is for; None takes those of the dataset.

    Raises:
        UserError: There is no such dataset, it is damaged or of other spaces, or an episode does not end at its end.
    """
    folder = _folder(source)
    name = str(source)
    try:
        dataset = MinariDataset(folder)
        own = without_texts(dataset.observation_space), without_texts(dataset.action_space)
        chosen = own if env_spaces is None else env_spaces
        check_spaces(own, chosen, name)
        episodes = [_episode(i, data, chosen, name) for i, data in enumerate(dataset.iterate_episodes())]
        about = _about(dataset, name)
    except UserError:
        raise
    except ImportError as error:
        raise UserError(f"{name!r} cannot be read here: {' '.join(str(error).split())}") from error
    except Exception as error:  # h5py, json and PIL raise many kinds for damaged files
        raise UserError(f"{name!r} is damaged or not a dataset: {' '.join(str(error).split())[:200]}") from error
    try:
        return Demonstrations(episodes, *chosen, about)
    except UserError as error:
        raise UserError(f"{name!r}: {error}") from error


def write_minari(demonstrations: Demonstrations, dataset_id: str) -> Path:
    """Write a local dataset, completely or not at all; images are stored without JPEG compression.

    Args:
        dataset_id: ``(namespace/)name-v0``.

    Returns:
        Its folder.

    Raises:
        UserError: The id is invalid, or exists already.
    """
    if not is_minari_id(dataset_id):
        raise UserError(f"{dataset_id!r} is not a Minari id; it must be like lhy_rl/CartPole/expert-v0")
    namespace, *_ = parse_dataset_id(dataset_id)
    place = get_dataset_path(dataset_id)
    if place.exists():
        raise UserError(f"the dataset {dataset_id!r} exists already in {str(place)!r}; give another name or version")
    if namespace is not None and namespace not in list_local_namespaces():
        create_namespace(namespace)
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        storage = MinariStorage.new(
            temporary / "data",
            demonstrations.observation_space,
            demonstrations.action_space,
            env_spec=_spec(demonstrations.about),
            jpeg_encoding=False,
        )
        storage.update_metadata(_metadata(demonstrations, dataset_id))
        storage.update_episodes(_buffer(i, episode) for i, episode in enumerate(demonstrations.episodes))
        os.replace(temporary, place)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Path(place)


# ---------------------------------------------------------------------- reading
def _folder(source: str | os.PathLike[str]) -> Path:
    """The folder with the metadata of a dataset, which must contain its spaces.

    Raises:
        UserError: There is none.
    """
    if isinstance(source, str) and is_minari_id(source) and not (Path(source) / "data").is_dir():
        folder = minari_folder(source) / "data"
        if not folder.is_dir():
            known = [name for name, _ in list_minari()]
            if not known:
                raise UserError(
                    f"no dataset {source!r}: there is none in {str(get_dataset_path())!r} (MINARI_DATASETS_PATH sets "
                    f"the place; minari download {source} fetches a public one)"
                )
            raise suggest(source, known, "dataset")
    else:
        folder = Path(source)
        folder = folder / "data" if (folder / "data").is_dir() else folder
    try:
        metadata = json.loads((folder / METADATA_FILE_NAME).read_text(encoding="utf-8"))
        missing = [key for key in ("observation_space", "action_space") if key not in metadata]
    except OSError as error:
        raise UserError(f"{str(source)!r} is not a Minari dataset: it has no {METADATA_FILE_NAME}") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"the {METADATA_FILE_NAME} of {str(source)!r} is damaged: {error}") from error
    if missing:  # Minari would make the environment named there and so run untrusted code
        raise UserError(f"the {METADATA_FILE_NAME} of {str(source)!r} has no {missing[0]}; record it with Minari 0.5")
    return folder


def _episode(i: int, data: Any, spaces: Spaces, name: str) -> Episode:
    rewards = np.asarray(data.rewards, np.float64).reshape(-1)
    ends = {}
    for what in ("terminations", "truncations"):
        ends[what] = np.asarray(getattr(data, what), bool).reshape(-1)
        if len(ends[what]) != len(rewards):
            raise UserError(f"{name!r}: episode {i} has {len(rewards)} rewards and {len(ends[what])} {what}")
    early = (ends["terminations"] | ends["truncations"])[:-1]
    if early.any():
        raise UserError(f"{name!r}: episode {i} goes on after its end at step {int(early.argmax())}")
    return Episode(
        conformed(_arrays(data.observations), spaces[0]),
        conformed(_arrays(data.actions), spaces[1]),
        rewards,
        bool(ends["terminations"][-1:].any()),
        bool(ends["truncations"][-1:].any()),
    )


def _arrays(tree: Any) -> Any:
    """Minari's dicts and tuples with arrays as leaves; lists are texts, which are not needed."""
    return map_tree(np.asarray, tree)


def _about(dataset: MinariDataset, name: str) -> dict[str, Any]:
    metadata = dataset.storage.metadata
    about: dict[str, Any] = {"dataset": name}
    if dataset.env_spec is not None:
        about["env_id"] = dataset.env_spec.id
    if "algorithm_name" in metadata:
        about["expert"] = metadata["algorithm_name"]
    if metadata.get("ref_min_score") is not None:
        about["random_return"] = float(metadata["ref_min_score"])
    return {**about, **json.loads(metadata.get(OURS, "{}"))}


# ---------------------------------------------------------------------- writing
def _spec(about: dict[str, Any]) -> Any:
    """The registered environment's specification, if there is one."""
    import lhy_rl  # noqa: F401  (registers the environments)

    try:
        return gym.spec(str(about["env_id"]))
    except (KeyError, gym.error.Error, ImportError):
        return None


def _metadata(demonstrations: Demonstrations, dataset_id: str) -> dict[str, Any]:
    about = demonstrations.about
    metadata: dict[str, Any] = {
        "dataset_id": dataset_id,
        "minari_version": minari.__version__,
        "algorithm_name": str(about.get("expert", "unknown")),
        "description": f"recorded by lhy_rl: {about.get('env_id', 'an environment')}",
        OURS: json.dumps(about),
    }
    if "random_return" in about:
        metadata["ref_min_score"] = float(about["random_return"])
        metadata["ref_max_score"] = float(demonstrations.returns.mean())
    return metadata


def _buffer(i: int, episode: Episode) -> Any:
    ends = np.zeros((2, len(episode)), bool)
    ends[:, -1] = episode.terminated, episode.truncated
    width = {len(leaf) for leaf in leaves(episode.observations)}
    assert width == {len(episode) + 1}
    return EpisodeBuffer(
        id=i,
        observations=episode.observations,
        actions=episode.actions,
        rewards=episode.rewards,  # arrays are accepted in place of lists
        terminations=ends[0],
        truncations=ends[1],
        infos={},
    )
