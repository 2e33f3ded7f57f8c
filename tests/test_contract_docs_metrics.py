"""docs/metrics.md explains every metric that is logged, and none that is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lhy_rl.experiment import config
from lhy_rl.experiment.evaluation import AS_TEXT, GLOSSARY
from lhy_rl.experiment.start_run import train
from lhy_rl.experiment.tracking import read_metrics

TEXT = (Path(__file__).parent.parent / "docs/metrics.md").read_text("utf-8")
SIZES = {"hidden_size": 8, "embedding_size": 8, "num_envs": 4}
FEW = {"n_steps": 3, "gradient_steps": 2, "first_gradient_steps": 2}
PRETRAIN = {"pretrain_epochs": 1, "pretrain_batch_size": 20}
ORACLE = {
    "id": "lhy_rl/OracleText-v0",
    "vocabulary_size": 8,
    "max_length": 4,
    "hidden_size": 8,
    "embedding_size": 8,
    "reward": "none",
    "train_size": 40,
    "validation_size": 20,
    "test_size": 20,
}
RUNS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (ORACLE, {"name": "mle", "gradient_steps": 2, "scheduled_sampling": "linear"}),
    (
        {"id": "lhy_rl/CopySummary-v0", "events": 1, "reports": 20},
        {"name": "mle", "gradient_steps": 2, "attention_penalty": "coverage"},
    ),
    (ORACLE | {"reward": "final"}, {"name": "reinforce", "baseline": "critic", "kl_coef": 0.1, **PRETRAIN}),
    (
        ORACLE,
        {
            "name": "seqgan",
            "objective": "began",
            "discriminator": "autoencoder",
            "discriminator_pretrain_steps": 2,
            "discriminator_steps": 1,
            "rollouts": 1,
            **PRETRAIN,
        },
    ),
    (
        {"id": "lhy_rl/CorpusText-v0", "corpus": "chatterbot-english", "conversations": 60, "reward": "none"},
        {"name": "reinforce", "reward_model": "fluency"},
    ),
    ({"id": "CartPole-v1"}, {"name": "reinforce", "core": None}),
    ({"id": "Pendulum-v1"}, {"name": "a2c"}),
    ({"id": "lhy_rl/LRSchedule-v0", "decisions": 2, "batch_size": 200}, {"name": "ppo", "core": None, "n_steps": 5}),
    ({"id": "CartPole-v1"}, {"name": "bc", "demonstrations": "cartpole-expert", "gradient_steps": 2}),
    ({"id": "CartPole-v1"}, {"name": "dagger", "demonstrations": "cartpole-expert", **FEW}),
    ({"id": "CartPole-v1"}, {"name": "distill", "teacher": "run8", **FEW}),  # the clone
    ({"id": "lhy_rl/Gridworld-v0"}, {"name": "irl"}),
    ({"id": "lhy_rl/Objectworld-v0"}, {"name": "maxent_irl"}),
    ({"id": "CartPole-v1"}, {"name": "maxent_irl", "demonstrations": "cartpole-expert", "ppo": {"n_steps": 5}}),
    (
        {"id": "lhy_rl/negotiation_v0"},
        {"name": "selfplay", "policies": "independent", "n_games": 4, "demonstrations": "linear"}
        | {"imitation_updates": 1, "imitation_games": 2},
    ),
    (
        {"id": "lhy_rl/PointMassPixels-v0", "size": 16, "horizon": 10},
        {"name": "third_person", "expert_videos": "scripted:expert", "failure_videos": "random:expert", "videos": 2}
        | {"n_steps": 10, "core": None, "discriminator_steps": 1, "discriminator_warmup": 0},
    ),
    (
        {"id": "lhy_rl/GlyphTransfer-v0", "photographs": 80},
        {"name": "domain_transfer", "feature_steps": 2, "gradient_steps": 1, "batch_size": 8, "generator_width": 4},
    ),
    (
        {"id": "lhy_rl/Ring-v0", "points": 50},
        {"name": "gan", "objective": "began", "gradient_steps": 1, "batch_size": 8},
    ),
    (
        {"id": "lhy_rl/Digits-v0", "pictures": "optical", "conditional": True},
        {"name": "gan", "objective": "wgan_gp", "reconstruction": 1.0, "gradient_steps": 1, "batch_size": 8},
    ),
    (
        {"id": "lhy_rl/Digits-v0", "pictures": "optical"},
        {"name": "autoencoder", "gradient_steps": 1, "batch_size": 8},
    ),
    (
        {"id": "lhy_rl/Ring-v0", "points": 50},
        {"name": "vae", "likelihood": "gaussian", "gradient_steps": 1, "batch_size": 8},
    ),
    (
        {"id": "lhy_rl/FixedHorizon-v0", "horizon": 10},
        {"name": "gail", "demonstrations": "cartpole-expert", "n_steps": 10, "discriminator_steps": 1},
    ),
]
OF_SAMPLES = ("autoencoder", "domain_transfer", "gan", "vae")


def section(title: str) -> list[list[str]]:
    """The rows of the table under a heading: its cells."""
    table = TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in re.findall(r"^\| `.*", table, re.MULTILINE)]


def test_every_logged_metric_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    logged: set[str] = set()
    phases: set[str] = set()
    table: set[str] = set()
    options = {"tracker": "none", "plots": False, "evaluation_interval": 1, "evaluation_sentences": 10}
    for i, (env, agent) in enumerate(RUNS):
        values = {
            "env": env,
            "agent": agent | ({} if agent["name"] in OF_SAMPLES else SIZES),
            "total_timesteps": 40,
            "run": options | {"evaluation_episodes": 2},
        }
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
        run = train(config.load("c.yaml", {"run.folder": f"run{i}"}))
        rows = read_metrics(Path(f"run{i}/metrics.csv"))
        logged |= set(rows[0])
        phases |= {row["phase"] for row in rows}
        table |= {name for row in run.result()["table"].values() for name in row}
    explained = [row[0].strip("`") for row in section("In training")]
    assert len(explained) == len(set(explained))
    assert set(explained) == logged
    assert all(len(row) == 2 and row[1] for row in section("In training"))
    (line,) = [row[1] for row in section("In training") if row[0] == "`phase`"]
    assert set(re.findall(r"`([^`]+)`", line)) == phases
    assert table == set(GLOSSARY)


def test_the_glossary_of_the_table_is_the_reports() -> None:
    rows = section("In the table at the end")
    assert [row[0].strip("`") for row in rows] == list(GLOSSARY)
    for name, better, meaning in rows:
        direction = GLOSSARY[name.strip("`")][0]
        assert better.startswith({AS_TEXT: "as the text"}.get(direction, direction)), name
        assert meaning
