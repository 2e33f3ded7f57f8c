"""What is called while an agent learns: a function of ours, or a callback of Stable-Baselines3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lhy_rl.agents.base import Agent, Metrics


class Listener:
    """Nobody listens; also the shape of those who do. A method that gives False stops the training."""

    def begin(self) -> None:
        """Before the first update."""

    def step(self) -> bool:
        """After every step of the environments."""
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


class SB3Listener(Listener):
    """A ``BaseCallback`` of Stable-Baselines3, or several: asked after every step of the environments, as there."""

    def __init__(self, agent: Agent, callback: Any, total_timesteps: int) -> None:
        from stable_baselines3.common.callbacks import CallbackList

        self.agent = agent
        self.callback = CallbackList(callback) if isinstance(callback, list) else callback
        self.callback.init_callback(agent)  # type: ignore[arg-type]
        self.locals = {"self": agent, "total_timesteps": total_timesteps, "n_steps": 0}

    def begin(self) -> None:
        self.callback.on_training_start(self.locals, {})
        self.callback.on_rollout_start()

    def step(self) -> bool:
        self.callback.update_locals(self.locals)
        return bool(self.callback.on_step())

    def update(self, metrics: Metrics) -> bool:
        logger = self.agent.logger
        for name, value in metrics.items():
            logger.record(name, value)
        logger.dump(step=self.agent.num_timesteps)
        self.callback.on_rollout_end()
        self.callback.on_rollout_start()
        return True

    def end(self) -> None:
        self.callback.on_training_end()


def listener(agent: Agent, callback: Any, total_timesteps: int) -> Listener:
    """Whoever listens, from what the user gave to ``learn``."""
    if callback is None:
        return Listener()
    if isinstance(callback, list) or hasattr(callback, "init_callback"):
        return SB3Listener(agent, callback, total_timesteps)
    return FunctionListener(agent, callback)
