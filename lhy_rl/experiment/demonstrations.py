"""The demonstrations of a configuration: stored ones, or new ones recorded when training begins.

In a configuration, ``agent.demonstrations`` may also be

    random      a random policy acts in the configuration's environment: a control, from which nothing can be learned
    scripted    the environment's own expert acts, the one that ``dagger`` asks where its ``expert`` is ``scripted``

Then ``agent.trajectories`` episodes are recorded, different ones for each seed.
"""

from __future__ import annotations

from typing import Any

from gymnasium.vector import VectorEnv

from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.experiment.config import Config, environment_options
from lhy_rl.rollouts.demonstrators import of_environment
from lhy_rl.rollouts.record_episodes import record

RECORDED = ("random", "scripted")
EPISODES = 10  # if the configuration does not set the number of trajectories
FIRST_SEED = 1_000_000  # of the episodes, which are none of those in training or evaluation


def resolve_demonstrations(config: Config, env: VectorEnv[Any, Any, Any]) -> Demonstrations | None:
    """All demonstrations, before the agent selects from them; None if the agent takes or is given none.

    Args:
        config: A complete configuration.
        env: The agent's environment, whose spaces the demonstrations must have.

    Raises:
        UserError: demonstrations that do not exist, are damaged or of another environment, or no expert for this one.
    """
    from lhy_rl.interop.demonstrations import load_demonstrations

    source = config.values["agent"].get("demonstrations")
    if source is None:
        return None
    return load_demonstrations(_recorded(config, source == "random") if source in RECORDED else source, env)


def count(config: Config, demonstrations: Demonstrations | None) -> int:
    """The number of demonstrated steps that the agent learns from, after the selection by its options."""
    if demonstrations is None:
        return 0
    options = config.values["agent"]
    chosen = demonstrations if options.get("trajectories") is None else demonstrations.take(options["trajectories"])
    return int(chosen.subsample_mask(options.get("subsample", 1), config.values["seed"]).sum())


def _recorded(config: Config, random: bool) -> Demonstrations:
    values = config.values
    episodes, seed = values["agent"].get("trajectories") or EPISODES, FIRST_SEED + values["seed"]
    source = of_environment(values["env"]["id"], episodes, seed, environment_options(config), random)
    about = {"env_id": source.env_id, "expert": source.expert, "seed": seed}
    try:
        return record(source.env, source.act, episodes, seed=seed, about=about)
    finally:
        source.env.close()
