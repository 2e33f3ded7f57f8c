"""Policies of runs as the language models with which an environment's reward scores a reply."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lhy_rl.core.errors import UserError, brief
from lhy_rl.experiment.run_folder import RunFolder

if TYPE_CHECKING:
    from lhy_rl.agents.common.agent import Agent
    from lhy_rl.core.protocols import ReplyScorer
    from lhy_rl.data.conversations import ConversationData

CONVERSATIONS = {"reward": "none", "scorer": None}  # options of an environment that is made only for its vocabulary


def scorer_of(given: Any, reward: Any, trained: Callable[..., Agent]) -> Any:
    """The option ``scorer`` of an environment: a function that makes a scorer of the named runs, or the option
    unchanged.

    Args:
        given: The folder of a run that learned to reply; or ``{forward: RUN, backward: RUN}``, of which the second
            learned to write the message that is replied to; or anything that the environment takes.
        reward: The reward that uses the scorer.
        trained: Makes the agent of a run.

    Raises:
        UserError: a mapping with other keys, or one run where the reward needs two.
    """
    if isinstance(given, str) and (os.sep in given or os.path.isdir(given)):
        given = {"forward": given}
    if not isinstance(given, dict):
        return given
    from lhy_rl.envs.dialogue.chat_reply import DIRECTIONS

    if not {"forward"} <= set(given) <= set(DIRECTIONS):
        raise UserError(f"env.scorer is {brief(given)}; allowed: RUN, or {{forward: RUN, backward: RUN}}")
    if reward == "li" and "backward" not in given:
        raise UserError(
            "reward 'li' also scores the turn before; env.scorer must be {forward: RUN, backward: RUN}, "
            "the second trained with --env.direction backward"
        )

    def scorer(data: ConversationData) -> ReplyScorer:
        return saved_scorer({direction: Path(str(run)) for direction, run in given.items()}, data, trained)

    return scorer


def saved_scorer(runs: dict[str, Path], data: ConversationData, trained: Callable[..., Agent]) -> ReplyScorer:
    """The scorer of one or two runs.

    Args:
        runs: Direction to folder.
        data: Conversations of the environment whose reward uses the scorer.

    Raises:
        UserError: no run there, or one of another task, direction or vocabulary.
    """
    from lhy_rl.agents.dialogue.opponents import frozen
    from lhy_rl.nn.policy_scorer import PolicyScorer

    policies = {}
    for direction, place in runs.items():
        run = RunFolder(place)
        env = run.config().values["env"]
        if env["id"] != "lhy_rl/ChatReply-v0" or env.get("direction", "forward") != direction:
            learned = f"{env['id']} with direction {env.get('direction', 'forward')}"
            raise UserError(
                f"{str(place)!r} was trained in {learned}; the {direction} model of replies must be a run of "
                f"lhy_rl/ChatReply-v0 with --env.direction {direction}"
            )
        agent = trained(run, device="cpu", env_options=CONVERSATIONS)
        task: Any = agent.task
        if task.tokenizer.words != data.tokenizer.words:
            raise UserError(
                f"{str(place)!r} has another vocabulary ({len(task.tokenizer.words):,} words; here "
                f"{len(data.tokenizer.words):,}); set corpus, tokenizer, vocabulary_size, conversations and split_seed "
                "as in its config.yaml"
            )
        policies[direction] = frozen(agent.policy)
    return PolicyScorer(policies["forward"], policies.get("backward"), task)
