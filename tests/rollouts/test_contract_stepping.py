"""What environments of others do while they are stepped: masks now and then, one array for all, NaN at an end."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lhy_rl.agents import A2C, PPO, Reinforce
from lhy_rl.core.errors import UserError
from lhy_rl.rollouts import evaluate_policy
from lhy_rl.rollouts.full_episodes import collect_episodes
from lhy_rl.rollouts.record_episodes import random_policy, record
from tests.agents.small_envs import Always

SMALL = {"embedding_size": 8, "hidden_size": 8, "seed": 0, "core": None}
MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP]


class Now(gymnasium.Env):
    """Says in some infos that one action is legal, and insists on it; elsewhere all are."""

    observation_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, when: str, number: int, multi: bool = False) -> None:
        self.when, self.number = when, number
        self.action_space = MultiDiscrete([3, 4]) if multi else Discrete(7)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self._next(self.when != "step")

    def step(self, action: Any) -> Any:
        assert self.right is None or np.array_equal(action, self.right)
        self.t += 1
        obs, info = self._next(self.when != "reset")
        return obs, 1.0, self.t == 5 + self.number, False, info

    def _next(self, now: bool) -> Any:
        says = now and {"some": self.number == 1, "sometimes": self.np_random.random() < 0.3}.get(self.when, True)
        obs = np.zeros(1, np.float32)
        self.right = None
        if not says:
            return obs, {}
        self.right = self.np_random.integers([3, 4]) if isinstance(self.action_space, MultiDiscrete) else 2
        mask = np.zeros(7, np.int8)
        mask[[self.right[0], 3 + self.right[1]] if isinstance(self.action_space, MultiDiscrete) else 2] = 1
        return obs, {"action_mask": mask}


@pytest.mark.parametrize("when", ["step", "reset", "some", "sometimes"])
@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_masks_that_come_now_and_then_are_heeded_everywhere(when, multi, mode):
    env = SyncVectorEnv([lambda i=i: Now(when, i, multi) for i in range(3)], autoreset_mode=mode)
    agent = PPO(env, n_steps=8, entropy_coef=0.01, **SMALL).learn(3 * 8 * 3)
    assert all(p.isfinite().all() for p in agent.policy.parameters())
    Reinforce(env, **SMALL).learn(60)
    record(env, random_policy(env.single_action_space, 0), 6, noise=0.5)

    def predict(obs: Any, state: Any, start: Any, masks: Any) -> Any:
        return agent.predict(obs, state, start, action_masks=masks)

    evaluate_policy.play(predict, env, 6, seed=0)
    obs, infos = env.reset(seed=0)
    for _ in range(30):  # as a user does it, with what Gymnasium gives: rows of zeros where an instance said nothing
        actions, _ = agent.predict(obs, action_masks=infos.get("action_mask"))
        obs, _, _, _, infos = env.step(actions)


class OneArray(gymnasium.Env):
    """Counts its steps, and writes each observation into the same array; every episode ends at ``length``."""

    action_space = Discrete(2)

    def __init__(self, kind: str = "box", ending: str = "truncated", length: int = 4) -> None:
        self.kind, self.ending, self.length = kind, ending, length
        self.array = np.zeros(1, np.float32)
        box = Box(0, 100, (1,), np.float32)
        self.observation_space: Any = {
            "box": box,
            "dict": Dict({"x": box}),
            "tuple": gymnasium.spaces.Tuple([box]),
        }[kind]

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self._see(0), {}

    def step(self, action: Any) -> Any:
        over = self.array[0] + 1 == self.length
        obs = self._see(self.array[0] + 1)
        return obs, 1.0, bool(over and self.ending == "terminated"), bool(over and self.ending == "truncated"), {}

    def _see(self, t: float) -> Any:
        self.array[0] = t
        return {"box": self.array, "dict": {"x": self.array}, "tuple": (self.array,)}[self.kind]


def number(obs: Any) -> float:
    """The only one in an observation."""
    while isinstance(obs, dict | tuple):
        obs = next(iter(obs.values() if isinstance(obs, dict) else obs))
    return float(np.ravel(obs)[0])


@pytest.mark.parametrize("kind", ["box", "dict", "tuple"])
@pytest.mark.parametrize("mode", MODES)
def test_last_observations_are_kept_from_the_reset(kind, mode):
    env = SyncVectorEnv([lambda: OneArray(kind)] * 2, autoreset_mode=mode)
    steps = PPO(env, **SMALL).collector.collect(10)
    assert [number(obs) for _, _, obs in steps.truncated_final_obs] == ([4.0] * 4 if mode is MODES[0] else [])
    policy = Reinforce(env, **SMALL).policy
    assert [number(obs) for _, obs in collect_episodes(env, policy, 0).truncated_final_obs] == [4.0, 4.0]
    for episode in record(env, random_policy(env.single_action_space, 0), 4).episodes:
        seen = episode.observations
        while isinstance(seen, dict | tuple):
            seen = next(iter(seen.values() if isinstance(seen, dict) else seen))
        assert seen[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_sb3_s_terminal_observation_is_kept_too():
    sb3 = pytest.importorskip("lhy_rl.interop.sb3")
    env = sb3.to_sb3(SyncVectorEnv([OneArray], autoreset_mode=MODES[0], copy=False))
    first = env.reset()
    for _ in range(4):
        obs, _, _, infos = env.step(np.zeros(1, int))
    assert (first[0, 0], obs[0, 0], infos[0]["terminal_observation"][0]) == (0, 0, 4)


class NaNAtTheEnd(OneArray):
    """Its last observation is none."""

    def _see(self, t: float) -> Any:
        super()._see(t)
        return np.full(1, np.nan, np.float32) if t == self.length else self.array


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "learn",
    [
        lambda env: PPO(env, n_steps=8, **SMALL).learn(16),
        lambda env: A2C(env, n_steps=8, **SMALL).learn(16),
        lambda env: Reinforce(env, baseline="critic", **SMALL).learn(8),
        lambda env: record(env, random_policy(env.single_action_space, 0), 2),
    ],
    ids=["ppo", "a2c", "reinforce", "record"],
)
def test_a_last_observation_that_is_no_number_is_named(mode, learn):
    env = SyncVectorEnv([lambda: OneArray(length=6), NaNAtTheEnd], autoreset_mode=mode)
    with pytest.raises(UserError, match=r"the observation of instance 1 at step 4( of its episode)? is not a number"):
        learn(env)


def test_a_last_observation_at_a_termination_is_named_where_it_is_recorded():
    env = SyncVectorEnv([lambda: NaNAtTheEnd(ending="terminated")], autoreset_mode=MODES[0])
    with pytest.raises(UserError, match="the observation of instance 0 at step 4 is not a number"):
        record(env, random_policy(env.single_action_space, 0), 1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [PPO, Reinforce])
def test_normalisers_learn_what_is_acted_on_once_each(kind, mode):
    """Observations 0, 1, 2, 3 are acted on; 4 follows the last action, and is normalised by the same numbers."""
    env = SyncVectorEnv([OneArray] * 2, autoreset_mode=mode)
    options: Any = {"n_steps": 5, "normalize_rewards": True} if kind is PPO else {"baseline": "critic"}
    agent = kind(env, normalize_observations=True, **options, **SMALL).learn(2 * 20)
    moments = agent.normalizer.observed
    acted = 2 * 20 if mode is MODES[0] or kind is Reinforce else 2 * 16
    assert moments.count == pytest.approx(acted, abs=1e-2)
    np.testing.assert_allclose(moments.mean, [1.5], atol=1e-3)
    np.testing.assert_allclose(moments.variance, [1.25], atol=1e-3)
    if kind is PPO:
        assert agent.normalizer.rewarded.count == pytest.approx(acted, abs=1e-2)


class Symbols(gymnasium.Env):
    """Whole numbers, 100 or 101: the one that is seen is to be done."""

    action_space = Discrete(2)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.observation_space = Box(0, 255, shape, np.uint8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return np.full(self.observation_space.shape, 100, np.uint8), {}

    def step(self, action: Any) -> Any:
        self.t += 1
        obs = np.full(self.observation_space.shape, 100 + self.t % 2, np.uint8)
        return obs, 1.0, False, self.t == 7, {}


@pytest.mark.parametrize("shape", [(3,), (1, 8, 8), (36, 36, 3)])
def test_normalised_whole_numbers_reach_the_policy_as_they_are(shape):
    """100 and 101 by turns are -1 and 1: neither cast to bytes nor divided by 255."""
    agent = PPO(lambda: Symbols(shape), num_envs=2, n_steps=50, normalize_observations=True, **SMALL).learn(200)
    obs = agent.collector.collect(8).obs
    assert obs.dtype == torch.float32
    assert set(obs.sign().flatten().tolist()) == {-1.0, 1.0}
    assert obs.abs().min() > 0.8 and obs.abs().max() < 1.2
    assert getattr(agent.policy.trunk.encoder, "scale", 1.0) == 1.0


class Strict(OneArray):
    """Takes nothing but actions of its space, to the last bit."""

    def __init__(self, space: gymnasium.Space[Any]) -> None:
        super().__init__()
        self.action_space = space  # type: ignore[assignment]

    def step(self, action: Any) -> Any:
        assert action in self.action_space and np.asarray(action).dtype == self.action_space.dtype, repr(action)
        return super().step(action)


@pytest.mark.parametrize(
    "space",
    [Box(-0.1, 0.1, (2,), np.float64), Box(-0.1, 0.1, (2,), np.float16), MultiDiscrete([3, 2], dtype=np.int32)],
    ids=["float64", "float16", "int32"],
)
@pytest.mark.parametrize("core", [None, "gru"])
def test_actions_are_of_the_space_s_own_type(space, core):
    options = {**SMALL, "core": core, "num_envs": 2}
    agent = PPO(lambda: Strict(space), n_steps=16, **options).learn(32)
    Reinforce(lambda: Strict(space), **options).learn(8)
    action, _ = agent.predict(np.zeros(1, np.float32))
    assert action in space and action.dtype == space.dtype


class Answers(Always):
    """Returns something else from ``step`` or, without ``played``, from ``reset``."""

    def __init__(self, answer: Any, played: bool = True) -> None:
        super().__init__()
        self.answer, self.played = answer, played

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        given = super().reset(seed=seed)
        return given if self.played else self.answer(*given)

    def step(self, action: Any) -> Any:
        given = super().step(action)
        return self.answer(*given) if self.played else given


UNREADABLE = {
    "four values, as of the old Gym": lambda: Answers(lambda obs, reward, over, _, info: (obs, reward, over, info)),
    "a reward that is an array": lambda: Answers(lambda obs, reward, *rest: (obs, np.array([reward]), *rest)),
    "an observation of another shape": lambda: Answers(lambda obs, *rest: (np.zeros(2, np.float32), *rest)),
    "nothing": lambda: Answers(lambda *given: None),
    "no info": lambda: Answers(lambda obs, info: obs, played=False),
}


@pytest.mark.parametrize("answer", UNREADABLE)
@pytest.mark.parametrize("agent", [PPO, Reinforce])
@pytest.mark.parametrize("vector", [None, SyncVectorEnv, partial(SyncVectorEnv, autoreset_mode="SameStep")])
def test_what_cannot_be_read_is_one_line(answer: str, agent: Any, vector: Any) -> None:
    options = {"n_steps": 16, "n_epochs": 1} if agent is PPO else {"core": None}
    env: Any = UNREADABLE[answer]
    given = env if vector is None else vector([env] * 2)
    with pytest.raises(UserError, match=r"returned cannot be read: .*Gymnasium's reset\(\) returns"):
        agent(given, num_envs=2, **options).learn(40)


def test_an_environment_s_own_error_is_its_own() -> None:
    def fails(*given: Any) -> Any:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        PPO(lambda: Answers(fails), num_envs=2, n_steps=16).learn(32)


OUTSIDE = {
    "a token of -1": (Discrete(5), lambda t: -(t == 3)),
    "a token too large": (Discrete(5), lambda t: 5 * (t == 3)),
    "a token of the next table": (MultiDiscrete([3, 3]), lambda t: np.array([3 * (t == 3), 0])),
    "a bit of 2": (MultiBinary(2), lambda t: np.array([2 * (t == 3), 0], np.int8)),
    "in a dict": (Dict({"a": Discrete(3, start=1)}), lambda t: {"a": 1 + 3 * (t == 3)}),
    "only the last one": (Discrete(5), lambda t: 5 * (t == 10)),
}


class Tokens(Always):
    """Observes what a function of the step gives."""

    def __init__(self, space: Any, observed: Any) -> None:
        super().__init__()
        self.observation_space, self.observed = space, observed

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self.observed(0), {}

    def step(self, action: Any) -> Any:
        return self.observed(self.t + 1), *super().step(action)[1:]


@pytest.mark.parametrize("outside", OUTSIDE)
@pytest.mark.parametrize("agent", [PPO, Reinforce])
def test_a_token_that_the_space_does_not_have_is_named(outside: str, agent: Any) -> None:
    options = {"n_steps": 16, "n_epochs": 1} if agent is PPO else {"core": None, "baseline": "none"}
    with pytest.raises(UserError, match=r"the observation of instance 0.* is .*not in .*; fix the environment"):
        agent(lambda: Tokens(*OUTSIDE[outside]), num_envs=2, **options).learn(40)


@pytest.mark.parametrize(
    ("makes", "message"),
    [(lambda: gymnasium.make_vec("CartPole-v1", 2), "makes a vector environment"), (lambda: None, "makes None, which")],
)
def test_what_a_callable_makes_is_one_environment(makes: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        PPO(makes)
