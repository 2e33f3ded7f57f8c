"""A discriminator of replies learns with the policy: it tells people's from a policy's, and rewards what passes."""

from __future__ import annotations

from typing import Any

import gymnasium
import pytest
import torch

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import Reinforce
from lhy_rl.agents.rewards.reply_discriminator import ReplyDiscriminator
from lhy_rl.core.errors import UserError
from lhy_rl.nn.discriminators.sequence import RecurrentDiscriminator

SIZES: dict[str, Any] = {"core": "gru", "hidden_size": 16, "embedding_size": 16, "source_encoder": "mean"}


def made(model: Any, n: int = 32) -> Reinforce:
    env = gymnasium.make_vec(
        "lhy_rl/ChatReply-v0", num_envs=n, corpus="chatterbot-english", vocabulary_size=200, max_length=8,
        drop_unknown=False, turn_length=10, context_turns=1, reward="none",
    )  # fmt: skip
    return Reinforce(env, seed=0, critic="none", reward_model=model, attention="none", learning_rate=0.01, **SIZES)


def updated(agent: Reinforce) -> dict[str, float]:
    """One update as ``learn`` makes it, with the agent's own random numbers."""
    with agent.randomness():
        return agent.update()


def test_it_tells_people_from_a_policy_that_knows_nothing() -> None:
    model = ReplyDiscriminator(steps=3, learning_rate=0.003)
    agent = made(model)
    accuracies = [updated(agent)["train/discriminator_accuracy"] for _ in range(8)]
    assert accuracies[0] < 0.75 and accuracies[-1] > 0.85
    people = model._people(*[model._draw(200)] * 2)
    strays = model._people(model._draw(200), model._draw(200))
    with torch.no_grad():
        model.network.eval()
        assert model._final(*people).mean() > model._final(*strays).mean()


def test_it_draws_nothing_from_torchs_own_generator() -> None:
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        agent = made(ReplyDiscriminator(steps=1), 8)
        found.append(updated(agent)["train/discriminator_loss"])
        assert torch.equal(torch.get_rng_state(), before)
    assert found[0] == found[1]


def test_token_rewards_are_the_end_reward_less_what_the_context_is_worth() -> None:
    agent = made(ReplyDiscriminator(), 16)
    agent.update()
    episodes, model = agent.collect(3), agent.reward_model
    assert isinstance(model, ReplyDiscriminator)
    potentials = model.potentials(episodes)
    model.relabel(episodes)
    ends = episodes.rewards.sum(0)
    assert ((episodes.rewards != 0).sum(0) == 1).all()
    model.reward_at = "token"
    model.relabel(episodes)
    torch.testing.assert_close(episodes.rewards.sum(0), ends - potentials[0])
    assert ((episodes.rewards != 0).sum(0) > 1).any()
    # the network reads the context and then the reply, without pads between them
    tokens, lengths, begins = model._written(episodes)
    assert (tokens[0, : begins[0]] == episodes.obs["source"][0, 0, : begins[0]]).all()
    assert (tokens[0, begins[0] : lengths[0]] == episodes.actions[: lengths[0] - begins[0], 0]).all()


def test_a_policy_learns_from_it_and_goes_on_from_a_file(tmp_path: Any) -> None:
    place = "lhy_rl.agents.rewards.reply_discriminator:ReplyDiscriminator"
    agent = made(place)
    returns = [agent.update()["rollout/ep_rew_mean"] for _ in range(3)]
    assert isinstance(agent.reward_model, ReplyDiscriminator)
    agent.save(tmp_path / "agent.zip")
    again = Reinforce.load(tmp_path / "agent.zip", agent.env, reward_model=ReplyDiscriminator())
    assert isinstance(again.reward_model, ReplyDiscriminator) and again.reward_model.num_steps == 3
    agent.learn(200, reset_num_timesteps=False)
    again.learn(200, reset_num_timesteps=False)
    for key, weight in agent.reward_model.network.state_dict().items():
        torch.testing.assert_close(again.reward_model.network.state_dict()[key], weight)
    assert again.reward_model.num_steps == agent.reward_model.num_steps > 3 and len(set(returns)) == 3


def test_bad_options_are_one_line() -> None:
    for options, message in (
        ({"reward_at": "tokne"}, "did you mean 'token'"),
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": -1}, "learning_rate is -1"),
    ):
        with pytest.raises(UserError, match=message):
            ReplyDiscriminator(**options)  # type: ignore[arg-type]
    env = gymnasium.make_vec("lhy_rl/CorpusText-v0", num_envs=2, corpus="chatterbot-english", max_length=8)
    with pytest.raises(UserError, match="needs a task with contexts to reply to"):
        Reinforce(env, reward_model=ReplyDiscriminator())
    with pytest.raises(UserError, match="do not fit together"):
        made(ReplyDiscriminator(objective="ebgan"))


def test_a_gradient_penalty_is_taken_where_the_objective_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    penalty = RecurrentDiscriminator.penalty
    monkeypatch.setattr(
        RecurrentDiscriminator,
        "penalty",
        lambda *given: taken.append(1) or penalty(*given),  # type: ignore[func-returns-value]
    )
    for objective, times in (("wgan_gp", 2), ("gan", 0)):
        taken.clear()
        updated(made(ReplyDiscriminator(steps=2, objective=objective), 4))
        assert len(taken) == times


def test_with_one_reply_at_a_time_nobodys_own_context_counts_as_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ReplyDiscriminator(steps=1)
    agent, pairs = made(model, 1), []
    people = ReplyDiscriminator._people
    monkeypatch.setattr(ReplyDiscriminator, "_people", lambda self, a, b: pairs.append((a, b)) or people(self, a, b))  # type: ignore[func-returns-value]
    updated(agent)
    (drawn, same), (stray, others) = pairs
    assert (drawn == same).all() and (stray != others).any()
