"""What a return stands beside: a random policy's, the expert's, and the one at which the task counts as solved.

"0.000" says nothing by itself. On DriveCorridor it is the best there is, and a random policy's return is -32.75.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.core.registry import registered
from lhy_rl.data import shipped
from lhy_rl.experiment.config import Config, environment_options
from lhy_rl.experiment.text_evaluation import SEED
from lhy_rl.rollouts.record_episodes import random_policy

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

    from lhy_rl.rollouts.evaluate_policy import Predict

RANDOM, EXPERT, THRESHOLD = "random", "expert", "threshold"
MEANINGS = {
    RANDOM: "a policy that draws its actions uniformly",
    EXPERT: "who shows, or could show, how it is done",
    THRESHOLD: "the return at which the task counts as solved, as Gymnasium says",
}


def references(config: Config, make_env: Callable[[], VectorEnv[Any, Any, Any]], episodes: int) -> dict[str, Any]:
    """Row to metric to value, as a run's table has them; a row that is not known is left out.

    The numbers that are shipped with the demonstrations are taken where the task is theirs. Else the random policy and
    the task's own expert play the episodes that the policies were judged by.

    Args:
        config: Complete.
        make_env: Makes the environment of the evaluations; not a text task's.
        episodes: Of an evaluation.
    """
    env_id, inside = _usual_task(config)
    scores = [said for said in shipped.scores().values() if said["env_id"] == inside]
    rows: dict[str, dict[str, float]] = {}
    env = make_env()
    try:
        if scores:
            rows[RANDOM] = {"mean_return": scores[0]["random_mean"], "std_return": scores[0]["random_std"]}
        else:
            rows[RANDOM] = _played(random_policy(env.single_action_space, SEED), env, episodes)
        shipped_row = {"mean_return": scores[0]["mean"], "std_return": scores[0]["std"]} if scores else None
        asked = "scripted" in (config.values["agent"].get("demonstrations"), config.values["agent"].get("expert"))
        expert = _shown(config, env) or (None if asked else shipped_row) or _scripted(env, episodes)
        if expert is not None:
            rows[EXPERT] = expert
    finally:
        env.close()
    threshold = _threshold(env_id)
    return rows | ({} if threshold is None else {THRESHOLD: {"mean_return": threshold}})


def _usual_task(config: Config) -> tuple[str | None, str | None]:
    """The environment's id where none of its options was changed, and so the id of the one inside a fixed horizon."""
    env = config.values["env"]
    if "env_id" in env:
        limit = gymnasium.spec(registered(env["env_id"])).max_episode_steps
        return None, env["env_id"] if env.get("horizon") == limit else None
    if env["id"].startswith("lhy_rl/"):
        return None, None
    usual = None if environment_options(config) else env["id"]
    return usual, usual


def _threshold(env_id: str | None) -> float | None:
    """The return at which Gymnasium calls the task solved."""
    threshold = None if env_id is None else gymnasium.spec(registered(env_id)).reward_threshold
    return None if threshold is None else float(threshold)


def _shown(config: Config, env: VectorEnv[Any, Any, Any]) -> dict[str, float] | None:
    """Of the demonstrations that were given by name or path, where their rewards are known."""
    from lhy_rl.experiment.demonstrations import RECORDED
    from lhy_rl.interop.demonstrations import load_demonstrations

    source = config.values["agent"].get("demonstrations")
    if source is None or source in RECORDED:
        return None
    try:
        returns = load_demonstrations(source, env).returns
    except UserError:  # they are gone meanwhile
        return None
    return {"mean_return": float(returns.mean()), "std_return": float(returns.std())} if returns.any() else None


def _scripted(env: VectorEnv[Any, Any, Any], episodes: int) -> dict[str, float] | None:
    """Of the expert that the task has itself, if it has one."""
    from lhy_rl.agents.supervised.experts import expert_for

    try:
        expert = expert_for("scripted", env)
    except UserError:
        return None

    def act(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[np.ndarray, Any]:
        return expert.label(obs, start, np.ones(len(start), bool)), None

    return _played(act, env, episodes)


def _played(act: Predict, env: VectorEnv[Any, Any, Any], episodes: int) -> dict[str, float]:
    from lhy_rl.rollouts.evaluate_policy import play

    returns, lengths = play(act, env, episodes, SEED)
    return {
        "mean_return": float(returns.mean()),
        "std_return": float(returns.std()),
        "mean_episode_length": float(lengths.mean()),
    }
