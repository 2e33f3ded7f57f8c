"""The README and the pages: their tables, commands, options, links and code are tried."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from lhy_rl.agents import PPO, Reinforce, agents
from lhy_rl.agents.common.agent import Agent
from lhy_rl.benchmark import spec
from lhy_rl.cli.arguments import COMMANDS
from lhy_rl.cli.listing import REGISTRIES, listing
from lhy_rl.cli.train import split_train
from lhy_rl.envs.registration import GAMES, TABLE, WRAPPED, Row
from lhy_rl.experiment import config
from lhy_rl.experiment.start_run import train
from lhy_rl.experiment.yaml_files import config_names
from lhy_rl.nn.discriminators.transition import transition_discriminators
from tests.scripts import script

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
NAMES = (ROOT / "docs" / "names.md").read_text("utf-8")
PAGES = [
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"))
    if "results" not in path.parts
]
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def smaller(code: str, **sizes: str) -> str:
    """The code with other numbers, each of which must stand in it once."""
    for name, size in sizes.items():
        code, found = re.subn(rf"\b{name}=[\d_]+", f"{name}={size}", code)
        assert found == 1, name
    return code


def test_the_readme_has_every_environment_and_agent() -> None:
    names = [row.id.removeprefix("lhy_rl/") for row in TABLE + WRAPPED + GAMES] + agents.names()
    assert [name for name in names if f"`{name}`" not in README] == []


def test_the_table_of_names_is_the_registries() -> None:
    """As ``python docs/build.py`` writes it."""
    table = NAMES.partition("|------|-------|\n")[2]
    stated = {}
    for line in table.splitlines():
        _, kind, names, _ = line.split("|")
        stated[kind.strip()] = re.findall(r"`([^`]+)`", names)
    assert stated == {
        "environments": [row.id for row in TABLE + WRAPPED + GAMES],
        **{kind.replace("_", " "): [name for name, _ in listing(kind)] for kind in REGISTRIES},
        "configurations": config_names(),
        "benchmarks": spec.names(),
        "commands": list(COMMANDS),
    }
    assert (
        stated["agents"] == agents.names() and stated["transition discriminators"] == transition_discriminators.names()
    )


def test_the_readmes_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = blocks(README, "python")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    small = smaller(code, num_envs="4", pretrain_epochs="1, discriminator_pretrain_steps=2", total_timesteps="20")
    names = {}
    exec(smaller(small, rollouts="1", max_length="6"), names)
    assert len(capsys.readouterr().out.splitlines()) >= 5
    assert (tmp_path / "seqgan.zip").stat().st_size > 1000
    assert names["SeqGAN"].load("seqgan.zip", names["envs"]).num_timesteps >= 20


def test_the_readmes_script_for_sb3_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("stable_baselines3")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(blocks(README, "python")[1].replace("25_000", "600"), names)
    assert names["action"].shape == (4,) and names["model"].num_timesteps >= 600


def test_the_readmes_sb3_example_runs() -> None:
    pytest.importorskip("stable_baselines3")
    code = blocks(README, "python")[2]
    assert "learn(10_000)" in code
    exec(code.replace("learn(10_000)", "learn(64)").replace('"MlpPolicy", ', '"MlpPolicy", n_steps=8, env='), {})


def test_the_readmes_expert_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    monkeypatch.chdir(tmp_path)
    sb3.PPO("MlpPolicy", "CartPole-v1").save("ppo_cartpole")
    code = blocks(README, "python")[3]
    assert "load_expert" in code
    names: dict[str, Any] = {}
    exec("import gymnasium\n" + code, names)
    assert names["actions"].shape == (8,)


def test_the_readmes_guests_are_learned_in(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("popgym")
    pytest.importorskip("minigrid")
    code = blocks(README, "python")[4]
    trained, learn = [], Agent.learn
    monkeypatch.setattr(Agent, "learn", lambda agent, steps: trained.append(learn(agent, steps)))
    with pytest.warns(UserWarning, match="'mission' of the observations is text"):
        exec(re.sub(r"learn\([\d_]+\)", "learn(20)", code), {})
    assert [type(agent) for agent in trained] == [PPO, PPO, Reinforce]
    assert all(agent.num_timesteps >= 20 for agent in trained)


def test_the_quickstarts_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/seqgan-chat").mkdir(parents=True)
    (tmp_path / "runs/seqgan-chat/metrics.csv").write_text("time/iterations,train/nll\n1,2.5\n2,\n3,1.5\n")
    words = ["cat", "dog", "bird", "fish"]
    lines = [f"the {a} saw a {b} and a {c}" for a in words for b in words for c in words]
    (tmp_path / "my.txt").write_text("\n".join(lines) + "\n")
    code = blocks((ROOT / "docs/quickstart.md").read_text("utf-8"), "python")
    assert len(code) == 4
    (tmp_path / "c.yaml").write_text("{env: {id: CartPole-v1}, agent: {name: ppo, n_steps: 8}, total_timesteps: 64}")
    options = {"run.folder": "runs/ppo-cartpole", "run.plots": False, "run.tracker": "none"}
    train(config.load("c.yaml", options))
    for block in code:
        exec(block, {})
    out = capsys.readouterr().out
    assert out.startswith("[2.5, 1.5]\n")
    assert "train" in out


@every_page
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        found = path.parent / file if file else path
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text("utf-8"), flags=re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@every_page
def test_commands_can_be_typed(path: Path) -> None:
    """Names and options of every ``lhy-rl ...`` in the text are checked as the command checks them."""
    text = path.read_text("utf-8").replace("\\\n", "")
    typed = re.findall(r"^ {4}(lhy-rl [^#\n]+)", text, flags=re.MULTILINE) + re.findall(r"`(lhy-rl [^`]+)`", text)
    for line in typed:
        command, *rest = shlex.split(line)[1:]
        assert command in COMMANDS, line
        if command == "train" and not re.search(r"runs/|FILE|my\.yaml|elite|toys:|agents:", line):
            name, overrides, _ = split_train(rest)
            if name is not None:
                config.load(name, overrides)
        if command == "benchmark" and "NAME" not in rest:
            spec.find(list(itertools.takewhile(lambda word: not word.startswith("--"), rest)))
    for name in re.findall(r"CONFIG=([\w/]+)", text):
        assert name in config_names()


def test_the_picture_is_small() -> None:
    assert 20_000 < (ROOT / "docs/images/report.png").stat().st_size < 300_000


@pytest.mark.parametrize("row", TABLE + WRAPPED, ids=lambda row: row.id)
def test_each_environments_page_has_a_film(row: Row) -> None:
    from PIL import Image

    name = row.id.partition("/")[2]
    path = ROOT / f"docs/environments/films/{name}.gif"
    assert f"](films/{name}.gif)" in (ROOT / f"docs/environments/{name}.md").read_text("utf-8")
    assert path.stat().st_size < 150_000
    with Image.open(path) as film:
        assert film.n_frames > 3 and film.width >= 240


def test_films_can_be_made_again(tmp_path: Path) -> None:
    films = script("films")
    assert films.PLANS.keys() <= {row.id.partition("/")[2] for row in TABLE + WRAPPED}
    films.main(["Catch-v0"], tmp_path)
    assert (tmp_path / "Catch-v0.gif").read_bytes()[:6] == b"GIF89a"


def test_the_environments_pages_are_what_the_docstrings_say() -> None:
    pages = script("build").pages()
    assert set(pages) == {path.name for path in (ROOT / "docs/environments").glob("*.md")}
    for name, text in pages.items():
        written = (ROOT / "docs/environments" / name).read_text("utf-8")
        assert written == text, f"docs/environments/{name} is old; run: python docs/build.py"


def test_the_glossarys_words_stand_where_it_says() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text("utf-8")
    rows = re.findall(r"^\| ([^|]+) \|.*\| `([\w/]+\.py)` \|$", glossary, flags=re.MULTILINE)
    assert len(rows) > 10
    for word, file in rows:
        text = (ROOT / "lhy_rl" / file).read_text("utf-8")
        defined = rf"^class {word.strip('`')}\b" if word.startswith("`") and word != "`start`" else r"."
        assert re.search(defined, text, flags=re.MULTILINE), f"{file} has no {word}"


def test_the_picture_of_the_rooms_is_of_these_imports() -> None:
    """The table beside it has the same rooms and arrows; numbers may have drifted by a quarter."""
    architecture, page = script("architecture"), (ROOT / "docs/architecture.md").read_text("utf-8")
    assert architecture.stale(page) == [], "run: python docs/architecture.py"
    assert architecture.stale(page.replace("nn (", "envs (")) != []
    assert (ROOT / "docs/images/architecture.svg").stat().st_size > 20_000
