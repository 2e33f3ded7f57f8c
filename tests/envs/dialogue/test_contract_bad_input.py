"""Bad input to every dialogue environment, in every view of it: one clear line, and the dialogue goes on as it was."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium.error import ResetNeeded

from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.core.registry import Registry
from lhy_rl.envs.dialogue import negotiation_grammar as grammar
from lhy_rl.envs.dialogue.negotiation_vs_bot import NegotiationVsBot
from lhy_rl.envs.game import GameBatch
from lhy_rl.envs.registration import GAMES, TABLE
from tests.envs.dialogue.traces import module
from tests.tiny_runs import tiny  # noqa: F401  (a fixture)

DIALOGUES = [row for row in TABLE if ".dialogue." in row.batched]
CLASSES = {row.id: row.batched for row in DIALOGUES} | {row.id: row.rules for row in GAMES}
NO_ACTIONS: dict[str, Any] = {
    "an empty message": "",
    "10,000 characters": "x" * 10_000,
    "another language": "我要两本书",
    "control characters": "\x00\x07\x1b[2J\r\n",
    "words": "deal",
    "digits in a text": "1",
    "bytes": b"deal",
    "nothing": None,
    "a fraction": 0.5,
    "a whole float": np.float64(1.0),
    "not a number": float("nan"),
    "an array of not a number": np.array(np.nan),
    "infinity": float("inf"),
    "truth": True,
    "below": -1,
    "above": 10**6,
    "far above": 2**70,
    "unsigned": np.uint64(2**64 - 1),
    "a list": [0],
    "rows of several lengths": [[0], [1, 2]],
    "an array of three": np.zeros(3, int),
    "a dict": {"action": 0},
    "an object": np.array(None, object),
}
NO_NAMES = [
    "",
    "x" * 10_000,
    "谈判",
    "\x00\x1b[2J\n",
    "nobody",
    3,
    None,
    float("nan"),
    ["random"],
    {"a": 1},
    np.zeros(2),
]


def is_a_line(error: BaseException) -> bool:
    text = str(error)
    return text.isprintable() and 20 < len(text) < 400


class View(NamedTuple):
    """One way to play: what takes an action, and everything that the future depends on."""

    step: Callable[[Any], Any]
    snapshot: Callable[[], Any]


def views_of_an_environment(env_id: str) -> dict[str, View]:
    single = gymnasium.make(env_id, disable_env_checker=True)
    several = gymnasium.make_vec(env_id, num_envs=2)
    single.reset(seed=0)
    several.reset(seed=0)
    inside, many = single.unwrapped, several.unwrapped
    return {
        "single": View(single.step, inside.snapshot),  # type: ignore[attr-defined]
        "all": View(several.step, many.snapshot),  # type: ignore[attr-defined]
        "one of two": View(lambda action: several.step([0, action]), many.snapshot),  # type: ignore[attr-defined]
    }


def views_of_a_game(row: Any) -> dict[str, View]:
    made = module(row)
    raw, wrapped, parallel = made.raw_env(), made.env(), made.parallel_env()
    batch = GameBatch(Registry("game", {row.id: row.rules}).get(row.id)(), 2)
    for each in (raw, wrapped, parallel, batch):
        each.reset(seed=0)

    def at_once(action: Any) -> Any:
        return parallel.step(dict.fromkeys(parallel.agents, action))

    return {
        "raw": View(raw.step, raw.table.batch.snapshot),
        "wrapped": View(wrapped.step, wrapped.unwrapped.table.batch.snapshot),
        "parallel": View(at_once, parallel.table.batch.snapshot),
        "parallel, no dict": View(parallel.step, parallel.table.batch.snapshot),
        "all": View(batch.step, batch.snapshot),
        "one of two": View(lambda action: batch.step([0, action]), batch.snapshot),
    }


@pytest.mark.parametrize("row", [*DIALOGUES, *GAMES], ids=lambda row: row.id)
def test_what_is_no_action_is_a_line_and_nothing_is_lost(row: Any) -> None:
    views = views_of_an_environment(row.id) if row in DIALOGUES else views_of_a_game(row)
    for name, view in views.items():
        before = repr(view.snapshot())
        for fault, action in NO_ACTIONS.items():
            if name == "one of two" and fault == "truth":
                continue  # [0, True] is [0, 1]
            with pytest.raises(UserError) as caught:
                view.step(action)
            assert is_a_line(caught.value), (name, fault, str(caught.value))
            assert repr(view.snapshot()) == before, (name, fault)


@pytest.mark.parametrize("row", [*DIALOGUES, *GAMES], ids=lambda row: row.id)
def test_an_unknown_name_is_a_line(row: Any) -> None:
    """Of a partner, a reward, a user, a split, a channel and whatever else is chosen by name, or is true or false."""
    made = Registry("dialogue", {row.id: CLASSES[row.id]}).get(row.id)
    chosen = {
        name: option.default
        for name, option in inspect.signature(made).parameters.items()
        if isinstance(option.default, str | bool)
    }
    assert chosen
    for option, default in chosen.items():
        for name in NO_NAMES:
            with pytest.raises(UserError) as caught:
                made(**{option: name})
            assert is_a_line(caught.value) and option in str(caught.value), (option, str(caught.value))
        made(**{option: default})


@pytest.mark.parametrize("row", DIALOGUES, ids=lambda row: row.id)
def test_a_masked_action_is_answered_as_the_page_says(row: Any) -> None:
    """Numbers that are actions, but not now: no error; the dialogue goes on, or is lost, and rewards are finite."""
    env = gymnasium.make_vec(row.id, num_envs=8, autoreset_mode="SameStep")
    obs, infos = env.reset(seed=0)
    for _ in range(30):
        mask = infos.get("action_mask", obs.get("action_mask") if isinstance(obs, dict) else None)
        if mask is None:  # every action is legal
            mask = np.ones((8, env.single_action_space.n), int)  # type: ignore[attr-defined]
        obs, rewards, *_, infos = env.step(mask.argmin(1))
        assert np.isfinite(rewards).all() and (rewards <= 20).all()


@pytest.mark.parametrize("row", GAMES, ids=lambda row: row.id)
def test_an_illegal_offer_never_pays(row: Any) -> None:
    env = module(row).raw_env()
    env.reset(seed=0)
    for _ in range(400):
        if not env.agents:
            break
        obs, _, over, _, _ = env.last()
        env.step(None if over else int(obs["action_mask"].argmin()))
        assert max(env.rewards.values(), default=0.0) <= 0
    assert not env.agents, "the game ends all the same"


FOREIGN = ["bonjour", "i want 2 x" + "x" * 10_000, "deal\x00", "我要 两本 书", "i want 2 books!"]


@pytest.mark.parametrize("text", FOREIGN)
def test_a_word_of_another_language_is_a_line(text: str) -> None:
    with pytest.raises(UserError, match="unknown word") as caught:
        grammar.tokens_of(text)
    assert is_a_line(caught.value)


@pytest.mark.parametrize("row", GAMES, ids=lambda row: row.id)
def test_unknown_agents_and_calls_out_of_order(row: Any) -> None:
    for make in (module(row).raw_env, module(row).parallel_env):
        env = make()
        with pytest.raises(ResetNeeded):
            env.step({})
        env.reset(seed=0)
        for name in NO_NAMES:
            with pytest.raises(UserError) as caught:
                env.observe(name) if hasattr(env, "observe") else env.step({str(name): 0})
            assert is_a_line(caught.value)


@pytest.mark.parametrize("level", ["moves", "words"])
@pytest.mark.parametrize("given", ["deal", np.nan, np.full(4, np.nan), [0] * 5, np.full(4, 500), None, [[0]] * 4])
def test_a_partner_that_gives_no_actions_is_named(level: str, given: Any) -> None:
    env = NegotiationVsBot(4, partner=lambda *_: given, level=level)
    with pytest.raises(UserError, match="the partner: action") as caught:
        env.reset(seed=1)  # in some of four games it moves first
    assert is_a_line(caught.value)


@pytest.mark.parametrize(
    ("configuration", "option", "message"),
    [
        ("ppo/negotiation", "--env.partner=nobody", "unknown partner 'nobody'"),
        ("ppo/negotiation", "--env.reward=", "reward"),
        ("ppo/negotiation", "--env.level=谈判", "unknown level"),
        ("ppo/slotfilling", "--env.user_model=" + "x" * 10_000, "unknown user_model"),
        ("ppo/slotfilling", "--env.expert=\x1b[2J", "unknown expert"),
        ("ppo/twentyquestions", "--env.observation=some", "unknown observation 'some'"),
        ("reinforce/chatbandit", "--env.num_prompts=nan", "num_prompts"),
    ],
)
def test_the_command_line_says_it_in_one_line(
    configuration: str, option: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", configuration, option, "--run.folder", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and not (tmp_path / "run").exists()


def test_play_says_in_one_line_what_is_wrong_in_a_run(
    tiny: Callable[..., Path],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tiny(agent={"name": "ppo", "core": None, "num_envs": 2, "n_steps": 8, "batch_size": 16}, total_timesteps=16)
    env = {"id": "lhy_rl/NegotiationVsBot-v0", "max_moves": 4}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": env}))
    assert main(["train", str(path), "--run.folder", "run", "--run.evaluation_episodes", "1"]) == 0
    kept = Path("run/config.yaml").read_text()
    for name, message in (("nobody", "unknown partner 'nobody'"), ("", "partner"), ("谈判", "unknown partner")):
        changed = yaml.safe_load(kept)
        changed["env"]["partner"] = name
        Path("run/config.yaml").write_text(yaml.safe_dump(changed))
        capsys.readouterr()
        assert main(["play", "run"]) == 2
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1
    Path("run/config.yaml").write_text(kept)
    assert main(["play", "run"]) == 0
    assert "pool: " in capsys.readouterr().out
