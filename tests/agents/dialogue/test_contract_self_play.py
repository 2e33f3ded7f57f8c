"""Self-play keeps an agent's contract: any game, resuming and saving bit for bit, one line for bad options."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest
import torch
from pettingzoo.classic import tictactoe_v3

import lhy_rl
from lhy_rl.agents import PPO, SelfPlay
from lhy_rl.cli.main import main
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.envs.dialogue.negotiation import Negotiation
from lhy_rl.envs.dialogue.negotiation_tokens import NegotiationTokens
from lhy_rl.interop.sb3 import to_sb3
from lhy_rl.rollouts.game_sources import make_games
from tests.agents.common.test_contract_agents import tensors
from tests.agents.small_games import Nim, Pennies

SMALL = {"n_games": 8, "hidden_sizes": [8], "batch_size": 64, "n_epochs": 2}
GRU = {"core": "gru", "hidden_size": 5, "embedding_size": 4, "hidden_sizes": None}
NEGOTIATION = "lhy_rl/negotiation_v0"
CASES = {
    "shared": (lambda: Nim(5), {}),
    "independent": (lambda: Nim(5), {"policies": "independent"}),
    "pool": (lambda: Nim(5), {"opponents": "pool", "pool_interval": 2, "pool_size": 2}),
    "recurrent pool": (lambda: Nim(5), {"opponents": "pool", "policies": "independent", **GRU}),
    "alternation": (lambda: Nim(5), {"alternation": 2}),
    "imitation": (
        lambda: Negotiation("joint"),
        {"demonstrations": "linear", "imitation_updates": 2, "imitation_interval": 2, "imitation_games": 4}
        | {"kl_coef": 0.1},
    ),
    "words": (lambda: NegotiationTokens("joint"), {"demonstrations": "linear", "imitation_updates": 1, **GRU}),
    "pettingzoo": (lambda: [tictactoe_v3.env() for _ in range(2)], {"num_envs": 2}),
    "parallel": (Pennies, {"policies": "independent"}),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def make(case, seed=0):
    game = case[0]()
    if isinstance(game, list):
        copies = iter(game)
        return SelfPlay(lambda: next(copies), seed=seed, **{**SMALL, **case[1]})
    return SelfPlay(game, seed=seed, **{**SMALL, **case[1]})


def assert_same(a, b):
    first, second = tensors(a.state_dict()), tensors(b.state_dict())
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name
    assert a.state_dict()["games"] == b.state_dict()["games"]


def test_resuming_is_bit_for_bit(case, tmp_path):
    def stop_after(updates):
        return lambda agent, metrics: agent.num_updates < updates

    whole = make(case).learn(10**6, callback=stop_after(7))
    begun = make(case).learn(10**6, callback=stop_after(3))
    begun.save(tmp_path / "agent.zip")
    archive.write(tmp_path / "state.zip", begun.state_dict())
    resumed = make(case, seed=9)
    resumed.load_state_dict(archive.read(tmp_path / "state.zip"))
    left = 10**6 - resumed.num_timesteps
    resumed.learn(left, callback=stop_after(7), reset_num_timesteps=False)
    assert_same(whole, resumed)
    again = SelfPlay.load(tmp_path / "agent.zip", case[0]() if not isinstance(case[0](), list) else case[0]()[0])
    assert_same(begun, again)


def test_metrics_are_numbers_and_the_global_randomness_is_left_alone(case):
    torch.manual_seed(1)
    rows = []
    make(case).learn(60, callback=lambda agent, metrics: rows.append(metrics))
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))
    for row in rows:
        assert all(isinstance(value, int | float) and np.isfinite(value) for value in row.values()), row
    assert {"rollout/ep_rew_mean", "rollout/ep_len_mean", "train/policy_gradient_loss"} <= rows[-1].keys()


def test_evaluation_leaves_the_training_alone_and_knows_held_out_contexts():
    agent = SelfPlay(NEGOTIATION, partners=["linear"], **SMALL)
    agent.learn(100)
    before = agent.state_dict()
    first, second = agent.evaluate(50), agent.evaluate(50)
    assert first == second
    assert agent.evaluate(50, "linear")["partner"] > 0
    after = agent.state_dict()
    assert before["games"] == after["games"]
    assert agent.games.held_out().batched.contexts.pool.shape[0] == 1037
    assert agent.evaluate(10, "random", Negotiation(split="all"))["mean_episode_length"] > 0


def test_predict_takes_pettingzoos_observations():
    agent = SelfPlay(lambda: tictactoe_v3.env(), **SMALL)
    env = tictactoe_v3.env()
    env.reset(seed=0)
    for name in env.agent_iter():
        obs, _, terminated, truncated, _ = env.last()
        if terminated or truncated:
            break
        action, _ = agent.predict(obs, deterministic=True)
        assert obs["action_mask"][action], name
        env.step(int(action))
    assert env.terminations[env.agent_selection]


def test_an_id_goes_by_its_name_and_by_pettingzoos():
    assert SelfPlay("classic/tictactoe-v3", num_envs=1, **SMALL).learn(1).num_timesteps > 1
    games = make_games(NEGOTIATION, reward="fair", max_moves=4)
    assert games.batched.rewarded == "fair"
    assert games.held_out().batched.max_moves == 4


def test_a_run_trains_in_a_game_of_pettingzoos(tmp_path):
    """By its id, with its options, and goes on after a stop."""
    folder = tmp_path / "run"
    game = ["--env.id", "classic/rps-v2", "--env.max_cycles", "3", "--agent.num_envs", "2", "--agent.n_games", "4"]
    run = ["--total_timesteps", "30", "--run.folder", str(folder), "--run.tracker", "none", "--run.plots", "false"]
    assert main(["train", "selfplay", *game, *run, "--run.evaluation_episodes", "4"]) == 0
    assert main(["resume", str(folder), "--total_timesteps", "60"]) == 0
    result = json.loads((folder / "result.json").read_text())
    assert result["timesteps"] >= 60 and "random" in result["references"]


def test_a_saved_agent_names_its_game(tmp_path):
    agent = SelfPlay(NEGOTIATION, **SMALL).learn(50)
    agent.save(tmp_path / "agent.zip")
    again = lhy_rl.load(tmp_path / "agent.zip")
    assert again.evaluate(20) == agent.evaluate(20)


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        ("lhy_rl/negotation_v0", {}, "did you mean 'lhy_rl/negotiation_v0'"),
        ("CartPole-v1", {}, "unknown game 'CartPole-v1'"),
        (3, {}, "3 is not a game; allowed: an id, a BatchedGame, a PettingZoo environment"),
        (Nim(), {"policies": "sharde"}, "did you mean 'shared'"),
        (Nim(), {"opponents": "pol"}, "did you mean 'pool'"),
        (Nim(), {"pool_share": 1.5}, "pool_share is 1.5; allowed: 0 to 1"),
        (Nim(), {"n_games": 0}, "n_games is 0"),
        (Nim(), {"alternation": 0}, "alternation is 0"),
        (Nim(), {"opponents": "pool", "alternation": 3}, "exclude each other"),
        (Nim(), {"reference": "nowhere.zip"}, "nowhere.zip"),
        (Nim(), {"demonstrations": "linear"}, "nim_v0 has no scripted player 'linear'"),
        (Negotiation(), {"demonstrations": "linaer"}, "did you mean 'linear'"),
        (Negotiation(), {"partners": ["haard"]}, "did you mean 'hard'"),
        (Nim(), {"normalize_rewards": True}, "normalize_rewards is True"),
    ],
)
def test_bad_options_are_one_line(env, options, message):
    with pytest.raises(UserError, match=message) as error:
        SelfPlay(env, **{**SMALL, **options})
    assert "\n" not in str(error.value)


def test_an_agent_without_its_game_predicts(tmp_path):
    agent = SelfPlay(Nim(5), policies="independent", **SMALL).learn(30)
    agent.save(tmp_path / "agent.zip")
    again = SelfPlay.load(tmp_path / "agent.zip")
    obs = np.eye(6, dtype=np.float32)[3:5]
    for one, other in zip(agent.learners, again.learners, strict=True):
        np.testing.assert_array_equal(
            one.predict(obs, deterministic=True)[0], other.predict(obs, deterministic=True)[0]
        )
    with pytest.raises(UserError, match="loaded without its game; give it one"):
        again.learn(1)
    again.set_env(Nim(5))
    assert again.learn(10).num_timesteps >= 10


def test_an_agent_without_its_demonstrator_predicts_and_says_what_it_needs_to_learn(tmp_path):
    def first(game, state, player, rng):
        return np.zeros(len(player), int)

    agent = SelfPlay(Nim(), demonstrations=first, imitation_updates=2, **SMALL)
    agent.learn(1, callback=lambda *_: False)
    agent.save(tmp_path / "agent.zip")
    again = SelfPlay.load(tmp_path / "agent.zip", Nim())
    assert again.evaluate(10) == agent.evaluate(10)
    with pytest.raises(UserError, match="imitation needs demonstrations"):
        again.learn(1)
    assert SelfPlay.load(tmp_path / "agent.zip", Nim(), demonstrations=first).learn(10).imitation.done == 2


@pytest.mark.parametrize("masked", [True, False])
def test_recorded_moves_are_imitated(masked, tmp_path):
    """An episode is one player's moves: here of somebody who takes as few as may be."""
    space = Nim(5).player_space if masked else Nim(5).observation_space
    heaps = np.eye(6, dtype=np.float32)
    episodes = []
    for heap in (5, 4):
        own = heaps[list(range(heap, -1, -2))]
        length = len(own) - 1
        obs = {"observation": own, "action_mask": np.ones((length + 1, 3), np.int8)} if masked else own
        episodes.append(Episode(obs, np.zeros(length, np.int64), np.zeros(length), True, False))
    recorded = Demonstrations(episodes, space, Nim(5).action_space, {})
    agent = SelfPlay(Nim(5), demonstrations=recorded, imitation_updates=80, learning_rate=0.05, **SMALL)
    losses = []
    agent.learn(1, callback=lambda agent, metrics: losses.append(metrics.get("train/imitation_loss", 0)))
    assert losses[0] > 0.8 > 0.1 > losses[79]
    with pytest.raises(UserError, match="the demonstrations have the spaces"):
        SelfPlay(Nim(7), demonstrations=recorded, **SMALL)


def test_the_reference_may_be_a_saved_agent(tmp_path):
    SelfPlay(Nim(), seed=5, **SMALL).learn(20).save(tmp_path / "reference.zip")
    rows = []
    agent = SelfPlay(Nim(), reference=str(tmp_path / "reference.zip"), kl_coef=0.1, **SMALL)
    agent.learn(20, callback=lambda agent, metrics: rows.append(metrics["train/reference_kl"]))
    assert rows[0] > 0
    with pytest.raises(UserError, match="has 1 policies, not 2"):
        SelfPlay(Nim(), policies="independent", reference=str(tmp_path / "reference.zip"), **SMALL)


def test_callbacks_of_stable_baselines3_watch_it_against_a_bot(tmp_path):
    from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback

    versus = gymnasium.make_vec("lhy_rl/NegotiationVsBot-v0", num_envs=2, autoreset_mode="SameStep", partner="random")
    watch = EvalCallback(to_sb3(versus), eval_freq=1, n_eval_episodes=4, verbose=0, log_path=str(tmp_path), warn=False)
    keep = CheckpointCallback(save_freq=1, save_path=str(tmp_path))
    SelfPlay(NEGOTIATION, **SMALL).learn(100, callback=[watch, keep])
    assert len(watch.evaluations_results) >= 2
    assert list(tmp_path.glob("rl_model_*.zip"))


def test_other_agents_say_what_a_game_is_for():
    with pytest.raises(UserError, match="a game of several players, which only selfplay can train in"):
        PPO(make_games(Nim()), n_steps=4).learn(8)
    with pytest.raises(UserError, match="single_observation_space"):
        SelfPlay(Nim(), **SMALL).set_env(Negotiation())


@pytest.mark.parametrize("game", [Nim(), Pennies(), Pennies, NEGOTIATION], ids=["rules", "petting zoo", "class", "id"])
def test_a_game_given_to_others_is_one_line(game):
    with pytest.raises(UserError, match="is a game of several players, which only SelfPlay can train in"):
        PPO(game)


def every(self, state, player):
    return np.ones((len(player), 3), bool)


def cent(rewards=1.0, observed=0.0, info=None):
    """Pennies that give something else."""

    class Cent(Pennies):
        def step(self, actions):
            obs, _, *rest, infos = super().step(actions)
            given = {name: np.full(1, observed, np.float32) if np.isscalar(observed) else observed for name in obs}
            infos = {name: info or {} for name in infos}
            return given, dict.fromkeys(obs, rewards), *rest, infos

    return Cent


@pytest.mark.parametrize(
    ("game", "message"),
    [
        (cent(rewards=np.nan), r"the reward of .* is not a number"),
        (cent(rewards=None), "the reward of player_0 is None"),
        (cent(observed=np.inf), r"the observation of .* is not a number"),
        (cent(info={"action_mask": np.zeros(2, np.int8)}), "player_0 has no allowed action"),
        (
            type("Long", (Nim,), {"terminal": lambda _, state: state["left"] < 0, "action_mask": every}),
            "did not end within",
        ),
        (type("Wide", (Pennies,), {"observation_space": lambda *_: gymnasium.spaces.Box(0, 1, (2,))}), "fit its space"),
    ],
)
def test_what_a_game_gives_wrongly_is_one_line(game, message, monkeypatch):
    monkeypatch.setattr("lhy_rl.rollouts.games.LONGEST", 20)
    with pytest.raises(UserError, match=message):
        SelfPlay(game, seed=0, **SMALL).learn(16)


def test_masks_of_some_games_hold_there_and_all_is_legal_in_the_others():
    made, played = [], {False: set(), True: set()}

    class SomeMasked(Pennies):
        def __init__(self):
            super().__init__(rounds=4)
            self.masked = bool(made)  # all but the first game
            made.append(self)

        def step(self, actions):
            played[self.masked and self.round > 0] |= set(map(int, actions.values()))
            *given, infos = super().step(actions)
            return *given, {name: {"action_mask": np.array([1, 0], np.int8)} if self.masked else {} for name in infos}

    SelfPlay(lambda: SomeMasked(), seed=0, num_envs=2, **SMALL).learn(64)
    assert played == {False: {0, 1}, True: {0}}
