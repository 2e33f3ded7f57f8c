"""A saved state whose content does not fit is refused in one line, whatever is missing or odd in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

import lhy_rl  # noqa: F401
from lhy_rl.agents import (
    A2C,
    AIRL,
    BC,
    GAIL,
    MLE,
    PPO,
    DAgger,
    Distill,
    DomainTransfer,
    Reinforce,
    SelfPlay,
    SeqGAN,
    ThirdPerson,
    agents,
)
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.saved_states import check_like, fitting
from tests.agents.adversarial import test_contract_gail as adversarial
from tests.agents.adversarial import test_contract_third_person as filmed
from tests.agents.common import test_contract_agents as text
from tests.agents.generative import test_contract_domain_transfer as translated
from tests.agents.generative import test_contract_samples as sampled
from tests.agents.inverse_rl import test_contract_inverse as inverse
from tests.agents.small_envs import Parrot
from tests.agents.small_games import Nim
from tests.agents.supervised import test_contract_dagger as labels

SMALL: dict[str, Any] = {"num_envs": 2, "n_steps": 8, "embedding_size": 8, "hidden_size": 8}
LSTM = {"core": "lstm", "normalize_rewards": True, "batch_size": 8, **SMALL}
SHOWN = adversarial.recorded(Parrot)
CASES: dict[str, tuple[Callable[[], Any], int]] = {
    **{
        name: (lambda case=text.CASES[name]: text.make(case), text.CASES[name][2])
        for name in ("mle", "reinforce kl", "seqgan")
    },
    **{
        name: (lambda case=inverse.CASES[name]: inverse.make(case), inverse.CASES[name][3])
        for name in ("irl network", "irl played", "maxent_irl lbfgs")
    },
    "ppo": (lambda: PPO("lhy_rl/RepeatPrevious-v0", **LSTM), 40),
    "a2c": (lambda: A2C("CartPole-v1", normalize_observations=True, **SMALL), 40),
    "gail": (lambda: GAIL(Parrot, demonstrations=SHOWN, core="gru", **adversarial.SMALL), 40),
    "airl": (lambda: AIRL(Parrot, demonstrations=SHOWN, **adversarial.SMALL), 40),
    "third_person": (lambda: ThirdPerson(filmed.small(), **filmed.SMALL), 32),
    "domain_transfer": (lambda: DomainTransfer(translated.small(), **translated.SMALL), 32),
    **{name: (lambda name=name: sampled.make(name), 32) for name in ("gan began", "autoencoder", "vae gaussian")},
    "bc": (lambda: BC(Parrot, demonstrations=SHOWN, embedding_size=8), 50),
    "selfplay": (lambda: SelfPlay(Nim(), core="gru", n_games=4, opponents="pool", embedding_size=8), 20),
    "distill": (lambda: Distill(Parrot, teacher=PPO(Parrot, core="gru", **SMALL), **labels.SMALL), 30),
    "dagger": (lambda: DAgger(Parrot, expert=lambda obs: np.full(3, 3), **labels.SMALL), 30),
}
DROPPED = object()
ODD = [DROPPED, None, "text", -1, 3.5, [], {}, np.zeros((2, 9)), torch.zeros(7, 3)]
TRIES = 15  # of each agent; all places and values were tried when this was written


def test_contract_every_agent_is_tried() -> None:
    assert {name.split()[0] for name in CASES} == set(agents.names())


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to each value of a tree, down to three entries of a list."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree[:3]) if isinstance(tree, list | tuple) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at a place, or none."""
    key, *rest = path
    items = dict(tree) if isinstance(tree, dict) else dict(enumerate(tree))
    if not rest and value is DROPPED:
        del items[key]
    else:
        items[key] = changed(tree[key], tuple(rest), value) if rest else value
    return items if isinstance(tree, dict) else type(tree)(items.values())


@pytest.mark.parametrize("name", CASES)
def test_contract_a_state_that_does_not_fit_is_refused_in_one_line(name: str) -> None:
    make, steps = CASES[name]
    tree = archive.from_bytes(archive.to_bytes(make().learn(steps).state_dict()))
    rng, refused, agent = random.Random(name), 0, make()
    for path, value in rng.sample([(path, value) for path in places(tree) for value in ODD], TRIES):
        odd = changed(archive.from_bytes(archive.to_bytes(tree)), path, value)
        try:
            agent.load_state_dict(odd)
            agent.learn(1, callback=lambda *_: False, reset_num_timesteps=False)
            agent.predict(agent.env.observation_space.sample() if name == "selfplay" else agent.env.reset(seed=0)[0])
        except UserError as error:
            refused += "\n" not in str(error)
            agent = make()
    assert refused > TRIES // 2
    agent.load_state_dict(tree)


def test_contract_every_key_is_missed() -> None:
    """A state without one of its names is never taken for a whole one."""
    agent = PPO("lhy_rl/RepeatPrevious-v0", **LSTM).learn(40)
    tree = archive.from_bytes(archive.to_bytes(agent.state_dict()))
    for path in places(tree):
        if (
            isinstance(path[-1], str) and "param_groups" not in path and path[-1] not in ("passes", "predict_generator")
        ):  # older files lack it
            with pytest.raises(UserError):
                PPO("lhy_rl/RepeatPrevious-v0", **LSTM).load_state_dict(changed(tree, path, DROPPED))


def test_contract_nobody_goes_on_with_half_of_a_state(tmp_path: Any) -> None:
    agent = PPO("CartPole-v1", **SMALL).learn(16)
    state = archive.from_bytes(archive.to_bytes(agent.state_dict()))
    before = agent.policy.state_dict()["actor.output.weight"].clone()
    with pytest.raises(UserError, match="num_updates is a text, not a whole number"):
        agent.load_state_dict({**state, "num_updates": "5"})
    assert torch.equal(agent.policy.state_dict()["actor.output.weight"], before)
    agent.learn(16)  # nothing was touched
    with pytest.raises(UserError, match="does not fit"):
        agent.load_state_dict({**state, "optimizer": {**state["optimizer"], "state": {0: {}}}})
    for go_on in (lambda: agent.learn(16), lambda: agent.predict(np.zeros(4)), lambda: agent.save(tmp_path / "a")):
        with pytest.raises(UserError, match="a state that does not fit was partly loaded"):
            go_on()
    agent.load_state_dict(state)
    agent.learn(16)


@pytest.mark.parametrize("option", ["normalize_observations", "normalize_rewards"])
@pytest.mark.parametrize("was", [False, True])
def test_contract_statistics_that_the_file_has_not_are_refused(option: str, was: bool, tmp_path: Any) -> None:
    PPO("CartPole-v1", **SMALL, **{option: was}).learn(16).save(tmp_path / "a")
    with pytest.raises(UserError, match=f"{option} is {str(not was).lower()}, but this agent was trained with"):
        PPO.load(tmp_path / "a", "CartPole-v1", **{option: not was})


@pytest.mark.parametrize("env", ["lhy_rl/RepeatPrevious-v0", "CartPole-v1"])
def test_contract_another_number_of_instances_begins_new_episodes(env: str, tmp_path: Any) -> None:
    options = {**LSTM, "normalize_observations": env == "CartPole-v1"}
    agent = PPO(env, **options).learn(40)
    agent.save(tmp_path / "a")
    more = PPO.load(tmp_path / "a", gymnasium.make_vec(env, num_envs=5))
    assert more.normalizer.rewarded.mean == agent.normalizer.rewarded.mean
    obs = more.env.reset(seed=0)[0]
    assert np.array_equal(more.predict(obs, deterministic=True)[0], agent.predict(obs, deterministic=True)[0])
    assert more.learn(40).normalizer.running.shape == (5,)


@pytest.mark.parametrize("kind", [MLE, Reinforce, SeqGAN])
@pytest.mark.parametrize("tree", [[], {}, {"options": {"learning_rate": "x"}}, {"options": [], "state": 3}])
def test_contract_a_file_that_says_it_is_an_agent(kind: Any, tree: Any, tmp_path: Any) -> None:
    archive.write(tmp_path / "a.zip", {"agent": kind.__name__, **tree} if isinstance(tree, dict) else tree)
    with pytest.raises(UserError) as caught:
        kind.load(tmp_path / "a.zip", text.make_env(2))
    assert "a.zip" in str(caught.value) and "\n" not in str(caught.value)


def test_math_trees_are_held_against_each_other() -> None:
    own = {"a": [1.0, {"b": np.zeros(3)}], "c": None, "d": torch.zeros(2), 0: "left to others", "e": (True,)}
    for fits in (own, {**own, "c": "x", "more": 1}, {**own, "a": [1, {"b": np.ones(5)}]}, {**own, "a": None}):
        check_like(fits, own)
    for odd, place in (
        ({**own, "a": [1.0, {}]}, r"a\[1\] has no 'b'"),
        ({**own, "a": [True]}, r"a\[0\] is a flag, not a number"),
        ({**own, "d": torch.zeros(2, 2)}, "d is a tensor of torch.float32 and shape"),
        ({**own, "d": None}, "d is nothing, not a tensor"),
        ({**own, "e": [1]}, r"e\[0\] is a whole number, not a flag"),
        (3, "it is a whole number, not a dict"),
    ):
        with pytest.raises(ValueError, match=place):
            check_like(odd, own)
    with pytest.raises(ValueError, match="shape"):
        check_like({**own, "a": [1, {"b": np.ones(5)}]}, own, shapes=True)
    with pytest.raises(UserError, match=r"^it does not fit: it has no 'x'$"), fitting("it does not fit"):
        {}["x"]
