"""Every kind of agent is diagnosed by its own loss, a run by the command, and the report shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import torch

from lhy_rl.agents import A2C, BC, GAIL, MLE, PPO, DAgger, Distill, Reinforce
from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.diagnostics.agent_losses import subject_of
from lhy_rl.diagnostics.diagnose import DiagnosisOptions, diagnose
from lhy_rl.diagnostics.loss_examples import PolicySubject
from lhy_rl.diagnostics.memorization import memorization
from lhy_rl.functional.policy_gradient import masked_mean
from lhy_rl.nn.decoding import nll_per_token
from tests.agents.small_envs import Parrot
from tests.agents.tiny import make_env

TINY: dict[str, Any] = {"num_envs": 4, "embedding_size": 8, "hidden_size": 8, "seed": 1}
SMALL: dict[str, Any] = {"embedding_size": 8, "hidden_size": 8, "seed": 1}
PLAYED = TINY | {"n_steps": 8}
ROUNDS = PLAYED | {"gradient_steps": 3, "first_gradient_steps": 3}
SHOWN = TINY | {"demonstrations": "cartpole-expert", "trajectories": 6, "gradient_steps": 3}
POINTER = TINY | {"core": None, "head": "pointer", "source_encoder": "transformer", "critic": "none", "hidden_size": 16}
TEXT = {"train_size": 64, "validation_size": 16}
AGENTS: dict[str, tuple[Callable[[], Any], int]] = {
    "ppo": (lambda: PPO("CartPole-v1", **PLAYED), 64),
    "ppo gru": (lambda: PPO("lhy_rl/RepeatPrevious-v0", core="gru", normalize_rewards=True, **PLAYED), 64),
    "ppo image": (lambda: PPO(lambda: Parrot("image"), critic="shared", **PLAYED), 64),
    "ppo masked": (lambda: PPO(lambda: Parrot(masked=True), **PLAYED), 64),
    "a2c continuous": (lambda: A2C("Pendulum-v1", normalize_observations=True, **PLAYED), 64),
    "reinforce": (lambda: Reinforce(lambda: Parrot(), core="lstm", **TINY), 64),
    "reinforce critic": (lambda: Reinforce(lambda: Parrot(), core=None, baseline="critic", **TINY), 64),
    "reinforce pointer": (lambda: Reinforce("lhy_rl/Tour-v0", **POINTER), 64),
    "bc": (lambda: BC("CartPole-v1", **SHOWN), 300),
    "bc continuous": (lambda: BC("Pendulum-v1", **SHOWN | {"demonstrations": "pendulum-expert"}), 300),
    "bc gru": (lambda: BC("Pendulum-v1", core="gru", **SHOWN | {"demonstrations": "pendulum-expert"}), 300),
    "dagger": (lambda: DAgger("CartPole-v1", **ROUNDS), 64),
    "distill": (lambda: Distill("CartPole-v1", teacher=PPO("CartPole-v1", **PLAYED), temperature=2.0, **ROUNDS), 64),
    "mle": (lambda: MLE(make_env(4, **TEXT), gradient_steps=2, embedding_size=8, hidden_size=8), 64),
    "gail": (lambda: GAIL("CartPole-v1", **PLAYED | {"demonstrations": "cartpole-expert"}), 64),
}


def diagnosed(name: str) -> tuple[PolicySubject, torch.Tensor]:
    make, steps = AGENTS[name]
    agent, begun = make(), make()
    agent.learn(steps)
    initial = torch.cat([p.detach().flatten() for p in begun.policy.parameters()])
    return subject_of(agent, 64, torch.Generator().manual_seed(0)), initial


@pytest.mark.parametrize("name", AGENTS)
def test_every_kind_of_agent(name: str) -> None:
    subject, initial = diagnosed(name)
    before = subject.weights()
    options = DiagnosisOptions(steps=64, products=6, batches=4, plane=3, memorization_steps=20)
    found = diagnose(subject, initial, options)
    assert torch.equal(subject.weights(), before)
    assert all(torch.isfinite(torch.tensor(value)) for name, value in found.numbers.items() if name[0] != "g")
    assert [figure.title for figure in found.figures] == ["The loss on a line", "The loss on a plane", "Layers"]
    (place, losses) = found.figures[0].series["loss"]  # type: ignore[attr-defined]
    assert losses[place == 1.0] == pytest.approx(found.numbers["loss"])
    assert losses[place == 0.0] == pytest.approx(found.numbers["loss at the other weights"])
    assert {fit.labels for fit in found.fits} == {"true", "random"}
    gradient = subject.gradient()
    downhill = subject.losses(torch.stack([before, before - 1e-4 * gradient / gradient.norm()]))
    assert downhill[0] - downhill[1] == pytest.approx(1e-4 * gradient.norm().item(), rel=0.05)


def test_the_loss_of_ppo_is_the_policy_gradients_where_it_played() -> None:
    agent = PPO("CartPole-v1", value_coef=0.0, **PLAYED)
    subject = subject_of(agent, 64, torch.Generator().manual_seed(0))
    x, policy = subject.examples, subject.policy
    log_prob = policy.evaluate(x.obs, x.actions, x.state, x.start).log_prob
    by_hand = -masked_mean(log_prob * x.others["advantages"], x.valid)
    parameters = list(policy.parameters())
    gradients = torch.autograd.grad(by_hand, parameters, allow_unused=True)
    flat = torch.cat(
        [(torch.zeros_like(p) if g is None else g).flatten() for p, g in zip(parameters, gradients, strict=True)]
    )
    torch.testing.assert_close(subject.gradient(), flat, atol=1e-6, rtol=1e-4)


def test_the_loss_of_imitation_is_the_agents_own() -> None:
    agent = BC("CartPole-v1", held_out=0.0, **SHOWN).learn(300)
    rows = agent.dataset.labelled_rows
    with torch.no_grad():
        own = float(agent.batch_loss(agent.features(agent.dataset, rows))[0])
    assert float(subject_of(agent, 10**6, torch.Generator()).loss(None).detach()) == pytest.approx(own, rel=1e-5)


def test_the_loss_of_reinforce_has_all_its_terms() -> None:
    coefs = {"entropy_coef": 0.2, "kl_coef": 0.3, "likelihood_coef": 0.4}
    agent = Reinforce(make_env(4, **TEXT), pretrain_epochs=1, baseline="none", learning_rate=0.1, **coefs, **SMALL)
    agent.learn(300)
    subject = subject_of(agent, 10**6, torch.Generator().manual_seed(0))
    x, policy = subject.examples, subject.policy
    log_probs = policy.evaluate(x.obs, x.actions, x.state, x.start, all_actions=True).log_probs
    assert log_probs is not None
    chosen = log_probs.gather(-1, x.actions[..., None])[..., 0]
    divergence = (log_probs.exp() * (log_probs - x.others["reference"])).sum(-1)
    entropy = -(log_probs.exp() * log_probs).sum(-1)
    played = -chosen * x.others["advantages"] - 0.2 * entropy + 0.3 * divergence
    by_hand = masked_mean(played, x.valid) + 0.4 * nll_per_token(policy, agent.task.sequences("train"), agent.task)
    assert masked_mean(divergence, x.valid).item() > 0.01
    assert subject.loss(None).item() == pytest.approx(by_hand.item(), rel=1e-6)


def test_the_loss_of_a_pretraining_is_the_likelihoods() -> None:
    agent = Reinforce(make_env(4, **TEXT), pretrain_epochs=100, kl_coef=0.3, **SMALL)
    agent.learn(1, callback=lambda *_: False)
    assert subject_of(agent, 64, torch.Generator()).what == "negative log-likelihood of training sentences"


@pytest.mark.parametrize("penalty", ["none", "coverage"])
def test_the_loss_of_likelihood_is_the_agents_own(penalty: str) -> None:
    options = {"attention_penalty": penalty, "attention_penalty_coef": 3.0, "batch_size": 64, "gradient_steps": 1}
    env = gymnasium.make_vec("lhy_rl/CopySummary-v0", num_envs=2, events=1, reports=20)
    agent = MLE(env, **options, **SMALL).learn(1)
    agent.policy.eval()
    own, _ = agent.likelihood.loss()
    if penalty == "coverage":
        own = own + 3 * agent.likelihood.penalty(*agent.likelihood._evaluated)
    found = subject_of(agent, 10**6, torch.Generator().manual_seed(0)).loss(None)
    assert found.item() == pytest.approx(own.item(), rel=1e-5)


def test_true_labels_generalize_and_random_ones_are_chance() -> None:
    agent = BC("CartPole-v1", **SHOWN | {"embedding_size": 64}).learn(300)
    subject = subject_of(agent, 400, torch.Generator().manual_seed(0))
    initial = torch.randn(len(subject.weights()), generator=torch.Generator().manual_seed(0)) * 0.1
    true, random = memorization(subject, initial, 400, 1e-2, torch.Generator().manual_seed(0))
    assert true.learned > 0.98 and true.held_out > random.held_out + 0.15
    assert random.held_out < 0.6


def test_who_cannot_be_diagnosed() -> None:
    with pytest.raises(UserError, match="object's loss is not known here; agents that can be diagnosed: ppo, a2c"):
        subject_of(object(), 10, torch.Generator())
    with pytest.raises(UserError, match="has no data"):
        subject_of(BC("CartPole-v1", **TINY), 10, torch.Generator())


def test_the_command_writes_numbers_pictures_and_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--agent.n_steps", "16", "--agent.embedding_size", "8", "--run.tracker", "none"]
    options += ["--total_timesteps", "256", "--run.evaluation_episodes", "2", "--run.evaluation_interval", "1"]
    assert main(["train", "ppo/cartpole", *options, "--run.folder", "run"]) == 0
    small = ["--steps", "64", "--products", "5", "--plane", "3", "--memorization-steps", "10"]
    assert main(["diagnose", "run", *small, "--from", "run/checkpoints/best.zip"]) == 0
    shown = capsys.readouterr().out
    assert "1. greatest eigenvalue" in shown and "trunk.encoder.layers.1" in shown and "random" in shown
    numbers = json.loads(Path("run/diagnosis.json").read_text())
    assert 100 < numbers["numbers"]["examples"] <= 128, "of 8 instances, 16 steps each"
    page = Path("run/report.html").read_text()
    assert "<h2>The loss on a plane</h2>" in page and "<h2>Layers</h2>" in page
    assert main(["report", "run"]) == 0
    assert "<h2>The loss on a plane</h2>" in Path("run/report.html").read_text(), "it stays"
    capsys.readouterr()
    assert main(["diagnose", "run", "--plane", "2"]) == 2
    assert "--plane is 2" in capsys.readouterr().err
    assert main(["diagnose", "nowhere"]) == 2
