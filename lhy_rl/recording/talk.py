"""A person talks with a policy in the terminal: the person types text, the policy replies."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import Conversational
from lhy_rl.experiment.text_evaluation import evaluating
from lhy_rl.nn.decoding import sample

LONGEST = 500  # characters of a message
HELLO = "Write something, a line at a time; the bot knows {} words. An empty line is no message; Ctrl-D ends."


def talk(
    agent: Any,
    task: Conversational,
    seed: int = 0,
    stochastic: bool = False,
    ask: Callable[[], str] = lambda: input("you: "),
    say: Callable[[str], None] = print,
) -> list[str]:
    """Reply to each message until the conversation ends.

    Args:
        agent: Its newest policy replies.
        task: The task in which the policy learned to reply.
        seed: Seed of the sampled replies.
        stochastic: Sample the replies; otherwise the most probable token is taken each time.
        ask: Returns a message; ``EOFError`` ends the conversation.
        say: Prints a line for the reader.

    Returns:
        The turns of both, the person's first.
    """
    say(HELLO.format(f"{task.vocabulary_size:,}"))
    turns: list[str] = []
    with evaluating(agent.policy, seed) as generator:
        while True:
            try:
                text = checked(ask(), task)
            except UserError as error:
                say(f"({error})")
                continue
            except (EOFError, KeyboardInterrupt):
                return turns
            if unknown := task.known_words(text)[1]:
                say(f"(words that the bot does not know: {brief(', '.join(dict.fromkeys(unknown)))})")
            turns.append(text)
            turns.append(reply(agent.policy, task, turns, generator, stochastic))
            say(f"bot: {turns[-1]}")


def reply(policy: Any, task: Conversational, turns: Sequence[str], generator: Any, stochastic: bool = False) -> str:
    """A policy's reply to the turns of a conversation, the newest last."""
    temperature = 1.0 if stochastic else 0.0
    written = sample(policy, task, 1, generator, temperature, answered=task.answered(turns))
    return str(task.decode(written.tokens[0, : written.lengths[0]]))


def checked(text: str, task: Conversational) -> str:
    """A message without surrounding white space.

    Raises:
        UserError: it is empty or too long, has control characters in it, or no word that the bot knows.
    """
    if len(text) > LONGEST:
        raise UserError(f"a message of {len(text):,} characters is too long; allowed: at most {LONGEST}")
    for place, character in enumerate(text.strip()):
        if character != "\t" and unicodedata.category(character) in ("Cc", "Cs"):
            raise UserError(f"character {place + 1} of the message is a control character, {character!r}; write text")
    if not (text := text.strip()):
        raise UserError("the message is empty; write something, or press Ctrl-D to end")
    known, unknown = task.known_words(text)
    if unknown and not known:
        raise UserError(f"the bot knows no word of {brief(text)}; write in the language of its corpus")
    return text
