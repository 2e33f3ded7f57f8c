"""Nobody's random numbers depend on another's: the global generators stay as they are, and whoever looks at a training
does not change it."""

from __future__ import annotations

import random
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.agents import agents
from lhy_rl.rollouts.evaluate_policy import play
from tests.agents.adversarial import test_contract_third_person as filmed
from tests.agents.generative import test_contract_domain_transfer as translated
from tests.agents.generative import test_contract_samples as sampled
from tests.agents.tiny import make_env

TINY = {"embedding_size": 4, "hidden_size": 4}
PLAYED = {"num_envs": 2, "n_steps": 8, **TINY}
SHOWN = {"demonstrations": "cartpole-expert", "trajectories": 2}
TAUGHT = {"gradient_steps": 3, "teacher": agents.get("ppo")("CartPole-v1", core="gru", **PLAYED)}
GRID = {"size": 4, "num_envs": 2}
CASES: dict[str, tuple[str, Any, dict[str, Any], int]] = {
    "a2c": ("a2c", "CartPole-v1", PLAYED, 48),
    "ppo": ("ppo", "CartPole-v1", PLAYED, 48),
    "ppo gru": ("ppo", "CartPole-v1", {**PLAYED, "core": "gru"}, 48),
    "ppo continuous": ("ppo", "Pendulum-v1", PLAYED, 48),
    "gail": ("gail", "CartPole-v1", {**PLAYED, **SHOWN, "discriminator_dropout": 0.2}, 48),
    "airl": ("airl", "CartPole-v1", {**PLAYED, **SHOWN}, 48),
    "bc": ("bc", "CartPole-v1", {**SHOWN, **TINY, "gradient_steps": 3, "dropout": 0.2}, 400),
    "dagger": (
        "dagger",
        "CartPole-v1",
        {**PLAYED, **SHOWN, "gradient_steps": 3, "first_gradient_steps": 3, "dropout": 0.2},
        48,
    ),
    "distill": ("distill", "CartPole-v1", {**PLAYED, **TAUGHT, "dropout": 0.2, "teacher_stochastic": True}, 48),
    "irl": ("irl", "CartPole-v1", {**SHOWN, **TINY, "num_envs": 2, "ppo": {"n_steps": 8}}, 48),
    "irl tables": ("irl", lambda: gymnasium.make_vec("lhy_rl/Gridworld-v0", **GRID), {}, 3),
    "maxent_irl": ("maxent_irl", "CartPole-v1", {**SHOWN, **TINY, "num_envs": 2, "ppo": {"n_steps": 8}}, 48),
    "maxent_irl tables": ("maxent_irl", lambda: gymnasium.make_vec("lhy_rl/Gridworld-v0", **GRID), {}, 3),
    "mle": ("mle", lambda: make_env(4, train_size=64, validation_size=16), {**TINY, "gradient_steps": 2}, 600),
    "reinforce": ("reinforce", "CartPole-v1", {"num_envs": 2, **TINY, "core": None}, 48),
    "selfplay": ("selfplay", "lhy_rl/negotiation_v0", {**TINY, "n_games": 4, "dropout": 0.2}, 48),
    "domain_transfer": (
        "domain_transfer",
        translated.small,
        {k: v for k, v in translated.SMALL.items() if k != "seed"},
        32,
    ),
    "gan": ("gan", sampled.digits, {k: v for k, v in sampled.SMALL.items() if k != "seed"}, 32),
    "autoencoder": ("autoencoder", sampled.digits, {k: v for k, v in sampled.SMALL.items() if k != "seed"}, 32),
    "vae": ("vae", sampled.digits, {k: v for k, v in sampled.SMALL.items() if k != "seed"}, 32),
    "third_person": ("third_person", filmed.small, {**filmed.SMALL, "discriminator_dropout": 0.2}, 48),
    "seqgan": (
        "seqgan",
        lambda: make_env(4, train_size=64, validation_size=16),
        {
            **TINY,
            "pretrain_epochs": 0.2,
            "discriminator": "cnn_small",
            "discriminator_pretrain_steps": 2,
            "rollouts": 2,
        },
        60,
    ),
}


@pytest.fixture(params=CASES)
def case(request: Any) -> Any:
    return CASES[request.param]


def make(case: Any) -> Any:
    name, env, options, _ = case
    return agents.get(name)(env() if callable(env) else env, seed=3, **options)


def global_states() -> list[Any]:
    _, keys, *rest = np.random.get_state()  # noqa: NPY002
    return [torch.get_rng_state().tolist(), keys.tolist(), rest, random.getstate()]


def tensors(tree: Any, path: str = "") -> dict[str, torch.Tensor]:
    """All tensors of a state, by their place; without who only predicts."""
    if isinstance(tree, torch.Tensor):
        return {} if "predict_generator" in path else {path: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    return {k: v for key, value in items for k, v in tensors(value, f"{path}/{key}").items()}


def look(agent: Any, *_: Any) -> None:
    """What a curious callback does: predict, draw, play an episode in another environment, use the global numbers."""
    obs, state = agent.env.observation_space.sample(), None
    for deterministic in (True, False):
        _, state = agent.predict(obs, state, deterministic=deterministic)
    torch.rand(2), np.random.rand(2), random.random()  # noqa: NPY002


def test_every_agent_is_here() -> None:
    assert {name for name, *_ in CASES.values()} == set(agents.names())


def test_global_generators_stay_as_they_are(case: Any, tmp_path: Any) -> None:
    before = global_states()
    agent = make(case)
    agent.learn(case[3])
    obs = agent.env.observation_space.sample()
    agent.predict(obs), agent.predict(obs, deterministic=True)
    agent.save(tmp_path / "agent.zip")
    type(agent).load(tmp_path / "agent.zip", agent.env)
    if hasattr(agent, "evaluate"):
        agent.evaluate(2)
    elif not hasattr(agent.env.unwrapped, "sequences"):
        play(lambda obs, state, start, masks: agent.predict(obs, state, start), agent.env, 2, seed=0)
    agent.set_env(agent.env)
    assert global_states() == before


def test_looking_does_not_change_a_training(case: Any) -> None:
    alone, watched = make(case), make(case)
    alone.learn(case[3])
    torch.manual_seed(5)
    watched.learn(case[3], callback=lambda agent, metrics: look(agent))
    first, second = tensors(alone.state_dict()), tensors(watched.state_dict())
    assert first.keys() == second.keys()
    for place in first:
        assert torch.equal(first[place], second[place]), place


@pytest.mark.parametrize("name", ["ppo", "ppo gru", "gail", "dagger", "irl"])
def test_looking_in_the_middle_of_an_update_does_not_either(name: str) -> None:
    from stable_baselines3.common.callbacks import BaseCallback

    drawn: list[float] = []

    class Curious(BaseCallback):
        def _on_step(self) -> bool:
            look(self.model)
            drawn.append(float(torch.rand(())))
            return True

    case = CASES[name]
    alone, watched = make(case), make(case)
    alone.learn(case[3])
    torch.manual_seed(5)
    watched.learn(case[3], callback=Curious())
    first, second = tensors(alone.state_dict()), tensors(watched.state_dict())
    for place in first:
        assert torch.equal(first[place], second[place]), place
    torch.manual_seed(5)
    users = [float((torch.rand(2), torch.rand(()))[1]) for _ in drawn]
    assert drawn == users, "the user's own numbers did not go on through the updates"


def test_predictions_are_drawn_by_a_generator_of_their_own_that_is_saved(tmp_path: Any) -> None:
    agent = make(CASES["ppo continuous"])
    obs = np.zeros((2, 3), np.float32)
    training = agent.generator.get_state()
    agent.predict(obs)
    assert torch.equal(agent.generator.get_state(), training)
    agent.save(tmp_path / "agent.zip")
    again = type(agent).load(tmp_path / "agent.zip", "Pendulum-v1")
    np.testing.assert_array_equal(again.predict(obs)[0], agent.predict(obs)[0])
    assert not np.array_equal(again.predict(obs)[0], again.predict(obs)[0])


def test_adversarial_reward_and_experts_of_stable_baselines3(tmp_path: Any) -> None:
    import stable_baselines3 as sb3

    from lhy_rl.agents.adversarial.sb3_vec_reward import AdversarialReward
    from lhy_rl.interop.sb3 import load_expert, to_sb3

    model = sb3.PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8)
    model.save(tmp_path / "ppo.zip")
    before = global_states()
    single = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": "SameStep"}}
    envs = to_sb3(gymnasium.make_vec("CartPole-v1", num_envs=2, **single))
    rewarded = AdversarialReward(
        envs, "cartpole-expert", trajectories=1, n_steps=4, discriminator_dropout=0.5, discriminator_hidden_size=4
    )
    obs = rewarded.reset()
    for _ in range(8):
        obs, *_ = rewarded.step(np.ones(2, int))
    assert rewarded.metrics
    expert = load_expert(tmp_path / "ppo.zip", "CartPole-v1")
    expert.predict(obs)
    assert global_states() == before
