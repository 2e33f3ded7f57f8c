"""Runs as the models that a reward asks how probable a reply is; the wrong ones are one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lhy_rl
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.envs.dialogue.chat.li import LiReward
from lhy_rl.experiment import build, config
from lhy_rl.experiment.start_run import make_folder, prepare
from lhy_rl.nn.decoding import token_log_probs
from lhy_rl.nn.policy_scorer import PolicyScorer

WORDS: dict[str, Any] = {
    "env.corpus": "chatterbot-english",
    "env.vocabulary_size": 150,
    "env.max_length": 8,
    "env.conversations": None,
}
SMALL: dict[str, Any] = {"agent.hidden_size": 8, "agent.embedding_size": 4, "agent.source_size": 8}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of either direction, which has not learned anything yet."""
    folder = tmp_path_factory.mktemp("runs")
    for direction in ("forward", "backward"):
        options = {"env.direction": direction, "run.folder": str(folder / direction)}
        chosen = config.load("mle/chatreply", WORDS | SMALL | options)
        make_folder(prepare(chosen), chosen)
    return {direction: folder / direction for direction in ("forward", "backward")}


def environment(**changed: Any) -> Any:
    options = {f"env.{key}": value for key, value in changed.items()}
    return build.make_environment(config.load("reinforce/chatreply", WORDS | options), 3).unwrapped


def test_information_is_that_of_the_run(runs: dict[str, Path]) -> None:
    """2 (log p(a | q) - log p(a | q')) / N of the run's policy, evaluated by hand."""
    env = environment(reward="pmi", scorer=str(runs["forward"]))
    pairs = env.sequences("train")[:5]
    reward = env.score.reward
    policy = lhy_rl.load(runs["forward"], device="cpu").policy.eval()
    number = (pairs.sources * reward.factors).sum(1) % len(reward.others)
    others = reward.others[number]
    elsewhere = TokenSequences(pairs.tokens, pairs.lengths, others, (others != env.pad_token).sum(1))
    own, other = (token_log_probs(policy, given, env).sum(1) for given in (pairs, elsewhere))
    np.testing.assert_allclose(
        env.score(pairs.sources, pairs.tokens, pairs.lengths), 2 * (own - other) / pairs.lengths, rtol=1e-4, atol=1e-5
    )


def test_two_runs_serve_the_literal_reward(runs: dict[str, Path]) -> None:
    env = environment(reward="li", scorer={key: str(run) for key, run in runs.items()})
    pairs = env.sequences("train")[:5]
    policies = [lhy_rl.load(runs[direction], device="cpu").policy for direction in ("forward", "backward")]
    expected = LiReward(env.data, PolicyScorer(*policies, env))(pairs.sources, pairs.tokens, pairs.lengths)
    worth = env.score(pairs.sources, pairs.tokens, pairs.lengths)
    np.testing.assert_allclose(worth, expected, rtol=1e-5)
    assert worth.std() > 0


def test_backward_reads_the_reply_and_writes_what_it_answers() -> None:
    forward, backward = environment(), environment(direction="backward")
    turns = [forward.decode(np.array(turn)) for turn in forward.data.last_turns("train")]
    replies = [forward.decode(tokens) for tokens in forward.sequences("train").tokens]
    turned = backward.sequences("train")
    assert turned.tokens.shape[1] == 8 and (turned.lengths <= 8).all() and 0 < len(turned) <= len(turns)
    found = [
        (backward.decode(read[:length]), backward.decode(written))
        for read, length, written in zip(turned.sources, turned.source_lengths, turned.tokens, strict=True)
    ]
    assert set(found) <= set(zip(replies, turns, strict=True))


@pytest.mark.parametrize(
    ("scorer", "reward", "line"),
    [
        ("runs/nowhere", "pmi", "no run folder"),
        ("{forward}", "li", "the second trained with --env.direction backward"),
        ("{backward}", "pmi", "with direction backward; the forward model of replies must be"),
        ({"ahead": "{forward}"}, "pmi", "allowed: RUN, or {forward: RUN, backward: RUN}"),
    ],
)
def test_the_wrong_run_is_one_line(runs: dict[str, Path], scorer: Any, reward: str, line: str) -> None:
    given = scorer if isinstance(scorer, dict) else scorer.format(**runs)
    with pytest.raises(UserError) as caught:
        environment(reward=reward, scorer=given)
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_other_words_are_one_line(runs: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r"has another vocabulary \(148 words; here 198\)"):
        environment(reward="pmi", scorer=str(runs["forward"]), vocabulary_size=200)
