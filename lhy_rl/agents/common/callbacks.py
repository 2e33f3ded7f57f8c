"""Callbacks of ``learn``: functions, callbacks of Stable-Baselines3, and its logger."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.agents.common.sb3_interface import Metrics, SB3Interface
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree
from lhy_rl.core.validation import is_false
from lhy_rl.rollouts.fixed_length import PlayedStep


class Callback:
    """Base class of callbacks of ``learn``; it does nothing. A method that returns False stops the training."""

    wants_steps = False
    """Whether :meth:`on_step` is to be called."""

    def on_training_start(self) -> None:
        """Called before the first update."""

    def on_rollout_start(self) -> None:
        """Called before every update."""

    def on_step(self, played: PlayedStep | None = None) -> bool:
        """Called after every step of the environments; by an agent that reports no steps, after every update."""
        return True

    def on_update(self, metrics: Metrics) -> bool:
        """Called after every update."""
        return True

    def on_training_end(self) -> None:
        """Called after the last update."""


class FunctionCallback(Callback):
    """``callback(agent, metrics)`` after every update; False stops."""

    def __init__(self, agent: SB3Interface, callback: Any) -> None:
        self.agent, self.callback = agent, callback

    def on_update(self, metrics: Metrics) -> bool:
        return not is_false(self.callback(self.agent, metrics))


class LoggerCallback(Callback):
    """Passes every metric to the agent's logger, and dumps it (as a printed table, say) every ``interval`` updates.

    Args:
        interval: Updates between two dumps; None leaves them to another callback, which calls ``agent.dump_logs``.
    """

    def __init__(self, agent: SB3Interface, interval: int | None) -> None:
        self.agent, self.interval, self.updates = agent, interval, 0

    def on_update(self, metrics: Metrics) -> bool:
        self.agent.record(metrics)
        self.updates += 1
        if self.interval and self.updates % self.interval == 0:
            self.agent.logger.dump(step=self.agent.num_timesteps)
        return True


class SB3Callback(Callback):
    """Callbacks of Stable-Baselines3, called after every step of the environments, as there.

    Their ``locals`` are a step's ``actions``, ``clipped_actions``, ``rewards``, ``dones``, ``infos`` and ``new_obs``,
    and ``self``, ``env``, ``n_steps``, ``total_timesteps``, ``tb_log_name``. An agent that learns from whole episodes
    calls them once per update, with the ``dones`` and ``infos`` of its episodes; both are empty if it plays none.

    Args:
        callbacks: Callbacks of Stable-Baselines3.
        total_timesteps, tb_log_name: The arguments of ``learn``.
    """

    wants_steps = True

    def __init__(self, agent: SB3Interface, callbacks: list[Any], total_timesteps: int, tb_log_name: str) -> None:
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

    def on_training_start(self) -> None:
        self.agent.live_episodes = self.episodes
        self.callback.init_callback(self.agent)  # type: ignore[arg-type]
        self.locals["env"] = self.agent.get_env()
        self.callback.on_training_start(self.locals, {})

    def on_rollout_start(self) -> None:
        self.locals["n_steps"] = 0
        self.callback.on_rollout_start()

    def on_step(self, played: PlayedStep | None = None) -> bool:
        if played is None:
            self._add_episodes()
        else:
            self._add_step(played)
        self.callback.update_locals(self.locals)
        return bool(self.callback.on_step())

    def _add_episodes(self) -> None:
        """Put the episodes that an update has played into the locals, as if all had ended in one step."""
        seconds = round(time.time() - self.begun, 6)
        episodes = [{"r": r, "l": length, "t": seconds} for r, length in self.agent.played_episodes]
        self.episodes.extend(episodes)
        self.locals.update(dones=np.ones(len(episodes), bool), infos=[{"episode": episode} for episode in episodes])

    def _add_step(self, played: PlayedStep) -> None:
        """Put a step into the locals, in SB3's form."""
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
            actions=played.actions, clipped_actions=played.env_actions, rewards=rewards, dones=dones, infos=rows,
            new_obs=map_tree(np.asarray, obs), n_steps=self.locals["n_steps"] + 1,
        )  # fmt: skip

    def on_update(self, metrics: Metrics) -> bool:
        self.callback.on_rollout_end()
        return True

    def on_training_end(self) -> None:
        self.callback.on_training_end()
        self.agent.live_episodes = None


class StepLocals(dict[str, Any]):
    """A callback's ``locals``; a key that only Stable-Baselines3 has there raises an error that lists ours."""

    def __missing__(self, name: str) -> Any:
        known = ", ".join(sorted(self))
        raise UserError(f"a callback's locals have no {name!r} here; they have {known}; self.model has the rest")


class CombinedCallback(Callback):
    """Several callbacks, called one after the other."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self.callbacks = callbacks
        self.wants_steps = any(one.wants_steps for one in callbacks)

    def on_training_start(self) -> None:
        for one in self.callbacks:
            one.on_training_start()

    def on_rollout_start(self) -> None:
        for one in self.callbacks:
            one.on_rollout_start()

    def on_step(self, played: PlayedStep | None = None) -> bool:
        going = [one.on_step(played) for one in self.callbacks if one.wants_steps]  # every one is called
        return all(going)

    def on_update(self, metrics: Metrics) -> bool:
        going = [one.on_update(metrics) for one in self.callbacks]
        return all(going)

    def on_training_end(self) -> None:
        for one in self.callbacks:
            one.on_training_end()


def make_callback(
    agent: SB3Interface, callback: Any, total_timesteps: int, log_interval: int | None, tb_log_name: str
) -> Callback:
    """Combine what the user gave to ``learn`` into one callback.

    Args:
        callback: None, a function, a callback of Stable-Baselines3, or a list of these.
        log_interval: Updates between two dumps of the logger, if it is in use.
    """
    given = [] if callback is None else list(callback) if isinstance(callback, list | tuple) else [callback]
    sb3_callbacks = [_converted(one) for one in given if _is_of_sb3(one)]
    found: list[Callback] = [FunctionCallback(agent, one) for one in given if not _is_of_sb3(one)]
    if sb3_callbacks:
        found.append(SB3Callback(agent, sb3_callbacks, total_timesteps, tb_log_name))
    if sb3_callbacks or agent.has_logger:
        found.append(LoggerCallback(agent, log_interval))
    return found[0] if len(found) == 1 else CombinedCallback(found) if found else Callback()


def _is_of_sb3(callback: Any) -> bool:
    """Whether it is a callback of Stable-Baselines3, or one of its functions, ``callback(locals, globals)``."""
    if hasattr(callback, "init_callback"):
        return True
    if not callable(callback):
        raise UserError(f"callback is a {type(callback).__name__}; allowed: a function, a callback, or a list of them")
    try:
        names = list(inspect.signature(callback).parameters)
    except (TypeError, ValueError):  # a built-in has no signature
        return False
    return [name.strip("_") for name in names] == ["locals", "globals"]


def _converted(callback: Any) -> Any:
    """A function of Stable-Baselines3's as a callback."""
    if hasattr(callback, "init_callback"):
        return callback
    from stable_baselines3.common.callbacks import ConvertCallback

    return ConvertCallback(callback)
