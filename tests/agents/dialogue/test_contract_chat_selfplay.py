"""Self-play in dialogues: a bot reads what was said anew for each of its utterances, in play and in learning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lhy_rl.agents.dialogue.self_play import SelfPlay
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SOURCE, TOKEN
from lhy_rl.envs.dialogue.chat_selfplay import ChatSelfplay
from lhy_rl.rollouts.self_play import play_games

SIZES: dict[str, Any] = {"core": "gru", "hidden_size": 16, "embedding_size": 16, "critic": "shared"}


def made(reward: str, **options: Any) -> SelfPlay:
    game = ChatSelfplay(reward, corpus="chatterbot-english", vocabulary_size=200, max_length=5, max_turns=4)
    return SelfPlay(game, n_games=8, seed=0, n_epochs=1, **SIZES, **options)


def test_what_was_played_is_what_is_learned_from() -> None:
    """The log-probabilities of a rollout's actions, read in one block, are those with which they were drawn."""
    agent = made(reward="none")
    agent.learner.policy.eval()
    played = play_games(agent.games, 8, agent.players(), np.zeros((8, 2), np.int64))
    start = agent.learner.env.single_observation_space[TOKEN].n - 2
    np.testing.assert_array_equal(played.renewed, played.obs[TOKEN] == start)
    assert played.renewed.sum() > 2 * played.first.sum() * 0.8 and played.renewed[played.first].all()
    policy = agent.learner.policy
    rollout = played.rollout(np.ones(len(played.actions), bool), policy)
    obs = {key: x[:-1] for key, x in rollout.obs.items()}
    block = policy.evaluate(
        obs, rollout.actions, rollout.state, rollout.start[:-1], rollout.valid, action_mask=rollout.action_mask
    ).log_prob
    valid, begins = rollout.valid, rollout.start[:-1]
    for column in range(valid.shape[1]):
        state: Any = ()
        for t in range(int(valid[:, column].sum())):
            one = {key: x[t : t + 1, column : column + 1] for key, x in obs.items()}
            if begins[t, column]:  # an utterance alone, with nothing before it
                state = policy.initial_state(1)
            mask = None if rollout.action_mask is None else rollout.action_mask[t : t + 1, column : column + 1]
            alone = policy.evaluate(
                one, rollout.actions[t : t + 1, column : column + 1], state, begins[t : t + 1, column : column + 1],
                action_mask=mask,
            )  # fmt: skip
            state = alone.state
            torch.testing.assert_close(alone.log_prob[0, 0], block[t, column], rtol=1e-4, atol=1e-5)
        if column > 2:
            break


def test_it_learns_and_later_utterances_count() -> None:
    agent = made(reward="length")
    for _ in range(2):
        metrics = agent.update()
    assert metrics["game/turns"] > 1 and metrics["game/dull"] <= 1
    evaluated = agent.evaluate(20)
    assert {"turns", "dull", "repeated"} <= evaluated.keys()


def test_sources_change_between_utterances() -> None:
    agent = made(reward="none")
    played = play_games(agent.games, 4, agent.players(), np.zeros((4, 2), np.int64))
    for game in range(4):
        mine = (played.game == game) & (played.player == 0)
        utterance = np.cumsum(played.renewed[mine])
        sources = played.obs[SOURCE][mine]
        for number in range(1, utterance.max() + 1):
            rows = sources[utterance == number]
            assert (rows == rows[0]).all()
        if utterance.max() > 1:
            assert (sources[utterance == 1][0] != sources[utterance == 2][0]).any()


def test_people_are_imitated() -> None:
    """What people replied is learned from token by token, and its likelihood rises."""
    agent = made(
        reward="none", demonstrations="people", imitation_updates=30, imitation_games=16, imitation_learning_rate=0.02
    )
    game = agent.games.batched
    assert isinstance(game, ChatSelfplay)
    people, pairs = game.demonstrations(), game.data.pairs["train"]
    assert len(people) == len(pairs) and people.lengths.tolist() == pairs.lengths.tolist()
    last = people.episodes[3]
    np.testing.assert_array_equal(last.observations[TOKEN][1:], last.actions)
    np.testing.assert_array_equal(last.actions, pairs.tokens[3, : pairs.lengths[3]])
    losses = [agent.update()["train/imitation_loss"] for _ in range(30)]
    assert agent.phase == "training" and np.mean(losses[-5:]) < 0.8 * losses[0]
    assert agent.learner.optimizer.param_groups[0]["lr"] == agent.learner.learning_rate
    with pytest.raises(
        UserError, match="referential_v0 has no recorded human games; give demonstrations, or the name of a player"
    ):
        SelfPlay("lhy_rl/referential_v0", demonstrations="people")


def test_the_rules_change_as_the_curriculum_says() -> None:
    agent = made(reward="none", curriculum={"max_turns": [1, 3]})
    game = agent.games.batched
    assert isinstance(game, ChatSelfplay) and game.max_turns == 1
    lengths = []
    for share in (0.0, 0.49, 0.5, 1.0):
        agent.learner.num_timesteps, agent.learner.total_timesteps = int(share * 100), 100
        agent.update()
        lengths.append(game.max_turns)
    assert lengths == [1, 1, 3, 3]
    for wrong, message in (
        ({"max_turns": [2, 9]}, "max_turns=9 is not allowed; must be a whole number from 1 to 8"),
        ({"max_turns": 3}, "curriculum of max_turns is 3; allowed: a list"),
        ({"turns": [2]}, "has no 'turns' that may change between games"),
    ):
        with pytest.raises(UserError, match=message):
            made(reward="none", curriculum=wrong)


def test_moves_are_learned_from_as_they_were_drawn() -> None:
    """Dropout is of the supervised steps alone: with it the first ratio of PPO would be noise."""
    agent = made(reward="length", dropout=0.5)
    assert agent.update()["train/clip_fraction"] == 0
    assert agent.learner.policy.trunk.dropout.p == 0.5


def test_a_loaded_agent_plays_by_the_present_stage_of_its_curriculum() -> None:
    agent = made(reward="none", curriculum={"max_turns": [1, 3]})
    agent.learner.num_timesteps, agent.learner.total_timesteps = 60, 100
    again = made(reward="none", curriculum={"max_turns": [1, 3]})
    again.load_state_dict(agent.state_dict())
    assert isinstance(again.games.batched, ChatSelfplay) and again.games.batched.max_turns == 3
