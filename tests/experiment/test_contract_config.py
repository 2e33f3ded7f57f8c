"""Configurations: the signature is the schema, and whatever is wrong is said in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lhy_rl.core.errors import UserError
from lhy_rl.experiment import build, config
from lhy_rl.experiment.schema import RunOptions, agent_class, documentation, environment_schema, options_of
from lhy_rl.experiment.yaml_files import config_names, find_config


class Base:
    """A base.

    Args:
        seed: Given by the run.
        width: How wide; more is 10% slower.
            It goes on here.
    """

    def __init__(self, env: Any, *, seed: int = 0, width: int = 3) -> None: ...


class Child(Base):
    """A child.

    Args:
        rate: How fast.
        **base: Of the base.

    Raises:
        UserError: never.
    """

    def __init__(self, env: Any, *, rate: float = 0.5, **base: Any) -> None: ...


class Closed(Base):
    """No ``**kwargs``: the base's options are out of reach.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `length` | `2` | how `long` |
    """

    def __init__(self, length: int | None = 2) -> None: ...


def test_math_options_are_the_signature_and_its_docs() -> None:
    rate, width = options_of(Child)
    assert (rate.name, rate.hint, rate.default, rate.doc) == ("rate", float, 0.5, "How fast.")
    assert (width.name, width.hint, width.doc) == ("width", int, "How wide; more is 10%% slower. It goes on here.")
    (length,) = options_of(Closed)
    assert (length.name, length.hint, length.doc) == ("length", int | None, "how long")
    assert "Raises" not in documentation(Child)


class Spaced(Base):
    """It gives its base the environment and the width."""

    def __init__(self, paint: Callable[[int], int] | None = None, step: float | None = None, **base: Any) -> None:
        super().__init__("CartPole-v1", width=7, **base)


class ByName(Child):
    """It calls its base by name, and hands one argument of its own on."""

    def __init__(self, rate: float = 0.1, *rest: Any, **base: Any) -> None:
        Child.__init__(self, None, rate=rate, **base)


def test_contract_what_cannot_be_given_is_no_option() -> None:
    """A function cannot stand in a configuration, and what a class gives its base it cannot be given twice."""
    assert [option.name for option in options_of(Spaced)] == ["step"]
    assert [option.name for option in options_of(ByName)] == ["rate", "width"]
    for env_id in ("Ant-v5", "Hopper-v4", "Walker2d-v5"):
        pytest.importorskip("mujoco")
        names = {option.name for option in environment_schema(env_id, {})}
        assert not names & {"observation_space", "model_path", "mission_space"}, env_id
        assert names >= {"frame_skip" if env_id.endswith("5") else "width", "reset_noise_scale"}


def test_contract_any_environment_of_others_has_a_time_limit() -> None:
    limited = config.load("ppo/lunarlander", {"env.max_episode_steps": "50"})
    assert config.load("ppo/lunarlander").values["env"]["max_episode_steps"] == 1000, "its id's"
    env = build.make_environment(limited, num_envs=2)
    env.reset(seed=0)
    ended = [env.step(np.zeros(2, int))[3].all() for _ in range(50)]
    assert ended == [False] * 49 + [True]
    with pytest.raises(UserError, match=r"env\.max_episode_steps is 0; it must be at least 1"):
        build.make_environment(config.load("ppo/lunarlander", {"env.max_episode_steps": "0"}))


def test_contract_what_stands_around_an_environment_takes_its_options() -> None:
    overrides = {"env.env_id": "Pendulum-v1", "env.after": "freeze", "env.horizon": "200", "env.g": "1.5"}
    heavy = config.load("gail/cartpole", overrides)
    env = build.make_environment(heavy, num_envs=1)
    assert env.envs[0].unwrapped.g == 1.5  # type: ignore[attr-defined]
    assert "sutton_barto_reward" not in heavy.values["env"]
    with pytest.raises(UserError, match="unknown option 'gg' of env 'lhy_rl/FixedHorizon-v0'"):
        config.load("gail/cartpole", overrides | {"env.gg": "2"})


@pytest.mark.parametrize("name", config_names())
def test_contract_shipped_configuration_is_checked_complete_and_rerunnable(name: str, tmp_path: Path) -> None:
    loaded = config.load(name)
    (tmp_path / "config.yaml").write_text(loaded.dump(), encoding="utf-8")
    again = config.load(str(tmp_path / "config.yaml"))
    assert again.values == loaded.values
    assert loaded.values["run"]["name"] == name.replace("/", "-")
    assert len(loaded.values["run"]) == len(RunOptions.__dataclass_fields__)
    assert find_config(name).read_text().startswith("# "), "the first line says what it is, for lhy-rl list"
    for option in options_of(agent_class(loaded.values["agent"]["name"])):
        assert option.doc, f"{option.name} has no documentation"
        assert option.name in loaded.values["agent"]


def test_a_configuration_is_read_anew_although_its_parser_is_kept() -> None:
    env = {"env.id": "lhy_rl/negotiation_v0"}
    first = config.load("selfplay", env | {"agent.gamma": 0.5, "agent.partners": ["linear"]}).values["agent"]
    assert first["gamma"] == 0.5 and first["partners"] == ["linear"]
    config.help_parser("selfplay", env | {"agent.gamma": "0.25"})
    second = config.load("selfplay", env).values["agent"]
    assert second["gamma"] not in (0.5, 0.25) and second["partners"] == [] and list(second) == list(first)
    second["partners"].append("random")
    assert config.load("selfplay", env).values["agent"]["partners"] == []


def test_contract_values_of_the_command_line_get_their_types(tiny: Callable[..., Path]) -> None:
    overrides = {
        "agent.learning_rate": "1e-3",
        "agent.core": "null",
        "env.vocabulary_size": "30",
        "run.plots": "true",
        "run.name": "7",
        "seed": "5",
        "total_timesteps": "2.5e3",
    }
    values = config.load(str(tiny()), overrides).values
    assert values["agent"]["learning_rate"] == 1e-3
    assert values["agent"]["core"] is None
    assert values["env"]["vocabulary_size"] == 30
    assert values["run"]["plots"] is True
    assert values["run"]["name"] == "7"
    assert values["seed"] == 5
    assert values["total_timesteps"] == 2500


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"agent.learning_rat": "1"}, "unknown option 'learning_rat' of agent 'mle'; did you mean 'learning_rate'?"),
        ({"env.vocabulary_sise": "1"}, "did you mean 'vocabulary_size'?"),
        ({"run.foldr": "x"}, "unknown option 'foldr' of run; did you mean 'folder'?"),
        ({"sed": "1"}, "unknown key 'sed'; did you mean 'seed'?"),
        ({"learning_rate": "1"}, "unknown key 'learning_rate'; did you mean 'agent.learning_rate'?"),
        ({"total_timesteps": "1.5e0"}, "total_timesteps is '1.5e0'; it must be a whole number"),
        ({"agnt.learning_rate": "1"}, "unknown key 'agnt'; did you mean 'agent'?"),
        ({"agent.name": "mel"}, "unknown agent 'mel'; did you mean 'mle'?"),
        ({"env.id": "lhy_rl/OracelText-v0"}, "did you mean 'lhy_rl/OracleText-v0'?"),
        ({"env.id": "CartPol-v1"}, "did you mean 'CartPole-v1'?"),
        ({"agent.learning_rate": "fast"}, "agent.learning_rate is 'fast'; it must be a number"),
        ({"env.vocabulary_size": "1.5"}, "env.vocabulary_size is '1.5'; it must be a whole number"),
        ({"run.tracker": "mlflow"}, "it must be one of 'auto', 'wandb', 'tensorboard', 'none'"),
        ({"agent.hidden_sizes": "64"}, "it must be a list, [a, b], each a whole number, or null"),
        ({"agent.core_options": "8"}, "it must be a mapping, {name: value}, or null"),
        ({"run.plots": "maybe"}, "run.plots is 'maybe'; it must be true or false"),
        ({"agent": "mle"}, "agent is 'mle'; it must hold options"),
        ({"seed.x": "1"}, "seed"),
        ({"agent.learning_rate.x": "1"}, "agent.learning_rate"),
    ],
)
def test_contract_mistakes_are_named(tiny: Callable[..., Path], overrides: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        config.load(str(tiny()), overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"env: [", "is not YAML"),
        (b"- a\n- b\n", "does not hold a configuration"),
        (b"", "does not hold a configuration"),
        ("env: {id: 中文}".encode("gb18030"), "not text in UTF-8"),
        (b"agent: {name: mle}", "needs env.id"),
        (b"env: {id: lhy_rl/OracleText-v0}\nagent: {name: 3}", "needs agent.name"),
        (b"env: {id: lhy_rl/OracleText-v0}\nagent: {name: mle, core: [1]}", "agent.core is [1]"),
    ],
)
def test_contract_broken_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(UserError) as caught:
        config.load(str(tmp_path / "bad.yaml"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_contract_unknown_configuration_is_suggested() -> None:
    with pytest.raises(UserError, match=r"did you mean 'seqgan/oracle'\?"):
        config.load("seqgan/orakle")
    with pytest.raises(UserError, match="no configuration file"):
        config.load("nothing.yaml")


def test_contract_run_options_have_ranges() -> None:
    wrong = {"keep_checkpoints": 0, "evaluation_sentences": 1, "checkpoint_seconds": -1.0, "name": "a/b"}
    for name, value in wrong.items():
        with pytest.raises(UserError, match=f"run.{name}"):
            RunOptions(**{name: value})  # type: ignore[arg-type]


def test_contract_yaml_numbers_are_numbers(tiny: Callable[..., Path]) -> None:
    path = tiny()
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text())).replace("dropout: 0.2", "dropout: 2e-1"))
    assert config.load(str(path)).values["agent"]["dropout"] == 0.2


def test_a_game_is_an_environment_with_the_options_of_its_rules():
    values = config.load("selfplay/negotiation", {"env.reward": "fair", "env.max_moves": "6"}).values
    assert values["env"] == {
        "id": "lhy_rl/negotiation_v0", "reward": "fair", "contexts": "all", "split": "train", "max_moves": 6,
    }  # fmt: skip
    with pytest.raises(UserError, match="option 'rewrd' of env 'lhy_rl/negotiation_v0'; did you mean 'reward'"):
        config.load("selfplay/negotiation", {"env.rewrd": "fair"})
    with pytest.raises(UserError, match="did you mean 'lhy_rl/negotiation_v0'"):
        config.load("selfplay/negotiation", {"env.id": "lhy_rl/negotation_v0"})


def test_what_is_given_to_a_base_is_no_option_and_what_is_handed_on_is() -> None:
    """An argument by position fills the base's parameter, not that of the options beside it."""
    from lhy_rl.agents import DomainTransfer

    names = {option.name for option in options_of(DomainTransfer)}
    assert {"generator_width", "encoder_width", "batch_size"} <= names and "env" not in names
