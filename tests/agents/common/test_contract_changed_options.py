"""An option set on a made agent has the effect it would have had in the constructor, or one line refuses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lhy_rl.agents import A2C, BC, GAIL, GAN, MLE, PPO, VAE, DAgger, Distill, Reinforce, SelfPlay, SeqGAN
from lhy_rl.core.errors import UserError
from tests.agents.adversarial.test_contract_gail import recorded
from tests.agents.generative.test_contract_samples import digits, ring
from tests.agents.small_envs import Parrot
from tests.agents.small_games import Nim
from tests.agents.tiny import make_env

SMALL: dict[str, Any] = {"num_envs": 2, "n_steps": 8, "embedding_size": 8, "hidden_size": 8}
RATES = {"learning_rate": 0.02, "max_grad_norm": 0.05}
COEFFICIENTS = {**RATES, "gamma": 0.5, "entropy_coef": 0.3, "value_coef": 0.1}
ON_POLICY = {**COEFFICIENTS, "gae_lambda": 0.3}
ON_PPO = {**ON_POLICY, "n_epochs": 3, "batch_size": 8, "clip_range": 0.01, "target_kl": 0.5}
STEPS = {**RATES, "gradient_steps": 3, "batch_size": 7, "entropy_coef": 0.3}
TEXT = {"hidden_size": 5, "embedding_size": 4, "pretrain_epochs": 0.2}
PICTURES = {"gradient_steps": 2, "batch_size": 8, "width": 4, "hidden_size": 8, "code_size": 4, "decay": 0.0}
SHOWN = recorded(Parrot)


def text() -> Any:
    return make_env(8, train_size=200, validation_size=32)


CASES: dict[str, tuple[Callable[..., Any], dict[str, Any], int]] = {
    "ppo": (
        lambda **o: PPO("lhy_rl/RepeatPrevious-v0", core="lstm", normalize_rewards=True, **SMALL, **o), ON_PPO, 64
    ),
    "a2c": (lambda **o: A2C("CartPole-v1", **SMALL, **o), ON_POLICY, 64),
    "reinforce": (lambda **o: Reinforce("CartPole-v1", num_envs=2, baseline="critic", **o), COEFFICIENTS, 64),
    "reinforce kl": (lambda **o: Reinforce(text(), **{"kl_coef": 0.1, **TEXT, **o}), {"kl_coef": 2.0}, 100),
    "seqgan": (
        lambda **o: SeqGAN(text(), **{"discriminator_pretrain_steps": 2, "rollouts": 2, **TEXT, **o}),
        {"learning_rate": 0.05, "discriminator_steps": 2}, 100,
    ),
    "mle": (lambda **o: MLE(text(), hidden_size=5, **o), {"learning_rate": 0.05, "gradient_steps": 3}, 3000),
    "gail": (
        lambda **o: GAIL(Parrot, demonstrations=SHOWN, discriminator_hidden_size=8, **SMALL, **o),
        {option: value for option, value in ON_PPO.items() if option != "gamma"}, 64,
    ),
    "selfplay": (
        lambda **o: SelfPlay(Nim(), n_games=4, embedding_size=8, policies="independent", **o),
        {**ON_PPO, "kl_coef": 0.1}, 30,
    ),
    "bc": (lambda **o: BC(Parrot, demonstrations=SHOWN, **o), STEPS, 60),
    "dagger": (lambda **o: DAgger(Parrot, expert=lambda obs: np.full(3, 3), num_envs=3, n_steps=4, **o), STEPS, 40),
    "distill": (
        lambda **o: Distill(Parrot, teacher=PPO(Parrot, **SMALL), num_envs=3, n_steps=4, **o),
        {**STEPS, "temperature": 3.0}, 40,
    ),
    "gan": (
        lambda **o: GAN(digits(), **{**PICTURES, **o}),
        {"gradient_steps": 3, "decay": 0.5, "discriminator_steps": 2}, 60,
    ),
    "vae": (
        lambda **o: VAE(ring(), likelihood="gaussian", **{**PICTURES, **o}),
        {"gradient_steps": 3, "decay": 0.5, "beta": 0.1}, 60,
    ),
}  # fmt: skip


def weights(agent: Any) -> torch.Tensor:
    policies = [one.policy for one in getattr(agent, "learners", [agent])]
    return torch.cat([parameter.detach().flatten() for policy in policies for parameter in policy.parameters()])


def set_all(agent: Any, options: dict[str, Any]) -> Any:
    for option, value in options.items():
        setattr(agent, option, value)
    return agent


@pytest.mark.parametrize("name", CASES)
def test_it_is_as_if_the_agent_had_been_made_with_it(name: str) -> None:
    make, options, total = CASES[name]
    changed = set_all(make(), options)
    assert {option: getattr(changed, option) for option in options} == options
    assert options.items() <= changed.hyperparameters.items()
    untouched, made = make().learn(total), make(**options).learn(total)
    assert torch.equal(weights(changed.learn(total)), weights(made))
    assert not torch.equal(weights(untouched), weights(made))


@pytest.mark.parametrize("name", CASES)
def test_it_is_saved(name: str, tmp_path: Path) -> None:
    make, options, _ = CASES[name]
    agent = set_all(make(), options)
    agent.save(tmp_path / "changed")
    teacher = {"dagger": "expert", "distill": "teacher"}.get(name)  # a file does not hold it
    again = type(agent).load(tmp_path / "changed", agent.env, **({teacher: getattr(agent, teacher)} if teacher else {}))
    assert {option: getattr(again, option) for option in options} == options


@pytest.mark.parametrize("name", CASES)
def test_values_are_allowed_where_the_constructor_allows_them(name: str) -> None:
    make, options, _ = CASES[name]
    agent = make()
    for option in options:
        for value in (0, 1, 1.5, 2.0, "many"):
            outcomes = []
            for attempt in (lambda o=option, v=value: make(**{o: v}), lambda o=option, v=value: setattr(agent, o, v)):
                try:
                    attempt()
                    outcomes.append("allowed")
                except UserError:
                    outcomes.append("refused")
            assert outcomes[0] == outcomes[1], (option, value, outcomes)


@pytest.mark.parametrize(
    ("name", "option", "value", "line"),
    [
        ("ppo", "n_steps", 64, r"n_steps of PPO cannot be changed any more; make a new agent: PPO\(env, n_steps=64\)"),
        ("ppo", "core", "gru", "core of PPO cannot be changed any more"),
        ("gail", "discriminator_steps", 3, "discriminator_steps of GAIL cannot be changed any more"),
        ("gail", "n_steps", 64, "n_steps of PPO cannot be changed any more"),
        ("gail", "gamma", 0.5, "gamma of GAIL cannot be changed any more"),
        ("seqgan", "gamma", 0.5, "gamma of SeqGAN cannot be changed any more"),
        ("ppo", "hidden_sizes", [8], "hidden_sizes of PPO cannot be changed any more"),
        ("mle", "dropout", 0.5, "dropout of MLE cannot be changed any more"),
        ("ppo", "gamma", 99, "gamma is 99; allowed: 0 to 1"),
        ("ppo", "n_epochs", 0, "n_epochs is 0; allowed: at least 1"),
        ("ppo", "ent_coef", "auto", "entropy_coef is 'auto'; allowed: at least 0"),
        ("ppo", "n_epochs", 1.5, "n_epochs is 1.5; allowed: a whole number"),
        ("ppo", "learning_rate", float("nan"), "learning_rate is nan; allowed: above 0"),
        ("ppo", "max_grad_norm", 0, "max_grad_norm is 0; allowed: above 0"),
    ],
)
def test_contract_what_no_update_reads_is_refused_and_nothing_changes(
    name: str, option: str, value: Any, line: str
) -> None:
    agent = CASES[name][0]()
    before = getattr(agent, option, None), dict(agent.hyperparameters)
    with pytest.raises(UserError, match=line):
        setattr(agent, option, value)
    assert (getattr(agent, option, None), agent.hyperparameters) == before


def test_stable_baselines3_names_are_read_and_set() -> None:
    agent = CASES["gail"][0]()
    agent.ent_coef, agent.vf_coef = 0.25, 0.125
    learner = agent.learner
    assert (agent.ent_coef, agent.vf_coef) == (learner.entropy_coef, learner.value_coef) == (0.25, 0.125)


def test_whole_numbers_do_not_make_an_option_whole_and_floats_without_a_fraction_are_whole() -> None:
    agent = PPO("CartPole-v1", num_envs=2.0, n_steps=8.0, batch_size=8.0, entropy_coef=0, gamma=1)
    agent.entropy_coef, agent.gamma, agent.n_epochs = 0.01, 0.5, 2.0
    agent.learn(32)
    assert (agent.entropy_coef, agent.gamma, agent.n_epochs, agent.n_steps) == (0.01, 0.5, 2, 8)
    with pytest.raises(UserError, match=r"n_epochs is 1\.5; allowed: a whole number"):
        PPO("CartPole-v1", n_epochs=1.5)


def test_a_function_becomes_a_schedule_and_a_number_ends_it() -> None:
    agent = CASES["ppo"][0]()
    agent.clip_range = lambda remaining: 0.5 * remaining
    seen: list[float] = []
    agent.learn(48, lambda agent, metrics: seen.append(metrics["train/clip_range"]))
    assert seen == pytest.approx([0.5, 0.5 * 2 / 3, 0.5 / 3])
    agent.clip_range = 0.1
    agent.learn(16, lambda agent, metrics: seen.append(metrics["train/clip_range"]))
    assert seen[3:] == [0.1]


def test_options_of_somebodys_own_agent_are_its_own() -> None:
    class Annealed(PPO):
        def __init__(self, env: Any, *, epsilon: float = 1.0, **ppo: Any) -> None:
            super().__init__(env, **ppo)
            self.epsilon = epsilon

        def update(self) -> dict[str, float]:
            self.epsilon *= 0.5
            return super().update()

    agent = Annealed("CartPole-v1", epsilon=0.5, num_envs=2, n_steps=8).learn(32)
    assert agent.epsilon == 0.125
