"""What is no observation is refused in one line; an agent is loaded into environments like its own; it has a place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.agents import GAN, PPO, Reinforce, SelfPlay
from lhy_rl.core.errors import UserError

SMALL: dict[str, Any] = {"n_steps": 8, "n_epochs": 1, "embedding_size": 8, "hidden_size": 8}
POINTER = {"head": "pointer", "source_encoder": "transformer", "core": None, "num_layers": 1, "critic": "none"}


def made(name: str, **options: Any) -> Any:
    return gymnasium.make_vec(f"lhy_rl/{name}-v0", num_envs=3, **options)


AGENTS: dict[str, Any] = {
    "vectors": lambda: PPO("CartPole-v1", num_envs=2, **SMALL),
    "numbers, memory": lambda: PPO(made("TwentyQuestions"), core="gru", **SMALL),
    "pictures and vectors": lambda: PPO(made("PointMassPixels"), **SMALL),
    "a game": lambda: SelfPlay("lhy_rl/negotiation_v0", n_games=4, embedding_size=8),
    "a condition": lambda: GAN(made("CaptionToImage"), width=4),
    "a source": lambda: Reinforce(made("Tour", num_cities=5), hidden_size=8, embedding_size=8, **POINTER),
}
ODD = [None, np.zeros((3, 99, 7)), "x", np.full(2, np.nan), {}, [], {"zz": np.zeros(3)}, 999, [[1, 2], [3]], ()]


@pytest.mark.parametrize("name", AGENTS)
def test_contract_what_is_no_observation_is_one_line(name: str) -> None:
    agent = AGENTS[name]()
    space = agent.env.single_observation_space
    one = space.sample()
    agent.predict(one)
    odd = list(ODD)
    if isinstance(space, gymnasium.spaces.Dict):
        odd += [{key: part for key, part in one.items() if key != left_out} for left_out in one]
        odd += [{**one, key: "x"} for key in one if key != "action_mask"]
    for given in odd:
        with pytest.raises(UserError, match="not an observation of"):
            agent.predict(given)
    with pytest.raises(UserError, match=r"episode_start has shape \(3,\); must be \(1,\)"):
        agent.predict(one, None, np.zeros(3, bool))
    if agent.policy.initial_state(3):
        with pytest.raises(UserError, match="so the state must be of"):
            agent.predict(one, agent.policy.initial_state(3))


def test_contract_numbers_in_a_list_are_an_observation() -> None:
    agent = AGENTS["vectors"]()
    assert agent.predict([0.1, 0.2, 0.3, 0.4], deterministic=True)[0].shape == ()
    assert agent.predict([[0.1, 0.2, 0.3, 0.4]] * 3, deterministic=True)[0].shape == (3,)


def test_contract_a_mistake_in_ones_own_network_is_not_hidden() -> None:
    agent = AGENTS["vectors"]()
    agent.policy.act = lambda *_, **__: (_ for _ in ()).throw(RuntimeError("mine"))
    with pytest.raises(RuntimeError, match="mine"):
        agent.predict(np.zeros(4))


def test_contract_loaded_into_the_environment_with_other_arguments(tmp_path: Path) -> None:
    """With the same spaces it goes on with new episodes; with others the line says which they are."""
    agent = PPO(made("Copy", max_length=3), core="gru", **SMALL).learn(24)
    agent.save(tmp_path / "new folder/copy.zip")
    longer = PPO.load(tmp_path / "new folder/copy.zip", made("Copy", max_length=6))
    assert longer.num_timesteps == 24
    with pytest.warns(UserWarning, match="new episodes begin"):
        longer.learn(24, reset_num_timesteps=False)
    with pytest.raises(
        UserError, match=r"with other spaces: observations, Discrete.* is not .*; pass load an environment with"
    ):
        PPO.load(tmp_path / "new folder/copy.zip", made("RepeatPrevious"))


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_contract_no_name_of_a_file(name: str) -> None:
    with pytest.raises(UserError, match="is not a file name"):
        AGENTS["vectors"]().save(name)


def test_contract_a_repr_names_the_game(tmp_path: Path) -> None:
    assert repr(AGENTS["a game"]()).startswith("<SelfPlay on negotiation_v0, ")
    AGENTS["numbers, memory"]().save(tmp_path / "ppo.zip")
    assert repr(PPO.load(tmp_path / "ppo.zip")).startswith("<PPO on no environment, ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("HPOToken", r"the action_mask in the observations has shape \(3, 5\); must be \(5,\)"),
        ("CopySummary", r"source_mask has shape \(3, \d+\).* one flag per position"),
    ],
)
def test_contract_stacked_masks_are_one_line(name: str, message: str) -> None:
    def stacked() -> Any:
        return gymnasium.wrappers.FrameStackObservation(gymnasium.make(f"lhy_rl/{name}-v0"), 3)

    with pytest.raises(UserError, match=message):
        PPO(stacked, num_envs=2, **SMALL).learn(8)
