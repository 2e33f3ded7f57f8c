"""A student learns its teacher's probabilities: ours or SB3's, of every kind of action, saved and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3 as sb3
import torch

import lhy_rl
from lhy_rl.agents import A2C, PPO, Distill
from lhy_rl.agents.supervised.labelled_steps import LabelledSteps
from lhy_rl.agents.supervised.teachers import AgentTeacher, SB3Teacher, teacher_for
from lhy_rl.core.errors import UserError
from lhy_rl.rollouts.vector_envs import make_vector_env
from tests.agents.small_envs import Parrot
from tests.agents.supervised.test_contract_bc import demonstrations

SMALL: dict[str, Any] = {"embedding_size": 16, "hidden_size": 16, "n_steps": 8, "gradient_steps": 5, "batch_size": 16}
SMALL |= {"num_envs": 3, "seed": 0, "first_gradient_steps": 5}
TINY: dict[str, Any] = {"embedding_size": 8, "hidden_size": 8, "num_envs": 2, "seed": 5}


@pytest.mark.parametrize("observation", ["box", "dict"])
@pytest.mark.parametrize("action", ["discrete", "multi", "bits", "box"])
@pytest.mark.parametrize("core", [None, "gru"])
def test_every_space(observation: str, action: str, core: str | None) -> None:
    teacher = PPO(lambda: Parrot(observation, action), core=core, **TINY)
    agent = Distill(lambda: Parrot(observation, action), teacher=teacher, core=core, temperature=2.0, **SMALL)
    kls: list[float] = []
    agent.learn(96, callback=lambda agent, metrics: kls.append(metrics["train/teacher_kl"]))
    assert agent.labels == 96 == agent.num_timesteps
    assert np.isfinite(kls).all() and min(kls) > -1e-5
    one = Parrot(observation, action)
    assert agent.predict(one.reset(seed=0)[0], deterministic=True)[0] in one.action_space


@pytest.mark.parametrize("action", ["discrete", "multi", "box"])
def test_a_student_becomes_its_teacher(action: str) -> None:
    """Also where the teacher draws: the distribution is learned, and not the draws."""
    teacher = PPO(lambda: Parrot("box", action), log_std_init=-0.7 * (action == "box"), orthogonal=False, **TINY)
    options = SMALL | {"gradient_steps": 150, "learning_rate": 0.01}
    agent = Distill(lambda: Parrot("box", action), teacher=teacher, teacher_stochastic=True, beta="always", **options)
    agent.learn(72)
    states = torch.eye(4)
    with torch.no_grad():
        p = teacher.policy.actor.distribution(teacher.policy.step(states, ())[0])
        q = agent.policy.actor.distribution(agent.policy.step(agent.normalized(states), ())[0])
    if action == "discrete":
        p, q = p.softmax(-1), q.softmax(-1)
    if action == "multi":
        p, q = (torch.cat([x[:, :4].softmax(-1), x[:, 4:].softmax(-1)], 1) for x in (p, q))
    torch.testing.assert_close(q, p, atol=0.03, rtol=0)


def test_hard_labels_alone_are_cloning() -> None:
    teacher = A2C(lambda: Parrot(), orthogonal=False, **TINY)
    agent = Distill(lambda: Parrot(), teacher=teacher, label_weight=1.0, **SMALL).learn(24)
    batch = agent.features(agent.dataset, torch.arange(10))
    loss, _ = agent.batch_loss(batch)
    torch.testing.assert_close(loss, -agent.policy.actor.log_prob(batch.features, batch.actions).mean())
    assert batch.targets is not None
    assert (batch.targets.argmax(-1) + 3 == batch.actions).all(), "greedy"


@pytest.mark.parametrize("core", [None, "gru"])
def test_illegal_actions_are_neither_taught_nor_labels(core: str | None) -> None:
    teacher = PPO(lambda: Parrot(masked=True), core=core, **TINY)
    agent = Distill(lambda: Parrot(masked=True), teacher=teacher, teacher_stochastic=True, core=core, **SMALL)
    agent.learn(48)
    (piece, *_), first = agent.pieces, agent.pieces[0].targets
    assert first is not None
    illegal = (piece.obs.argmax(-1) + 1) % 4
    assert (first == -torch.inf).sum(-1).eq(1).all() and (first.argmin(-1) == illegal).all()
    assert (piece.actions - 3 != illegal).all()


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_a_teacher_with_a_memory_is_asked_in_the_order_of_time(mode: str) -> None:
    envs = {"num_envs": 3, "autoreset_mode": mode}
    env = "lhy_rl/RepeatPrevious-v0"
    teacher = PPO(gymnasium.make_vec(env, **envs), core="lstm", orthogonal=False, **{**TINY, "num_envs": 3})
    agent = Distill(gymnasium.make_vec(env, **envs), teacher=teacher, **SMALL).learn(48)
    steps = LabelledSteps.of_rounds(agent.pieces)
    if mode == "SameStep":
        torch.testing.assert_close(agent.expert.of_steps(steps), steps.targets)
    policy = teacher.policy
    blocks = [torch.cat([getattr(piece, name) for piece in agent.pieces]) for name in ("obs", "start", "labelled")]
    with torch.no_grad():
        h, _ = policy.trunk(blocks[0], policy.trunk.initial_state(3), blocks[1])
        found = policy.actor.distribution(h)
    targets = torch.cat([piece.targets for piece in agent.pieces if piece.targets is not None])
    torch.testing.assert_close(found[blocks[2]], targets[blocks[2]], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("core", [None, "gru"])
def test_a_resumed_training_is_the_one_that_was_never_stopped(core: str | None, tmp_path: Path) -> None:
    teacher = PPO("lhy_rl/RepeatPrevious-v0", core=core, **TINY)
    options = SMALL | {"teacher": teacher, "core": core, "teacher_stochastic": True, "beta": "linear"}
    whole = Distill("lhy_rl/RepeatPrevious-v0", **options).learn(144)
    begun = Distill("lhy_rl/RepeatPrevious-v0", **options)
    begun.learn(144, callback=lambda agent, _: agent.num_timesteps < 48)
    begun.save(tmp_path / "half.zip")
    resumed = Distill.load(tmp_path / "half.zip", teacher=teacher)
    resumed.learn(96, reset_num_timesteps=False)
    for p, q in zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(p, q)


def test_demonstrations_are_learned_with_the_teachers_probabilities() -> None:
    teacher = PPO(lambda: Parrot(), core="gru", **TINY)
    shown = demonstrations()
    agent = Distill(lambda: Parrot(), teacher=teacher, demonstrations=shown, **SMALL)
    assert agent.demonstrated is not None and agent.demonstrated.targets is not None
    episode = shown.episodes[1]
    state = None
    rows = len(shown.episodes[0]), len(shown.episodes[0]) + len(episode)
    for t, row in enumerate(range(*rows)):
        h, state = teacher.policy.step(
            torch.as_tensor(episode.observations[t])[None], teacher.policy.initial_state(1) if state is None else state
        )
        torch.testing.assert_close(agent.demonstrated.targets[row], teacher.policy.actor.distribution(h)[0])
    agent.learn(24)


MODELS = {
    "ppo": (sb3.PPO, "CartPole-v1", {"n_steps": 8, "batch_size": 8}),
    "gaussian": (sb3.A2C, "Pendulum-v1", {}),
    "sde": (sb3.A2C, "Pendulum-v1", {"use_sde": True}),
    "dqn": (sb3.DQN, "CartPole-v1", {}),
}


@pytest.mark.parametrize("name", MODELS)
def test_teachers_of_stable_baselines3(name: str, tmp_path: Path) -> None:
    kind, env, options = MODELS[name]
    model = kind("MlpPolicy", env, seed=0, policy_kwargs={"net_arch": [8]}, **options)
    agent = Distill(env, teacher=model, **SMALL)
    obs = np.random.default_rng(0).normal(size=(3, *agent.env.single_observation_space.shape)).astype(np.float32)
    found = agent.expert.distribution(obs, np.ones(3, bool))
    actions, _ = model.predict(obs, deterministic=True)
    np.testing.assert_allclose(agent.expert.choose(found, torch.zeros(3, agent.policy.actor.num_logits)), actions, 1e-5)
    agent.learn(24)
    if name != "sde":
        model.save(tmp_path / "model.zip")
        again = Distill(env, teacher=tmp_path / "model.zip", **SMALL)
        torch.testing.assert_close(again.expert.distribution(obs, np.ones(3, bool)), found)


def test_a_recurrent_teacher_of_sb3_contrib_remembers_and_forgets() -> None:
    contrib = pytest.importorskip("sb3_contrib")
    kwargs = {"net_arch": [8], "lstm_hidden_size": 6}
    model = contrib.RecurrentPPO("MlpLstmPolicy", "CartPole-v1", n_steps=8, batch_size=8, seed=0, policy_kwargs=kwargs)
    agent = Distill("CartPole-v1", teacher=model, **SMALL)
    assert isinstance(agent.expert, SB3Teacher)
    obs, starts = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32), [True, False, True]
    first, second, third = (agent.expert.distribution(o, np.full(2, s)) for o, s in zip(obs, starts, strict=True))
    state = None
    for found, o, start in zip((first, second, third), obs, starts, strict=True):
        actions, state = model.predict(o, state, np.full(2, start), deterministic=True)
        np.testing.assert_array_equal(found.argmax(-1), actions)
    again = agent.expert.distribution(obs[1], np.ones(2, bool))
    assert not torch.equal(again, second)
    agent.expert.state = None
    agent.learn(24)


def test_who_is_a_teacher(tmp_path: Path) -> None:
    env = make_vector_env("CartPole-v1", 2)
    head = PPO("CartPole-v1", **TINY).policy.actor
    PPO("CartPole-v1", **TINY).save(tmp_path / "ppo.zip")
    assert isinstance(teacher_for(str(tmp_path / "ppo.zip"), head, env), AgentTeacher)
    with pytest.raises(UserError, match="there is no teacher 'nowhere'; train it first, or give another: the path"):
        Distill("CartPole-v1", teacher="nowhere")
    with pytest.raises(UserError, match="7 is not a teacher; allowed"):
        Distill("CartPole-v1", teacher=7)
    with pytest.raises(UserError, match=r"the teacher's actions are Discrete\(2\), not Box"):
        Distill("Pendulum-v1", teacher=PPO("CartPole-v1", **TINY))
    with pytest.raises(UserError, match=r"SAC.* has no categorical or Gaussian distribution"):
        Distill("Pendulum-v1", teacher=sb3.SAC("MlpPolicy", "Pendulum-v1"), **SMALL).learn(24)
    with pytest.raises(UserError, match="temperature is 0"):
        Distill("CartPole-v1", temperature=0.0)
    with pytest.raises(UserError, match="label_weight is 2"):
        Distill("CartPole-v1", label_weight=2.0)
    with pytest.raises(UserError, match="distill needs a teacher"):
        Distill("CartPole-v1", **SMALL).learn(10)


def test_a_loaded_student_acts_without_its_teacher(tmp_path: Path) -> None:
    place = tmp_path / "teacher.zip"
    PPO("CartPole-v1", **TINY).save(place)
    Distill("CartPole-v1", teacher=str(place), **SMALL).learn(24).save(tmp_path / "student.zip")
    place.unlink()
    student: Any = lhy_rl.load(tmp_path / "student.zip")
    assert student.predict(np.zeros(4, np.float32))[0] in (0, 1)
    with pytest.raises(UserError, match="distill needs a teacher"):
        student.learn(24)
