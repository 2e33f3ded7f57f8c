"""The command line: help that teaches, one line and status 2 for bad input, nothing half-made, quick to start."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import lhy_rl
import lhy_rl.cli.main as command_line
from lhy_rl.agents import agents
from lhy_rl.cli.arguments import COMMANDS
from lhy_rl.cli.listing import KINDS, REGISTRIES, listing
from lhy_rl.cli.main import commands, main
from lhy_rl.core import errors
from lhy_rl.experiment import config
from lhy_rl.experiment.yaml_files import config_names
from lhy_rl.nn.backbones.base import cores

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(lhy_rl.__file__).parents[1])}
HEAVY = ("torch", "wandb", "matplotlib", "jsonargparse", "tensorboard", "sacrebleu", "jinja2")


def command(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """``lhy-rl`` in a process of its own."""
    words = [sys.executable, "-m", "lhy_rl.cli", *arguments]
    return subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, **options)  # type: ignore[call-overload,no-any-return]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on standard error of a command that exits with 2 and leaves nothing."""
    before = sorted(Path().rglob("*"))
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lhy-rl: ")
    assert err.count("\n") == 1, err
    assert sorted(Path().rglob("*")) == before, "something half-made"
    return err


def cpu_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_contract_help_starts_within_a_second_and_imports_nothing_heavy() -> None:
    seconds = []
    for _ in range(3):
        begun = cpu_seconds_of_children()
        result = command("--help")
        seconds.append(cpu_seconds_of_children() - begun)
        assert result.returncode == 0
        assert "lhy-rl train seqgan/chat" in result.stdout
    assert min(seconds) < 1.0
    code = "import sys; from lhy_rl.cli.main import main; main(['train', '--help']); "
    code += f"print([m for m in {HEAVY} if m in sys.modules])"
    script = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert script.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "train"])
def test_contract_help_of_each_command_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert f"example: lhy-rl {name}" in capsys.readouterr().out


def test_contract_train_help_lists_configurations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in config_names())
    assert "examples:" in out


@pytest.mark.parametrize("name", config_names())
def test_contract_help_of_a_configuration_shows_every_option_with_its_meaning(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    option, meaning = "hidden_size", "Width of the backbone. A larger one fits more and overfits sooner."
    if name.startswith("domain_transfer/"):
        option, meaning = (
            "feature_size",
            "Number of features of a picture. Fewer let less of its style through.",
        )
    if name.startswith(("autoencoder/", "gan/", "vae/")):
        option, meaning = "code_size", "Size of the code that a sample is generated from, or encoded to."
    assert main(["train", name, "--help", f"--agent.{option}", "77"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    values = config.load(name).values
    for section in ("env", "agent", "run"):
        for key in values[section]:
            assert f"--{section}.{key} " in out
    assert f"{meaning} (type: int, default: 77)" in out
    assert "example: lhy-rl train" in out


def test_contract_a_summary_is_not_cut_off_in_the_middle(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, summary in [*listing("configurations"), *listing("benchmarks")]:
        assert re.search(r"[.!]$|FILE$", summary), name
    assert dict(listing("configurations"))["irl/cartpole"].endswith(" PPO as the actor (Ho and Ermon's FEM).")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["list", "configurations"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 72 and min(len(line) - len(line.lstrip()) for line in lines[1:]) == 2


def test_contract_each_registry_is_listed() -> None:
    package = Path(lhy_rl.__file__).parent
    made = {
        f"lhy_rl.{'.'.join(path.relative_to(package).with_suffix('').parts)}:{name}".replace(".__init__", "")
        for path in package.rglob("*.py")
        for name in re.findall(r"^(\w+)(?:: [^=\n]+)? = Registry\(", path.read_text("utf-8"), re.MULTILINE)
    }
    assert made - {"lhy_rl.cli.main:commands"} <= set(REGISTRIES.values())
    assert all(summary for kind in KINDS for _, summary in listing(kind)), "each has a line"


def test_contract_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name in [*config_names(), *agents.names(), *cores.names(), "lhy_rl/OracleText-v0", "lhy_rl/CorpusText-v0"]:
        assert f"  {name} " in out
    assert main(["list", "agents"]) == 0
    assert "environments" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("trian seqgan/chat", "unknown command 'trian'; did you mean 'train'?"),
        ("train", "train needs a configuration"),
        ("train seqgan/chatt", "did you mean 'seqgan/chat'?"),
        (
            "train oracle",
            "is only half of a configuration's name; there are mle/oracle, reinforce/oracle, seqgan/oracle",
        ),
        ("train mle/oracle extra", "unexpected argument 'extra'; expected: lhy-rl train"),
        ("train mle/oracle --seed", "option --seed needs a value"),
        ("train mle/oracle --seed --device cpu", "option --seed needs a value"),
        ("train mle/oracle --agent.lerning_rate 1", "did you mean 'learning_rate'?"),
        ("train mle/oracle --agent.learning_rate -1e-3", "learning_rate is -0.001"),
        ("train mle/oracle --agent.learning_rate=x", "agent.learning_rate is 'x'; it must be a number"),
        ("train mle/oracle --agent.core lstn", "unknown core 'lstn'; did you mean 'lstm'?"),
        ("train mle/oracle --device tpu9", "device 'tpu9'"),
        ("train selfplay --env.id classic/tictactoe-v2", "unknown environment 'classic/tictactoe-v2'; did you mean"),
        ("train ppo --env.id classic/tictactoe-v3", "is a game of several players; agent.name must be selfplay"),
        ("train mle/oracle --total_timesteps 0", "total_timesteps is 0"),
        ("train mle/oracle --threads 0", "threads is 0"),
        ("train mle/oracle --seed -1", "seed is -1"),
        ("train mle/oracle --env.vocabulary_size 1", "vocabulary_size"),
        ("train mle/oracle --env.oracle_path none.npz", "none.npz"),
        ("train mle/chat --env.corpus none.txt", "none.txt"),
        ("train mle/chat --env.corpus empty.txt", "empty.txt"),
        ("train mle/chat --env.corpus latin.txt", "latin.txt"),
        ("train mle/oracle --run.folder full", "run.folder 'full' is not empty"),
        ("train mle/oracle --run.folder full/file", "is a file"),
        ("train ppo/cartpole --run.folder /proc/run", "/proc"),
        ("train mle/oracle --run.folder full/file/run", "full/file"),
        ("train mle/oracle --run.keep_checkpoints 0", "run.keep_checkpoints is 0"),
        ("resume none", "no run folder 'none'"),
        ("resume full", "is not a run"),
        ("resume", "the following arguments are required: RUN"),
        ("sample none", "no run folder"),
        ("sample full --metod beam", "unrecognized arguments"),
        ("evaluate none --sentences 1", "--sentences is 1"),
        ("report none", "no run folder"),
        ("play none", "no run folder"),
        ("play none --output a.avi", "'a.avi' ends in .avi; allowed: .gif, .mp4"),
        ("play none --output none/a.gif", "no folder 'none'"),
        ("play none --episodes x", "invalid whole number value"),
        ("list agnts", "invalid choice"),
    ],
)
def test_contract_bad_input_is_one_line(
    arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("x")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "latin.txt").write_bytes("é café\n".encode("latin-1") * 50)
    assert message in refused(capsys, *arguments.split())


def test_contract_unwritable_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the superuser may write anywhere
    assert "cannot write to" in refused(capsys, "train", "mle/oracle", "--run.folder", "a/b")


def test_contract_missing_packages_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    find = (
        command_line.importlib.util.find_spec if hasattr(command_line, "importlib") else None
    )  # the command itself imports nothing
    assert find is None
    from lhy_rl.experiment import config, tracking

    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'wandb>" in refused(capsys, "train", "mle/oracle", "--run.tracker", "wandb")
    monkeypatch.setitem(sys.modules, "jsonargparse", None)
    monkeypatch.setattr(config, "KEPT", {})  # a parser that was made before needs it no more
    message = refused(capsys, "train", "mle/oracle")
    assert "'jsonargparse' is not installed: " in message and message.endswith("pip install jsonargparse\n")


def test_contract_what_a_game_of_pettingzoos_needs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.startswith("pettingzoo.classic")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "chess", None)
    message = refused(capsys, "train", "selfplay", "--env.id", "classic/chess-v6")
    assert message.endswith("which classic/chess-v6 needs: pip install 'pettingzoo[classic]'\n")


def test_contract_no_message_installs_a_stranger_of_our_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """We are in no package index: `lhy-rl[extra]` there is nobody, or somebody else."""
    root = Path(lhy_rl.__file__).parents[1]
    places = ("*.md", "docs/**/*.md", "configs/**/*.yaml", "lhy_rl/**/*.py")
    files = [file for place in places for file in root.glob(place)]
    assert not [str(file) for file in files if re.search(r"pip install[^`\n]*lhy[-_]rl", file.read_text("utf-8"))]
    assert errors.install_extra("wandb").endswith("pip install 'wandb>=0.31'")

    def uninstalled(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(errors.metadata, "requires", uninstalled)
    assert errors.install_extra("wandb").endswith(f"pip install -e '{root}[wandb]'")


def test_contract_bad_input_has_no_traceback_in_a_real_process(tmp_path: Path) -> None:
    result = command("train", "mle/oracl", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"lhy-rl: unknown configuration 'mle/oracl'; did you mean 'mle/oracle'\?.*\n", result.stderr)
    assert list(tmp_path.iterdir()) == []


def test_contract_a_closed_pipe_is_no_error() -> None:
    words = f"{sys.executable} -m lhy_rl.cli.main list configurations | true"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", words], env=ENVIRONMENT, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_contract_bugs_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: list[str]) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(commands, "get", lambda name: broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["list"])
