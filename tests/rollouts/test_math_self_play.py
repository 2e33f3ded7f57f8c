"""Each player's own moves, and what it got until its next one, against games stepped by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lhy_rl.envs.dialogue.negotiation import ILLEGAL, Negotiation
from lhy_rl.envs.game import GameBatch
from lhy_rl.envs.game_pettingzoo import GameAEC, GameParallel
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.games import BatchedGames, Games
from lhy_rl.rollouts.pettingzoo_games import PettingZooGames
from lhy_rl.rollouts.self_play import PolicyPlayer, RandomPlayer, ScriptedPlayer, place, play_games
from tests.agents.small_games import Nim, Pennies


def policy_for(games: Games, **options: Any) -> ActorCritic:
    torch.manual_seed(0)
    return ActorCritic(games.single_observation_space, games.single_action_space, **{"core": None, **options})


class Taking:
    """Takes what a list says, move after move of a game."""

    def __init__(self, moves: list[int]) -> None:
        self.moves = moves

    def begin(self, count: int, players: int) -> None:
        self.made = np.zeros(count, int)

    def act(self, games: Games, rows: np.ndarray, obs: Any, mask: Any) -> np.ndarray:
        game = games.turn.game[rows]
        actions = np.array(self.moves)[self.made[game]]
        self.made[game] += 1
        return actions


def test_nim_by_hand():
    games = BatchedGames(Nim(5))
    played = play_games(games, 2, [Taking([1, 1, 0])], np.zeros((2, 2), int))  # 5, 3, 1: player 0 takes the last one
    np.testing.assert_array_equal(played.game, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(played.player, [0, 0, 1, 0, 0, 1])
    np.testing.assert_array_equal(played.actions, [1, 0, 1, 1, 0, 1])
    np.testing.assert_array_equal(played.obs.argmax(1), [5, 1, 3, 5, 1, 3])
    np.testing.assert_array_equal(played.rewards, [0, 1, -1, 0, 1, -1])  # the loser's last move is charged
    np.testing.assert_array_equal(played.first, [True, False, True] * 2)
    np.testing.assert_array_equal(played.action_mask[:3], [[1, 1, 1], [1, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(played.scores, [[1, -1], [1, -1]])
    np.testing.assert_array_equal(played.first_mover, [0, 0])
    np.testing.assert_array_equal(played.final_info["won"], [[1, 0], [1, 0]])
    assert games.transcripts() == ["0 left", "0 left"]


def test_a_game_that_ends_before_a_player_moved_leaves_it_a_score_and_no_move():
    played = play_games(BatchedGames(Nim(2)), 1, [Taking([1])], np.zeros((1, 2), int))
    assert len(played.actions) == 1
    np.testing.assert_array_equal(played.scores, [[1, -1]])


def test_own_moves_equal_a_batch_stepped_by_hand():
    """Illegal moves cost at once, the deal is worth something to both: neither may land on another's move."""
    game, n, draw = Negotiation("selfish", max_moves=6), 40, np.random.default_rng(3)
    script = np.where(draw.random((n, 6)) < 0.4, 120, draw.integers(0, 30, (n, 6)))
    games = BatchedGames(game)
    games.seed(7)

    class Scripted(Taking):
        def act(self, games: Games, rows: np.ndarray, obs: Any, mask: Any) -> np.ndarray:
            number = games.turn.game[rows]
            actions = script[number, self.made[number]]
            self.made[number] += 1
            return actions

    played = play_games(games, n, [Scripted([])], np.zeros((n, 2), int))
    batch = GameBatch(game, n, autoreset=True)
    batch.adopt(np.random.default_rng(7))
    obs = batch.reset()
    got: dict[tuple[int, int], list[list[float]]] = {}
    observed: dict[tuple[int, int], list[np.ndarray]] = {}
    going = np.ones(n, bool)
    for t in range(6):
        mover = batch.to_move.copy()
        for i in np.flatnonzero(going):
            got.setdefault((i, mover[i]), []).append([])
            observed.setdefault((i, mover[i]), []).append(obs["observation"][i])
        obs, rewards, over, _ = batch.step(script[:, t])
        for i in np.flatnonzero(going):
            for player in range(2):
                if (i, player) in got:
                    got[i, player][-1].append(rewards[i, player])
        going &= ~over
    assert not going.any()
    expected = [sum(move) for key in sorted(got) for move in got[key]]
    np.testing.assert_allclose(played.rewards, expected, atol=1e-12)
    assert (played.rewards == ILLEGAL).any()
    assert (played.rewards > 0).any()
    np.testing.assert_array_equal(played.obs, [x for key in sorted(observed) for x in observed[key]])


@pytest.mark.parametrize("view", [GameAEC, GameParallel])
def test_pettingzoos_games_are_the_same_as_the_batch(view):
    """Three environments side by side, more games than environments: the same moves, rewards, ends and masks."""
    batched, stepped = BatchedGames(Nim(9)), PettingZooGames([view(Nim(9)) for _ in range(3)])
    if view is GameParallel:  # there both act, and only one counts: other trajectories, the same scores
        played = play_games(stepped, 6, [RandomPlayer()], np.zeros((6, 2), int))
        np.testing.assert_array_equal(np.abs(played.scores), np.ones((6, 2)))
        np.testing.assert_array_equal(played.scores.sum(1), 0)
        return
    policy = policy_for(batched, critic="separate")
    found = []
    for games in (batched, stepped):
        player = PolicyPlayer(policy, torch.Generator(), deterministic=True)
        found.append(play_games(games, 6, [player], np.zeros((6, 2), int)))
    for name in ("obs", "actions", "action_mask", "rewards", "game", "player", "first", "truncated", "scores"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name), err_msg=name)
    np.testing.assert_array_equal(found[0].final_info["won"], found[1].final_info["won"])


def test_players_that_move_at_once_each_get_their_own():
    games = PettingZooGames([Pennies(rounds=3)])
    played = play_games(games, 4, [Taking([0, 0, 1, 0, 1, 1])], np.zeros((4, 2), int))  # equal, different, equal
    np.testing.assert_array_equal(played.player, [0, 0, 0, 1, 1, 1] * 4)
    np.testing.assert_array_equal(played.rewards, [1, -1, 1, -1, 1, -1] * 4)
    np.testing.assert_array_equal(played.scores, [[1, -1]] * 4)
    assert not played.truncated.any()


def test_a_truncated_game_counts_what_the_critic_expects_of_its_last_observation():
    games = PettingZooGames([Pennies(rounds=2, truncate=True)])
    policy = policy_for(games, critic="separate")
    played = play_games(games, 2, [RandomPlayer()], np.zeros((2, 2), int))
    np.testing.assert_array_equal(played.truncated, [False, True] * 4)
    rollout = played.rollout(np.ones(8, bool), policy)
    assert not rollout.terminated[rollout.valid].any()
    assert [float(obs[0]) for _, _, obs in rollout.truncated_final_obs] == [2.0] * 4


def test_a_rollout_holds_each_sequence_in_one_piece():
    games = BatchedGames(Nim(9))
    policy = policy_for(games, core="gru")
    played = play_games(games, 50, [RandomPlayer()], np.zeros((50, 2), int))
    chosen = played.player == 1
    rollout = played.rollout(chosen, policy)
    where = rollout.valid.T  # column after column, in the order of time
    np.testing.assert_array_equal(rollout.actions.T[where], played.actions[chosen])
    np.testing.assert_array_equal(rollout.rewards.T[where], played.rewards[chosen].astype(np.float32))
    np.testing.assert_array_equal(rollout.start[:-1].T[where], played.first[chosen])
    np.testing.assert_array_equal(rollout.obs[:-1].transpose(0, 1)[where], played.obs[chosen])
    np.testing.assert_array_equal(rollout.terminated.T[where], np.append(played.first[chosen][1:], True))
    assert rollout.terminated[~rollout.valid].all()


def test_sequences_are_put_end_to_end():
    row, column, width = place(np.array([2, 3, 1, 4, 2]), 5)
    assert row.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert column.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]
    assert width == 3


def test_a_recurrent_player_has_a_memory_for_every_seat():
    """Acting step by step equals reading each player's own moves in one piece."""
    games = BatchedGames(Nim(9))
    policy = policy_for(games, core="gru", hidden_size=8, init_std=1.0).eval()
    player = PolicyPlayer(policy, torch.Generator(), deterministic=True)
    played = play_games(games, 5, [player, RandomPlayer()], np.array([[0, 0]] * 3 + [[0, 1]] * 2))
    mine = (played.game < 3) | (played.player == 0)
    rollout = played.rollout(mine, policy)
    with torch.no_grad():
        found = policy.evaluate(
            rollout.obs[:-1], rollout.actions, rollout.state, rollout.start[:-1], all_actions=True,
            action_mask=rollout.action_mask,
        )  # fmt: skip
    likeliest = found.log_probs.argmax(-1)
    assert torch.equal(likeliest[rollout.valid], rollout.actions[rollout.valid])


def test_scripted_players_know_the_state():
    def wise(game: Nim, state: Any, player: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(state["left"] % 4 == 0, 1, state["left"] % 4) - 1

    games = BatchedGames(Nim(9))
    seats = np.array([[0, 1]] * 30 + [[1, 0]] * 30)
    played = play_games(games, 60, [ScriptedPlayer(wise), RandomPlayer()], seats)
    assert (played.scores[:30, 0] == 1).all()
    assert played.scores[30:, 1].mean() > 0.5  # second, it wins as soon as the other errs
