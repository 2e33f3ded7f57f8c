"""A user's rules are tried once, before the first episode, so that a mistake in them is an error of one line."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import batch_space, create_empty_array

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.registry import place_of
from lhy_rl.core.trees import State, copied, leaves
from lhy_rl.data.spaces import misfit, without_texts


def try_env(env: Any, base: type) -> None:
    """Make one step in two scratch instances.

    Args:
        env: A ``BatchedEnv``.
        base: ``BatchedEnv`` itself.

    Raises:
        UserError: a function is missing, gives arrays of other shapes or types, or writes into what it was given.
    """
    functions = "initial", "transition", "observation", "reward", "terminal"
    n = 2 if env.num_envs != 2 else 3  # another number than num_envs: instances are reset one by one, too
    rules, rng = TriedRules(env, base, n, functions), np.random.default_rng(0)
    state = rules.state("initial", rules.call("initial", n, rng))
    obs = rules.observation(env.single_observation_space, rules.call("observation", state))
    infos = rules.call("info", state)
    mask = infos.get(ACTION_MASK, obs.get(ACTION_MASK) if isinstance(obs, dict) else None)
    actions = rules.actions(env.single_action_space, mask)
    after = rules.state("transition", rules.call("transition", state, actions, rng), state)
    rules.numbers("reward", rules.call("reward", state, actions, after), (), (n,))
    rules.numbers("terminal", rules.call("terminal", after), (), (n,))
    rules.observation(env.single_observation_space, rules.call("observation", after))


def try_game(game: Any, base: type) -> None:
    """Make one move in two scratch games.

    Args:
        game: A ``BatchedGame``.
        base: ``BatchedGame`` itself.

    Raises:
        UserError: a function is missing, gives arrays of other shapes or types, or writes into what it was given.
    """
    functions = "initial", "to_move", "action_mask", "transition", "observation", "reward", "terminal"
    n, rng = 2, np.random.default_rng(0)
    rules, players = TriedRules(game, base, n, functions), range(len(game.players))
    state = rules.state("initial", rules.call("initial", n, rng))
    player = rules.call("to_move", state)
    rules.numbers("to_move", player, (n,))
    if not np.isin(player, players).all():
        raise rules.failure("to_move", player, f"the number of a player, 0 to {len(players) - 1}")
    mask = rules.call("action_mask", state, player)
    rules.numbers("action_mask", mask, (n, game.num_actions))
    rules.observation(game.observation_space, rules.call("observation", state, player))
    actions = rules.actions(game.action_space, mask)
    after = rules.state("transition", rules.call("transition", state, actions, rng), state)
    rules.numbers("reward", rules.call("reward", state, actions, after), (n, len(players)))
    over = rules.call("terminal", after)
    if not isinstance(over, np.ndarray) or over.dtype != np.bool_ or over.shape != (n,):
        raise rules.failure("terminal", over, f"a bool array of shape ({n},)")


class TriedRules:
    """Calls the functions of an environment or game and checks their results.

    Args:
        rules: The environment or game that defines the functions.
        base: The class that leaves them abstract.
        n: Number of instances.
        functions: Names of the functions that it must define.
    """

    def __init__(self, rules: Any, base: type, n: int, functions: tuple[str, ...]) -> None:
        self.rules, self.n, self.place = rules, n, place_of(type(rules))
        missing = [name for name in functions if getattr(type(rules), name) is getattr(base, name)]
        if missing:
            raise UserError(f"{self.place} does not define {', '.join(missing)}; see the docstring of {base.__name__}")

    def failure(self, function: str, given: Any, wanted: str) -> UserError:
        """The error for a function that returned something else than it should."""
        words = brief(given)
        if isinstance(given, np.ndarray):
            words = f"{given.dtype} of shape {given.shape}, {words}"
        return UserError(f"{self.place}.{function} returns {words} for {self.n} instances; must be {wanted}")

    def call(self, function: str, *given: Any) -> Any:
        """Call a function and return its result."""
        before = [copied(x) if isinstance(x, dict) else None for x in given]
        found = getattr(self.rules, function)(*given)
        for old, new in zip(before, given, strict=True):
            if old is not None and any(old[key].tobytes() != new[key].tobytes() for key in old):
                raise UserError(
                    f"{self.place}.{function} writes into the state that it is given, from which rewards are computed "
                    "afterwards; return new arrays: x = x + 1, not x += 1"
                )
        return found

    def state(self, function: str, state: Any, before: State | None = None) -> State:
        """Check and return a state; if it follows another state it must have the same arrays."""
        if not isinstance(state, dict) or not all(isinstance(x, np.ndarray) for x in state.values()):
            raise self.failure(function, state, "a dict of arrays with the instances as their first dimension")
        for key, array in state.items():
            if array.shape[:1] != (self.n,):
                raise self.failure(function, array, f"of shape ({self.n}, ...) under {key!r}: a row for each instance")
        for key, array in (before or {}).items():
            if key not in state:
                raise self.failure(function, sorted(state), f"a state with the same arrays; {key!r} is missing")
            now, wanted = state[key], f"as in the initial state under {key!r}, {array.dtype} of shape {array.shape}"
            if now.shape != array.shape or not np.can_cast(now.dtype, array.dtype, "same_kind"):
                raise self.failure(function, now, wanted)
        return state

    def observation(self, space: gym.Space[Any], obs: Any) -> Any:
        """Check that the observations are in the space and return them."""
        space = without_texts(space)
        why = misfit(obs, space)
        if why is None:  # it fits, but one observation does, too
            parts = {key: obs[key] for key in space} if isinstance(space, gym.spaces.Dict) else obs
            shapes = [[np.shape(x) for x in leaves(tree)] for tree in (parts, create_empty_array(space, self.n))]
            pairs = zip(*shapes, strict=True)
            why = next((f"shape {given}; wanted: {wanted}" for given, wanted in pairs if given != wanted), None)
        if why is not None:
            raise UserError(f"{self.place}.observation returns, for {self.n} instances, {why}")
        return obs

    def actions(self, space: gym.Space[Any], mask: Any) -> Any:
        """An action for each instance; a legal one where the action is a single choice and there is a mask."""
        if mask is not None and isinstance(space, gym.spaces.Discrete):
            self.numbers("action_mask", mask, (self.n, int(space.n)))
            if not np.any(mask, 1).all():
                raise self.failure("action_mask", mask, "true somewhere in each row: an action must be allowed")
            return np.argmax(mask, 1) + int(space.start)
        many = batch_space(space, self.n)
        many.seed(0)
        return many.sample()

    def numbers(self, function: str, given: Any, *shapes: tuple[int, ...]) -> None:
        """Raise unless these are numbers of one of the shapes."""
        array = np.asarray(given)
        if array.dtype.kind not in "biuf" or array.shape not in shapes or not np.isfinite(array).all():
            raise self.failure(function, given, f"numbers of shape {shapes[-1]}")
