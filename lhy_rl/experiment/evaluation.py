"""Evaluation of a run's policies, with random generators of its own, and reference returns to compare with.

Text is measured by the likelihood in both directions, overlap and diversity; other tasks by the episodic return. One
number alone misleads: a policy that repeats its best sentence has an excellent ``nll_oracle`` and BLEU, and only
``nll_test`` and self-BLEU reveal it. A return of "0.000" means nothing by itself, either: on DriveCorridor it is the
best possible return, and a random policy's is -32.75.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TextTask
from lhy_rl.core.registry import registered
from lhy_rl.data import shipped
from lhy_rl.experiment import game_evaluation, text_evaluation
from lhy_rl.experiment.config import Config, environment_options
from lhy_rl.experiment.demonstrations import RECORDED
from lhy_rl.rollouts import evaluate_policy
from lhy_rl.rollouts.evaluate_policy import SEED, SELECTION_SEED, Predict
from lhy_rl.rollouts.games import Games
from lhy_rl.rollouts.record_episodes import random_policy

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

DIALOGUES = 4  # dialogues of each kind in a report
AS_TEXT = "as the text"  # best if nearest to the value of the real sentences
GLOSSARY = {  # metric: (direction, meaning)
    "nll_oracle": (
        "lower",
        "true negative log-likelihood of the policy's own sentences, nats per token; below the text's: too cautious",
    ),
    "ppl_ngram": (
        AS_TEXT,
        "perplexity of the policy's own sentences under a trigram model of the training split; "
        "below the text's: too cautious",
    ),
    "nll_test": (
        "lower",
        "negative log-likelihood of the test sentences under the policy, nats per token: high where it cannot produce "
        "some of them",
    ),
    "bleu2": (
        "higher",
        "BLEU of n-grams up to 2, from 0 to 1: how much of the generated text occurs in the test split",
    ),
    "bleu3": ("higher", "the same up to 3"),
    "bleu4": ("higher", "the same up to 4"),
    "self_bleu2": (AS_TEXT, "BLEU of the sentences against each other, n-grams up to 2; high: they repeat each other"),
    "self_bleu3": (AS_TEXT, "the same up to 3"),
    "self_bleu4": (AS_TEXT, "the same up to 4"),
    "distinct2": (AS_TEXT, "distinct bigrams divided by all bigrams written"),
    "distinct3": (AS_TEXT, "distinct trigrams divided by all trigrams written"),
    "unique": ("higher", "distinct sentences divided by all sentences written"),
    "mean_length": (AS_TEXT, "words per sentence, without the end token"),
    "mean_return": ("higher", "mean return of the deterministic policy"),
    "std_return": ("", "its standard deviation over the episodes"),
    "held_out_return": ("higher", "mean return on instances that the environment holds out"),
    "mean_episode_length": ("", "steps per episode; moves per game"),
    "first_mover_return": ("", "games: mean return of the player who moves first"),
    "other_return": ("", "games: mean return of the other players"),
    "agreement": ("higher", "negotiation: share of the games that end in a deal"),
    "own": ("higher", "negotiation: own points, mean; 0 without a deal"),
    "partner": ("", "negotiation: the other's points"),
    "joint": ("higher", "negotiation: both players' points"),
    "pareto": ("higher", "negotiation: share of the deals that are Pareto-optimal"),
}
RANDOM, EXPERT, THRESHOLD = "random", "expert", "threshold"
MEANINGS = {
    RANDOM: "a policy that draws its actions uniformly",
    EXPERT: "the demonstrations that were given or shipped, or the task's own expert",
    THRESHOLD: "the return at which Gymnasium calls the task solved",
}


@dataclass
class Evaluation:
    """An evaluation's result.

    Attributes:
        table: Row (a policy's name, or that of the real sentences) to metric to value.
        samples: Row to sentences.
    """

    table: dict[str, dict[str, float]] = field(default_factory=dict)
    samples: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Evaluator:
    """Evaluates an agent, without touching its environment's state or its generators.

    Attributes:
        agent: The agent, with ``policies`` to compare and ``policy`` in training.
        env: Its environment; of a text task only the sentences are used.
        make_env: Makes an environment to play episodes in, for tasks that are not text.
        make_held_out: Makes one whose episodes are held out from training; None where nothing is held out.
        sentences: Number of sentences sampled from each policy, and taken from the held-out split for BLEU.
        episodes: Number of episodes, for tasks that are not text.
        samples: Sentences that a report shows.
    """

    agent: Any
    env: Any
    make_env: Callable[[], Any]
    make_held_out: Callable[[], Any] | None = None
    sentences: int = 1000
    episodes: int = 20
    samples: int = 10

    @property
    def is_text(self) -> bool:
        """Whether the task is to write sentences."""
        return isinstance(self.env.unwrapped, TextTask)

    @property
    def is_game(self) -> bool:
        """Whether the task is a game of several players."""
        return isinstance(self.env, Games)

    @property
    def newest(self) -> str:
        """The name of the policy in training."""
        return str(list(self.agent.policies)[-1])

    def check(self) -> None:
        """Check before training that :meth:`full` can succeed after it.

        Raises:
            UserError: a split of the text has too few sentences.
        """
        if self.is_text:
            text_evaluation.check_splits(self.env.unwrapped)

    def full(self) -> Evaluation:
        """Evaluate every policy and, for text, real sentences; ``nll_test`` is over the whole test split."""
        if self.is_game:
            return Evaluation(*game_evaluation.compare(self.agent, self.episodes, min(self.samples, DIALOGUES)))
        if not self.is_text:
            row = self.mean_return()
            if self.make_held_out is not None:
                row["held_out_return"] = self.mean_return(self.make_held_out)["mean_return"]
            return Evaluation({self.newest: row})
        task = self.env.unwrapped
        return Evaluation(*text_evaluation.compare(self.agent.policies, task, self.sentences, self.samples))

    def quick(self) -> tuple[dict[str, float], float]:
        """Evaluate the policy in training quickly, to choose a checkpoint, on other data than :meth:`full` reports.

        Text is validation text, games are those of :meth:`~lhy_rl.rollouts.games.Games.validation`, and episodes have
        another seed than the reported ones.

        Returns:
            The columns ``eval/...`` and the selection value: lower is better. It is nll_validation, plus nll_oracle
            where the density is known (the sum, so that neither dropping modes nor mere smoothness wins), otherwise
        minus the mean return.
        """
        if not self.is_text:
            if self.is_game:
                games = self.agent.games.validation()
                returns = self.agent.evaluate(self.episodes, env=games, seed=SELECTION_SEED)
            else:
                returns = self.mean_return(seed=SELECTION_SEED)
            return {f"eval/{name}": value for name, value in returns.items()}, -returns["mean_return"]
        row = text_evaluation.validation_metrics(self.agent.policy, self.env.unwrapped, self.sentences)
        return {f"eval/{name}": value for name, value in row.items()}, sum(row.values())

    def sentences_now(self) -> list[str]:
        """Some sentences, or dialogues, of the policy in training; empty if the task has none."""
        if self.is_game and self.samples:
            dialogues: list[str] = self.agent.play_evaluation(min(self.samples, DIALOGUES), deterministic=False)[1]
            return dialogues
        if not self.is_text or not self.samples:
            return []
        return text_evaluation.write_sentences(self.agent, self.env, self.samples)

    def mean_return(self, make_env: Callable[[], Any] | None = None, seed: int = SEED) -> dict[str, float]:
        """Episodic return of the deterministic policy.

        Args:
            make_env: Makes the environment; None takes the evaluator's.
            seed: Seed of the episodes.
        """

        def predict(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[np.ndarray, Any]:
            actions, memory = self.agent.predict(obs, state, start, True, masks)
            return actions, memory

        env = (make_env or self.make_env)()
        try:
            return _statistics(predict, env, self.episodes, seed)
        finally:
            env.close()


def _statistics(predict: Predict, env: VectorEnv[Any, Any, Any], episodes: int, seed: int = SEED) -> dict[str, float]:
    """Play episodes and return their metrics."""
    returns, lengths = evaluate_policy.play(predict, env, episodes, seed)
    return {
        "mean_return": float(returns.mean()),
        "std_return": float(returns.std()),
        "mean_episode_length": float(lengths.mean()),
    }


# --- reference returns ---


def references(
    config: Config,
    make_env: Callable[[], VectorEnv[Any, Any, Any]],
    episodes: int,
    make_held_out: Callable[[], VectorEnv[Any, Any, Any]] | None = None,
) -> dict[str, Any]:
    """Known returns of a random policy, of the expert, and the threshold: row to metric to value.

    Scores shipped with the demonstrations are used if the task is the same. Otherwise the random policy and the task's
    own expert play the evaluation's episodes.

    Args:
        config: A complete configuration.
        make_env: Makes the environment of the evaluations; not that of a text task.
        episodes: Number of episodes of an evaluation.
        make_held_out: Makes one whose episodes are held out from training, for the random policy.
    """
    env_id, inner_id = _unchanged_task(config)
    scores = [score for score in shipped.scores().values() if score["env_id"] == inner_id]
    rows: dict[str, dict[str, float]] = {}
    env = make_env()
    try:
        if scores:
            rows[RANDOM] = {"mean_return": scores[0]["random_mean"], "std_return": scores[0]["random_std"]}
        else:
            rows[RANDOM] = _statistics(random_policy(env.single_action_space, SEED), env, episodes)
        shipped_row = {"mean_return": scores[0]["mean"], "std_return": scores[0]["std"]} if scores else None
        agent = config.values["agent"]
        scripted = "scripted" in (agent.get("demonstrations"), agent.get("expert"))
        expert = _demonstrated(config, env) or (None if scripted else shipped_row) or _scripted(env, episodes)
        if expert is not None:
            rows[EXPERT] = expert
    finally:
        env.close()
    if make_held_out is not None:
        env = make_held_out()
        played = _statistics(random_policy(env.single_action_space, SEED), env, episodes)
        rows[RANDOM]["held_out_return"] = played["mean_return"]
        env.close()
    threshold = None if env_id is None else gymnasium.spec(registered(env_id)).reward_threshold
    return rows | ({} if threshold is None else {THRESHOLD: {"mean_return": float(threshold)}})


def _unchanged_task(config: Config) -> tuple[str | None, str | None]:
    """The environment's id, and that of the one inside a fixed horizon; each None if an option was changed."""
    env = config.values["env"]
    if "env_id" in env:
        limit = gymnasium.spec(registered(env["env_id"])).max_episode_steps
        return None, env["env_id"] if env.get("horizon") == limit else None
    if env["id"].startswith("lhy_rl/"):
        return None, None
    unchanged = None if environment_options(config) else env["id"]
    return unchanged, unchanged


def _demonstrated(config: Config, env: VectorEnv[Any, Any, Any]) -> dict[str, float] | None:
    """The returns of the demonstrations that were given by name or path, where their rewards are known."""
    from lhy_rl.interop.demonstrations import load_demonstrations

    source = config.values["agent"].get("demonstrations")
    if source is None or source in RECORDED:
        return None
    try:
        returns = load_demonstrations(source, env).returns
    except UserError:  # deleted meanwhile
        return None
    return {"mean_return": float(returns.mean()), "std_return": float(returns.std())} if returns.any() else None


def _scripted(env: VectorEnv[Any, Any, Any], episodes: int) -> dict[str, float] | None:
    """The returns of the task's own expert; None if it has none."""
    from lhy_rl.agents.supervised.experts import expert_for

    try:
        expert = expert_for("scripted", env)
    except UserError:
        return None

    def act(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[np.ndarray, Any]:
        return expert.label(obs, start, np.ones(len(start), bool)), None

    return _statistics(act, env, episodes)
