"""A run that fails in the middle says how to go on, and can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml

from lhy_rl.cli.main import main
from lhy_rl.experiment.run_folder import Checkpoints
from lhy_rl.experiment.tracking import metric_columns

STEP = {"fails": 0}  # the step of which instance 0 fails, counted in this process; 0 never does


class Fragile(gymnasium.Env[Any, Any]):
    """Episodes of ten steps."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)
    steps = 0

    def __init__(self, failure: str = "raises") -> None:
        self.failure = failure

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        self.t += 1
        self.steps += 1
        reward = float(action)
        obs = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        if self.steps == STEP["fails"]:
            if self.failure == "raises":
                raise RuntimeError("the robot fell over")
            obs, reward = (obs, float("nan")) if self.failure == "reward" else (obs * np.nan, reward)
        return obs, reward, False, self.t == 10, {}


@pytest.fixture
def fragile(tiny: Callable[..., Path]) -> Iterator[Callable[..., Path]]:
    """Writes the configuration of a run that fails after some updates."""
    gymnasium.register("tests/Fragile-v0", entry_point=Fragile)

    def write(agent: dict[str, Any], failure: str) -> Path:
        path = tiny(agent=agent, total_timesteps=400, run={"checkpoint_updates": 2, "evaluation_episodes": 2})
        values = yaml.safe_load(path.read_text()) | {"env": {"id": "tests/Fragile-v0", "failure": failure}}
        path.write_text(yaml.safe_dump(values))
        return path

    yield write
    STEP["fails"] = 0
    del gymnasium.registry["tests/Fragile-v0"]


SIZES = {"num_envs": 2, "embedding_size": 8, "hidden_size": 8}
AGENTS: dict[str, dict[str, Any]] = {
    "ppo": {"name": "ppo", "n_steps": 16, "batch_size": 16, **SIZES},
    "a2c": {"name": "a2c", "n_steps": 8, **SIZES},
    "reinforce": {"name": "reinforce", "core": None, **SIZES},
}


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("failure", ["raises", "reward", "observation"])
def test_contract_a_run_whose_environment_fails_goes_on(
    agent: str, failure: str, fragile: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config, run = fragile(AGENTS[agent], failure), Path("run")
    STEP["fails"] = 113
    if failure == "raises":
        with pytest.raises(RuntimeError, match="the robot fell over") as caught:
            main(["train", str(config), "--run.folder", "run"])
        (message,) = caught.value.__notes__
    else:
        assert main(["train", str(config), "--run.folder", "run"]) == 2
        message = capsys.readouterr().err.splitlines()[-1]
        assert message.startswith(f"lhy-rl: the {failure} of instance 0 at step ")
        assert "is not a number" in message
    newest = Checkpoints(run / "checkpoints").newest()[0]
    assert int(newest.stem.removeprefix("update-")) >= 2
    assert f"{newest.name} is intact" in message
    assert message.endswith("then: lhy-rl resume run")
    assert not list(run.rglob(".*")), "nothing half-written"
    assert not (run / "result.json").exists()

    STEP["fails"] = 0
    assert main(["resume", "run"]) == 0
    steps = [value for _, value in metric_columns(run / "metrics.csv")["time/total_timesteps"]]
    assert steps == sorted(steps)
    assert steps[-1] >= 400


@pytest.mark.parametrize("agent", AGENTS)
def test_contract_a_run_that_diverges_is_mended_in_its_configuration(
    agent: str, fragile: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The learning rate that is put into config.yaml is the one that the resumed run uses."""
    from lhy_rl.agents import agents

    config, run = fragile(AGENTS[agent], "raises"), Path("run")
    kind = agents.get(agent)
    update = kind.update

    def spoiled(self: Any) -> Any:
        if self.num_updates == 3:
            self.policy.critic.bias.data.fill_(float("nan"))
        return update(self)

    with monkeypatch.context() as patched:
        patched.setattr(kind, "update", spoiled)
        options = ["--agent.baseline", "critic"] if agent == "reinforce" else []
        assert main(["train", str(config), "--run.folder", "run", *options]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "loss or gradient is not finite at step" in message
    assert "update-00000002.zip is intact; fix the cause (options are in run/config.yaml)" in message

    values = yaml.safe_load((run / "config.yaml").read_text())
    values["agent"]["learning_rate"] = 1.5e-4
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    used = set()

    def watched(self: Any) -> Any:
        found = update(self)
        used.update(group["lr"] for group in self.optimizer.param_groups)
        return found

    monkeypatch.setattr(kind, "update", watched)
    assert main(["resume", "run"]) == 0
    assert used == {1.5e-4}
