"""What is called while an agent learns: functions of ours, callbacks of Stable-Baselines3, and its logger."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree

if TYPE_CHECKING:
    from lhy_rl.agents.common.agent import Agent, Metrics

RECENT = 100  # episodes that the mean return is over, as in Stable-Baselines3
NOT_FOR_TENSORBOARD = ("time/iterations", "time/time_elapsed", "time/total_timesteps")  # as there


class Played(NamedTuple):
    """A step of all instances that has just been played; the arrays are the collector's own."""

    actions: np.ndarray
    """(B, ...) as the policy chose them."""
    taken: np.ndarray
    """(B, ...) as the environment was given them: inside its bounds."""
    obs: Any
    """(B, ...) what the environment gave."""
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    start: np.ndarray
    """(B,) bool: an episode begins with ``obs``."""
    infos: dict[str, Any]


class Listener:
    """Nobody listens; also the shape of those who do. A method that gives False stops the training."""

    hears_steps = False
    """Whether :meth:`step` wants to be called."""

    def begin(self) -> None:
        """Before the first update."""

    def collecting(self) -> None:
        """Before every update."""

    def step(self, played: Played | None = None) -> bool:
        """After every step of the environments; without the step, after every update of an agent that tells none."""
        return True

    def update(self, metrics: Metrics) -> bool:
        """After every update."""
        return True

    def end(self) -> None:
        """After the last update."""


class FunctionListener(Listener):
    """``callback(agent, metrics)`` after every update; False stops."""

    def __init__(self, agent: Agent, callback: Any) -> None:
        self.agent, self.callback = agent, callback

    def update(self, metrics: Metrics) -> bool:
        return self.callback(self.agent, metrics) is not False


class LoggerListener(Listener):
    """Every metric goes to the agent's logger, which writes (prints a table, say) every so many updates.

    Args:
        interval: Updates between two writings; None leaves that to others, who call ``agent.dump_logs``.
    """

    def __init__(self, agent: Agent, interval: int | None) -> None:
        self.agent, self.interval, self.updates = agent, interval, 0

    def update(self, metrics: Metrics) -> bool:
        record(self.agent.logger, metrics)
        self.updates += 1
        if self.interval and self.updates % self.interval == 0:
            self.agent.logger.dump(step=self.agent.num_timesteps)
        return True


class SB3Listener(Listener):
    """Callbacks of Stable-Baselines3: asked after every step of the environments, as there.

    Their ``locals`` are a step's ``actions``, ``clipped_actions``, ``rewards``, ``dones``, ``infos`` and ``new_obs``,
    and ``self``, ``env``, ``n_steps``, ``total_timesteps``, ``tb_log_name``. An agent that learns from whole episodes
    calls them once an update, with ``dones`` and ``infos`` of its episodes; one that plays none has none in them.

    Args:
        callbacks: Of Stable-Baselines3.
        total_timesteps, tb_log_name: As ``learn`` was given them.
    """

    hears_steps = True

    def __init__(self, agent: Agent, callbacks: list[Any], total_timesteps: int, tb_log_name: str) -> None:
        from stable_baselines3.common.callbacks import CallbackList

        self.agent = agent
        self.callback = callbacks[0] if len(callbacks) == 1 else CallbackList(callbacks)
        self.locals = StepLocals(
            self=agent, total_timesteps=total_timesteps, tb_log_name=tb_log_name, n_steps=0,
            dones=np.zeros(0, bool), infos=[],
        )  # fmt: skip
        self.next_step = agent.env.metadata.get("autoreset_mode") is AutoresetMode.NEXT_STEP
        self.returns, self.lengths = agent.unfinished_episodes
        self.episodes = agent.ep_info_buffer
        self.begun = time.time()

    def begin(self) -> None:
        self.agent.live_episodes = self.episodes
        self.callback.init_callback(self.agent)  # type: ignore[arg-type]
        self.locals["env"] = self.agent.get_env()
        self.callback.on_training_start(self.locals, {})

    def collecting(self) -> None:
        self.locals["n_steps"] = 0
        self.callback.on_rollout_start()

    def step(self, played: Played | None = None) -> bool:
        if played is None:
            self._tell_episodes()
        else:
            self._tell(played)
        self.callback.update_locals(self.locals)
        return bool(self.callback.on_step())

    def _tell_episodes(self) -> None:
        """The episodes that an update has played, as if all had ended in one step."""
        seconds = round(time.time() - self.begun, 6)
        episodes = [{"r": r, "l": length, "t": seconds} for r, length in self.agent.played_episodes]
        self.episodes.extend(episodes)
        self.locals.update(dones=np.ones(len(episodes), bool), infos=[{"episode": episode} for episode in episodes])

    def _tell(self, played: Played) -> None:
        """Put a step into the locals, as SB3 has one."""
        from lhy_rl.interop.infos import rows_of_step

        obs, rewards, terminated, truncated = played.obs, played.rewards, played.terminated, played.truncated
        rows, _ = rows_of_step(played.infos, obs, terminated, truncated)
        dones = terminated | truncated
        self.returns += rewards
        self.lengths += ~played.start if self.next_step else 1  # not the step that only resets
        if dones.any():
            seconds = round(time.time() - self.begun, 6)
            for i in np.flatnonzero(dones).tolist():
                episode = {"r": round(float(self.returns[i]), 6), "l": int(self.lengths[i]), "t": seconds}
                self.episodes.append(rows[i].setdefault("episode", episode))
            self.returns[dones], self.lengths[dones] = 0.0, 0
        self.locals.update(
            actions=played.actions, clipped_actions=played.taken, rewards=rewards, dones=dones, infos=rows,
            new_obs=map_tree(np.asarray, obs), n_steps=self.locals["n_steps"] + 1,
        )  # fmt: skip

    def update(self, metrics: Metrics) -> bool:
        self.callback.on_rollout_end()
        return True

    def end(self) -> None:
        self.callback.on_training_end()
        self.agent.live_episodes = None


class StepLocals(dict[str, Any]):
    """A callback's ``locals``; what Stable-Baselines3 has there and we have not is named in a line."""

    def __missing__(self, name: str) -> Any:
        known = ", ".join(sorted(self))
        raise UserError(f"a callback's locals have no {name!r} here; they have {known}; self.model has the rest")


class Several(Listener):
    """One after the other."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self.listeners = listeners
        self.hears_steps = any(one.hears_steps for one in listeners)

    def begin(self) -> None:
        for one in self.listeners:
            one.begin()

    def collecting(self) -> None:
        for one in self.listeners:
            one.collecting()

    def step(self, played: Played | None = None) -> bool:
        going = [one.step(played) for one in self.listeners if one.hears_steps]  # every one is told
        return all(going)

    def update(self, metrics: Metrics) -> bool:
        going = [one.update(metrics) for one in self.listeners]
        return all(going)

    def end(self) -> None:
        for one in self.listeners:
            one.end()


def listener(agent: Agent, callback: Any, total_timesteps: int, log_interval: int | None, tb_log_name: str) -> Listener:
    """Whoever listens, from what the user gave to ``learn``.

    Args:
        callback: None, a function, a callback of Stable-Baselines3, or a list of these.
        log_interval: Updates between two writings of the logger, where there is somebody who reads it.
    """
    given = [] if callback is None else list(callback) if isinstance(callback, list | tuple) else [callback]
    theirs = [_converted(one) for one in given if _is_of_sb3(one)]
    found: list[Listener] = [FunctionListener(agent, one) for one in given if not _is_of_sb3(one)]
    if theirs:
        found.append(SB3Listener(agent, theirs, total_timesteps, tb_log_name))
    if theirs or agent.has_logger:
        found.append(LoggerListener(agent, log_interval))
    return found[0] if len(found) == 1 else Several(found) if found else Listener()


def _is_of_sb3(callback: Any) -> bool:
    """Whether it is one of Stable-Baselines3's callbacks, or one of its functions, ``callback(locals, globals)``."""
    if hasattr(callback, "init_callback"):
        return True
    if not callable(callback):
        raise UserError(f"callback is a {type(callback).__name__}; allowed: a function, a callback, or a list of them")
    try:
        names = list(inspect.signature(callback).parameters)
    except (TypeError, ValueError):  # a built-in has none
        return False
    return [name.strip("_") for name in names] == ["locals", "globals"]


def _converted(callback: Any) -> Any:
    """A function of Stable-Baselines3's as a callback."""
    if hasattr(callback, "init_callback"):
        return callback
    from stable_baselines3.common.callbacks import ConvertCallback

    return ConvertCallback(callback)


def record(logger: Any, metrics: Metrics) -> None:
    """Give metrics to a logger of Stable-Baselines3's; times are whole numbers, as there."""
    for name, value in metrics.items():
        shown = int(value) if name in ("time/fps", "time/time_elapsed") else value
        logger.record(name, shown, exclude="tensorboard" if name in NOT_FOR_TENSORBOARD else None)
