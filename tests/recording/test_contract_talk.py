"""A person talks with a bot in the terminal, in English and Chinese; odd messages are one line and nothing ends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import MLE
from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Conversational
from lhy_rl.recording.talk import checked, talk

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "embedding_size": 32,
    "gradient_steps": 20,
    "learning_rate": 0.02,
    "batch_size": 8,
}


@pytest.fixture(scope="module")
def bots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MLE]:
    """Two bots that have learned their few conversations by heart."""
    talks = {
        "en": [("hello", "hi there"), ("what is your name?", "my name is bo"), ("do you like tea?", "yes i like tea")],
        "zh": [("你好", "你好吗"), ("你叫什么名字", "我叫小波"), ("你喜欢茶吗", "我喜欢茶")],
    }
    made = {}
    for language, pairs in talks.items():
        path = tmp_path_factory.mktemp(language) / "talk.txt"
        ending = [" now", "", " please"] if language == "en" else ["吧", "", "呢"]
        path.write_text("".join(f"{q}\t{a}{e}\n" for e in ending for q, a in pairs), encoding="utf-8")
        many = gymnasium.make_vec(
            "lhy_rl/ChatReply-v0", num_envs=1, corpus=str(path), reward="none", split_seed=3, context_turns=1
        )
        made[language] = MLE(many, seed=0, **SIZES).learn(2500)
    return made


def conversation(bot: MLE, messages: list[str], **options: Any) -> tuple[list[str], list[str]]:
    """The turns, and what was printed."""
    lines: list[str] = []
    waiting: Iterator[str] = iter(messages)

    def ask() -> str:
        try:
            return next(waiting)
        except StopIteration:
            raise EOFError from None

    return talk(bot, bot.task, ask=ask, say=lines.append, **options), lines  # type: ignore[arg-type]


def test_it_answers_in_both_languages(bots: dict[str, MLE]) -> None:
    turns, lines = conversation(bots["en"], ["Hello!", "Do you like tea?"])
    assert turns[0::2] == ["Hello!", "Do you like tea?"] and turns[1].startswith("hi there") and "tea" in turns[3]
    assert lines[1:] == [f"bot: {turns[1]}", f"bot: {turns[3]}"]
    turns, _ = conversation(bots["zh"], ["你好", "你喜欢茶吗"])
    assert turns[1].startswith("你好吗") and turns[3].startswith("我喜欢茶")
    first, again = (conversation(bots["en"], ["hello"] * 3, stochastic=True, seed=5) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the message is empty"),
        (" \t ", "the message is empty"),
        ("a" * 10_000, "a message of 10,000 characters is too long; allowed: at most 500"),
        ("hello\x1b[2Jyou", r"character 6 of the message is a control character, '\\x1b'"),
        ("hello\x00", "control character"),
        ("a\udcff", "control character"),
        ("你好吗", "knows no word of '你好吗'; write in the language"),
        ("Здравствуйте", "knows no word"),
    ],
)
def test_an_odd_message_is_one_line_and_the_talk_goes_on(bots: dict[str, MLE], text: str, message: str) -> None:
    bot = bots["en"]
    assert isinstance(bot.task, Conversational)
    with pytest.raises(UserError, match=message) as caught:
        checked(text, bot.task)
    assert "\n" not in str(caught.value)
    turns, lines = conversation(bot, [text, "hello"])
    assert len(turns) == 2 and lines[1] == f"({caught.value})" and lines[2].startswith("bot: ")


def test_unknown_words_are_named_and_marks_are_no_words(bots: dict[str, MLE]) -> None:
    _, lines = conversation(bots["en"], ["hello Zanzibar, zanzibar", "?!"])
    assert lines[1] == "(words that the bot does not know: 'zanzibar')"
    assert lines[2].startswith("bot: ") and lines[3].startswith("bot: ") and len(lines) == 4


def test_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    env = ["--env.id", "lhy_rl/ChatReply-v0", "--env.corpus", "chatterbot-english", "--env.reward", "none"]
    train = ["train", "mle", *env, "--total_timesteps", "300", "--run.folder", str(run), "--run.plots", "false"]
    assert main([*train, "--run.evaluation_sentences", "20", "--agent.hidden_size", "8"]) == 0
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n\nwho are you?\n"))
    assert main(["play", str(run)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("bot: ") == 2 and "the message is empty" in shown
