"""Tiny runs that take a second or two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from lhy_rl.experiment import config, start_run

TINY: dict[str, Any] = {
    "env": {
        "id": "lhy_rl/OracleText-v0",
        "vocabulary_size": 12,
        "max_length": 5,
        "hidden_size": 8,
        "embedding_size": 8,
        "reward": "none",
        "train_size": 120,
        "validation_size": 40,
        "test_size": 40,
    },
    "agent": {"name": "mle", "hidden_size": 8, "embedding_size": 8, "dropout": 0.2, "gradient_steps": 2},
    "total_timesteps": 8000,
    "run": {"tracker": "none", "plots": False, "evaluation_sentences": 20, "samples": 3, "checkpoint_updates": 4},
}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a tiny configuration with sections replaced, in an empty working folder; gives its path."""
    monkeypatch.chdir(tmp_path)

    def write(**sections: Any) -> Path:
        values = {key: {**value} if isinstance(value, dict) else value for key, value in TINY.items()}
        for key, value in sections.items():
            values[key] = {**values[key], **value} if isinstance(value, dict) and key != "agent" else value
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.fixture
def same() -> Callable[[Any, Any], bool]:
    """Equal in structure and in every bit of every tensor."""

    def compare(a: Any, b: Any) -> bool:
        if type(a) is not type(b):
            return False
        if isinstance(a, torch.Tensor):
            return a.dtype == b.dtype and torch.equal(a, b)
        if isinstance(a, np.ndarray):
            return a.dtype == b.dtype and a.tobytes() == b.tobytes()
        if isinstance(a, dict):
            return list(a) == list(b) and all(compare(a[k], b[k]) for k in a)
        if isinstance(a, list | tuple):
            return len(a) == len(b) and all(map(compare, a, b))
        return repr(a) == repr(b)

    return compare


def hpo_trial_run(table: Path) -> Path:
    """A run whose policy learned to search a table for two updates, beside the table; made once."""
    folder = table.with_suffix("")
    if not folder.exists():
        chosen = config.load(
            "ppo",
            {
                "env.id": "lhy_rl/HPOTrial-v0",
                "env.tables": str(table),
                "env.num_trials": 5,
                "agent.num_envs": 2,
                "agent.n_steps": 10,
                "agent.core": "gru",
                "total_timesteps": 40,
                "run.folder": str(folder),
                "run.plots": False,
                "run.tracker": "none",
                "run.evaluation_episodes": 2,
            },
        )
        start_run.train(chosen)
    return folder
