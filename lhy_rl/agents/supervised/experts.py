"""Experts that label states with actions: a policy, a function, the environment itself, a person at the terminal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from torch import Tensor

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.trees import map_tree
from lhy_rl.rollouts.demonstrators import own_expert
from lhy_rl.rollouts.scripted_controllers import EXPERTS

ALLOWED = "scripted, person, the path of a saved agent, an object with predict(observation), a function of observations"


class Expert(ABC):
    """Labels a batch of states with actions.

    Attributes:
        gone: Whether the expert has stopped answering.
        state: Its recurrent state in the current episodes, a list of tensors or arrays; None without a memory, or
            before the first answer.
    """

    gone = False
    state: list[Any] | None = None

    @abstractmethod
    def label(self, obs: Any, start: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """(B, ...) actions.

        Args:
            obs: (B, ...) as the environment gives them.
            start: (B,) bool: an episode begins with this observation.
            wanted: (B,) bool: where an action is needed; elsewhere it may be anything.
        """


class FunctionLabels(Expert):
    """A function from observations (B, ...) to actions (B, ...)."""

    def __init__(self, function: Callable[[Any], np.ndarray]) -> None:
        self.function = function

    def label(self, obs: Any, start: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return np.asarray(self.function(obs))


class PolicyLabels(Expert):
    """Something with ``predict``: one of our agents or of Stable-Baselines3, with its own memory of each episode."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        self.memory: Any = None  # as its last call returned it

    def label(self, obs: Any, start: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        actions, self.memory = self.policy.predict(obs, state=self.memory, episode_start=start, deterministic=True)
        return np.asarray(actions)

    @property
    def state(self) -> list[Any] | None:
        parts = self.memory if isinstance(self.memory, tuple | list) else ()
        return list(parts) if parts and all(isinstance(part, Tensor | np.ndarray) for part in parts) else None

    @state.setter
    def state(self, state: list[Any] | None) -> None:
        self.memory = None if state is None else tuple(state)


class Person(Expert):
    """A person at the terminal, who sees each state and types an action; an empty line stops.

    Args:
        env: The environment; states are shown as text if its render_mode is ``ansi``, otherwise as numbers.
        ask: Function from a question to an answer; ``input`` if left out.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], ask: Callable[[str], str] | None = None) -> None:
        self.env, self.space = env, env.single_action_space
        self.ask = input if ask is None else ask

    def label(self, obs: Any, start: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        labels = np.stack([np.zeros(self.space.shape or (), self.space.dtype)] * len(start))
        pictures = self.env.render() if self.env.render_mode == "ansi" else None
        for i in np.flatnonzero(wanted).tolist():
            if self.gone:
                break
            state = pictures[i] if pictures else map_tree(lambda x, i=i: np.asarray(x)[i], obs)
            answer = self._answer(f"{state}\naction ({self._allowed()}; empty to stop): ")
            if answer is None:
                self.gone = True
                wanted[i:] = False  # no labels from here on
            else:
                labels[i] = answer
        return labels

    def _answer(self, question: str) -> Any:
        """An action, or None if the person stops; asks again after an invalid one."""
        while True:
            try:
                text = self.ask(question).strip()
            except EOFError:
                return None
            if not text:
                return None
            try:
                numbers = np.array([float(word) for word in text.replace(",", " ").split()])
                action = numbers.reshape(self.space.shape or ()).astype(self.space.dtype)
            except ValueError:
                action = None
            if action is not None and self.space.contains(action if self.space.shape else action[()]):
                return action
            question = f"{brief(text)} is not an action; allowed: {self._allowed()}: "

    def _allowed(self) -> str:
        if isinstance(self.space, gym.spaces.Discrete):
            return f"{self.space.start} to {self.space.start + self.space.n - 1}"
        return str(self.space)


def expert_for(given: Any, env: VectorEnv[Any, Any, Any]) -> Expert:
    """Make an expert of an agent's option.

    Args:
        given: An :class:`Expert`, ``scripted``, ``person``, the path of an agent saved by us or by Stable-Baselines3,
            something with ``predict``, or a function.

    Raises:
        UserError: it is none of these.
    """
    if isinstance(given, Expert):
        return given
    if given == "scripted":
        if (own := own_expert(env)) is not None:
            return FunctionLabels(lambda obs: own())
        name = env.spec.id if env.spec is not None else "this environment"
        if name in EXPERTS:
            return FunctionLabels(EXPERTS[name]())
        raise UserError(f"{name} has no scripted expert; give another: {ALLOWED}")
    if given == "person":
        return Person(env)
    if isinstance(given, str | Path):
        return PolicyLabels(saved_policy(Path(given), env, f"there is no expert {str(given)!r}; allowed: {ALLOWED}"))
    if hasattr(given, "predict"):
        return PolicyLabels(given)
    if callable(given):
        return FunctionLabels(given)
    raise UserError(f"{brief(given)} is not an expert; allowed: {ALLOWED}")


def saved_policy(path: Path, env: VectorEnv[Any, Any, Any], missing: str) -> Any:
    """Load a saved agent, ours or Stable-Baselines3's.

    Args:
        missing: The error message if the path does not exist.
    """
    from lhy_rl.core import archive

    if not path.exists():
        raise UserError(missing)
    if path.is_dir() or archive.is_one(path):
        import lhy_rl

        return lhy_rl.load(path, env)
    from lhy_rl.interop.sb3_experts import load_expert

    return load_expert(path, env)
