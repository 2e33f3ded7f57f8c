"""Every registered game keeps PettingZoo's contracts and our own."""

from __future__ import annotations

import doctest
import inspect
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pettingzoo
import pytest
from gymnasium.error import ResetNeeded

from lhy_rl.core.errors import UserError
from lhy_rl.core.registry import Registry
from lhy_rl.core.trees import take
from lhy_rl.envs.game import BatchedGame, GameBatch
from lhy_rl.envs.registration import GAMES, GameRow
from tests.envs.dialogue.traces import all_traces, legal, module
from tests.processes import result_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

ROOT = Path(__file__).parents[3]
every_game = pytest.mark.parametrize("row", GAMES, ids=lambda row: row.id)


def rules(row: GameRow, **options: Any) -> BatchedGame:
    made: BatchedGame = Registry("game", {row.id: row.rules}).get(row.id)(**{**row.small, **options})
    return made


@every_game
def test_pettingzoos_own_tests(row: GameRow) -> None:
    made = module(row)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Observation space for each agent probably should be")
        warnings.filterwarnings("ignore", message="Observation is not a NumPy array")  # a Dict with a mask
        warnings.filterwarnings("ignore", message="Action space for each agent probably")
        for env in (made.env(**row.small), made.raw_env(**row.small), made.env(render_mode="ansi", **row.small)):
            api_test(env, num_cycles=60)
        parallel_api_test(made.parallel_env(**row.small), num_cycles=60)
        seed_test(lambda: made.env(**row.small), num_cycles=60)
        parallel_seed_test(lambda: made.parallel_env(**row.small))


def test_the_same_seed_gives_the_same_trajectories_in_a_fresh_process() -> None:
    here = all_traces()
    assert len(set(here)) == len(here)
    assert result_of(all_traces) == here


@every_game
def test_the_views_play_the_same_game(row: GameRow) -> None:
    """AEC, parallel and a batch of one, from the same seed with the same actions."""
    aec, parallel = module(row).raw_env(**row.small), module(row).parallel_env(**row.small)
    batch = GameBatch(rules(row), 1, autoreset=False)
    draw = np.random.default_rng(0)
    for game in range(3):
        aec.reset(seed=game)
        seen, _ = parallel.reset(seed=game)
        obs = batch.reset(seed=game)
        while parallel.agents:
            mover = aec.agent_selection
            assert mover == batch.game.players[batch.to_move[0]]
            for key in obs:
                assert (obs[key][0] == aec.observe(mover)[key]).all() and (obs[key][0] == seen[mover][key]).all()
            action = int(legal(obs["action_mask"][0], draw))
            others = dict.fromkeys(parallel.agents, 0)
            aec.step(action)
            seen, rewards, terminated, _, infos = parallel.step({**others, mover: action})
            obs, gained, over, _ = batch.step(np.array([action]))
            assert aec.rewards == rewards == dict(zip(batch.game.players, gained[0].tolist(), strict=True))
            assert set(terminated.values()) == {bool(over[0])} and aec.terminations == terminated
            assert aec.infos == infos
        assert infos[mover].keys() > {"text"} and aec.terminations[mover] is not None


@every_game
def test_batch_equals_games_one_by_one(row: GameRow) -> None:
    """The moves of a batch are those of its games, each in a batch of one; states and observations, bit for bit."""
    game, draw = rules(row), np.random.default_rng(1)
    state = game.initial(6, draw)
    singles = [take(state, np.array([i])) for i in range(6)]
    for _ in range(12):
        mover = game.to_move(state)
        actions = legal(game.action_mask(state, mover), draw)
        before = {key: array.copy() for key, array in state.items()}
        after = game.transition(state, actions, draw)
        for key, array in before.items():
            np.testing.assert_array_equal(state[key], array)  # the given state stays as it is
        for i, one in enumerate(singles):
            action, player = actions[i : i + 1], mover[i : i + 1]
            singles[i] = game.transition(one, action, draw)
            seen = game.player_observation(state, mover)
            for key, array in game.player_observation(one, player).items():
                np.testing.assert_array_equal(array[0], seen[key][i])
            np.testing.assert_array_equal(
                game.reward(one, action, singles[i])[0], game.reward(state, actions, after)[i]
            )
            for key, array in after.items():
                np.testing.assert_array_equal(singles[i][key][0], array[i], key)
        going = np.flatnonzero(~game.terminal(after))
        if not going.size:
            break
        state, singles = take(after, going), [singles[i] for i in going]


@every_game
def test_batch_goes_on_from_a_snapshot(row: GameRow) -> None:
    batch, again = GameBatch(rules(row), 16), GameBatch(rules(row), 16)
    obs = batch.reset(seed=3)
    draw = np.random.default_rng(0)
    for _ in range(5):
        obs, *_ = batch.step(legal(obs["action_mask"], draw))
    again.restore(batch.snapshot())
    for _ in range(20):
        actions = legal(obs["action_mask"], draw)
        obs, rewards, over, _ = batch.step(actions)
        same, equal, ended, _ = again.step(actions)
        for key in obs:
            np.testing.assert_array_equal(obs[key], same[key])
        assert (rewards == equal).all() and (over == ended).all() and (batch.to_move == again.to_move).all()
    with pytest.raises(UserError, match="another number of games"):
        GameBatch(rules(row), 4).restore(batch.snapshot())


@every_game
def test_bad_calls_are_one_line(row: GameRow) -> None:
    batch = GameBatch(rules(row), 2, autoreset=False)
    for call in (lambda: batch.step([0, 0]), batch.observe, batch.snapshot):
        with pytest.raises(ResetNeeded):
            call()
    batch.reset(seed=0)
    for actions, message in (([0, 999], "action 999"), ([0.5, 1.0], "whole numbers"), ([0], r"shape \(2,\)")):
        with pytest.raises(UserError, match=message):
            batch.step(np.array(actions))
    with pytest.raises(UserError, match="seed=-1"):
        batch.reset(seed=-1)
    with pytest.raises(UserError, match="num_games=0"):
        GameBatch(rules(row), 0)
    with pytest.raises(UserError, match="unknown render_mode 'rgb'"):
        module(row).env(render_mode="rgb")
    env = module(row).raw_env(**row.small)
    env.reset(seed=0)
    for action in (999, -1, 0.5, "deal", None):
        with pytest.raises(UserError):
            env.step(action)
    parallel = module(row).parallel_env(**row.small)
    with pytest.raises(ResetNeeded):
        parallel.step({})
    parallel.reset(seed=0)
    with pytest.raises(UserError, match="is to move, but its action is missing"):
        parallel.step({})


@every_game
def test_an_illegal_action_ends_the_wrapped_environment(row: GameRow) -> None:
    env = module(row).env(**row.small)
    env.reset(seed=0)
    obs, *_ = env.last()
    mover = env.agent_selection
    env.step(int(np.flatnonzero(obs["action_mask"] == 0)[0]))
    assert set(env.terminations.values()) == {True} and env.rewards[mover] == -1


@every_game
def test_render(row: GameRow, capsys: pytest.CaptureFixture[str]) -> None:
    env = module(row).env(render_mode="ansi", **row.small)
    env.reset(seed=0)
    begun = env.render().splitlines()
    assert len(begun) > 1 and all(": " in line for line in begun)
    human = module(row).env(render_mode="human", **row.small)
    human.reset(seed=0)
    obs, *_ = human.last()
    human.step(int(np.flatnonzero(obs["action_mask"])[0]))
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == begun[0] and shown != begun


@every_game
def test_pettingzoos_registry_knows_it(row: GameRow) -> None:
    module(row)
    assert pettingzoo.make("aec", row.id).metadata["name"] == row.id.partition("/")[2]
    assert pettingzoo.make("parallel", row.id, **row.small).metadata["name"] == row.id.partition("/")[2]


def test_without_pettingzoo_a_line_says_what_installs_it() -> None:
    code = (
        "import sys; sys.modules['pettingzoo'] = None\n"
        "from lhy_rl.envs.dialogue import negotiation_v0\n"
        "from lhy_rl.core.errors import UserError\n"
        "try: negotiation_v0.env()\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"games as PettingZoo environments need pettingzoo; \S.*install.*pettingzoo.*\n", done.stdout)


@every_game
def test_the_page(row: GameRow) -> None:
    """As the pages of the other environments: the same headings, the arguments of the class, examples that run."""
    made = Registry("game", {row.id: row.rules}).get(row.id)
    parts = re.split(r"^## (.+)$", inspect.cleandoc(made.__doc__), flags=re.M)
    assert parts[1::2] == [
        *("Description", "Action Space", "Observation Space", "Rewards", "Starting State", "Episode End"),
        *("Arguments", "Vectorized environment", "Version History"),
    ]
    page = dict(zip(parts[1::2], parts[2::2], strict=True))
    stated = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", page["Arguments"], flags=re.M))
    signature = inspect.signature(made).parameters
    assert stated == {name: repr(p.default).replace("'", '"') for name, p in signature.items()}
    game = made()
    assert f"`{game.action_space}`" in page["Action Space"]
    (example,) = doctest.DocTestFinder(recurse=False).find(made, globs={})
    assert example.examples and doctest.DocTestRunner().run(example).failed == 0
