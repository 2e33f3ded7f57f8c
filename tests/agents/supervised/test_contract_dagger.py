"""DAgger asks whom it should, as often as it may, and never twice; saved, resumed, called back."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.agents import BC, PPO, DAgger
from lhy_rl.agents.supervised.experts import FunctionLabels, Person, expert_for
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from tests.agents.small_envs import Always, Parrot
from tests.agents.supervised.test_contract_bc import demonstrations

SMALL = {"embedding_size": 16, "hidden_size": 16, "n_steps": 5, "gradient_steps": 5, "first_gradient_steps": 5}
SMALL |= {"batch_size": 16, "num_envs": 3, "seed": 0}
DRIVE = {"horizon": 7, "observation": "state"}


def drive(num_envs: int = 3, mode: str = "SameStep", **options: Any) -> Any:
    return gymnasium.make_vec("lhy_rl/DriveCorridor-v0", num_envs=num_envs, autoreset_mode=mode, **{**DRIVE, **options})


class Counting(FunctionLabels):
    """Answers with the largest of a box's four numbers, and counts."""

    def __init__(self) -> None:
        super().__init__(lambda obs: obs.argmax(1) + 3)
        self.asked = 0

    def label(self, obs: Any, start: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        self.asked += int(wanted.sum())
        return super().label(obs, start, wanted)


@pytest.mark.parametrize("observation", ["box", "image", "tokens", "multi", "bits", "dict"])
@pytest.mark.parametrize("action", ["discrete", "multi", "bits", "box"])
@pytest.mark.parametrize("core", [None, "gru"])
def test_every_space(observation: str, action: str, core: str | None) -> None:
    space = Parrot(observation, action).action_space
    space.seed(0)

    def any_action(obs: Any) -> np.ndarray:
        return np.stack([np.asarray(space.sample()) for _ in range(3)])

    agent = DAgger(lambda: Parrot(observation, action), expert=any_action, core=core, **SMALL).learn(60)
    assert agent.labels == 60 == agent.num_timesteps
    one = Parrot(observation, action)
    assert agent.predict(one.reset(seed=0)[0], deterministic=True)[0] in one.action_space


@pytest.mark.parametrize("options", [{}, {"label_interval": 3}, {"beta": "linear"}, {"beta": "exponential"}])
def test_every_label_is_counted_and_none_is_asked_twice(options: dict[str, Any]) -> None:
    expert = Counting()
    agent = DAgger(lambda: Parrot(), expert=expert, demonstrations=demonstrations(), max_labels=37, **SMALL, **options)
    agent.learn(10_000)
    assert agent.labels == 37 == expert.asked
    assert sum(int(piece.labelled.sum()) for piece in agent.pieces) == 37
    for piece in agent.pieces:
        right = piece.obs.argmax(-1) + 3
        assert (piece.actions[piece.labelled] == right[piece.labelled]).all()


def test_steps_that_only_reset_are_not_asked_about() -> None:
    agent = DAgger(drive(mode="NextStep"), **SMALL).learn(3 * 5 * 8)
    labelled = torch.cat([piece.labelled for piece in agent.pieces])
    assert labelled.sum() == agent.labels == 3 * (40 - 5)
    assert (~labelled).nonzero()[::3, 0].tolist() == [7, 15, 23, 31, 39]


def test_the_expert_acts_in_the_first_round_only() -> None:
    shares: list[float] = []

    def note(agent: Any, metrics: dict[str, float]) -> None:
        shares.append(metrics.get("rollout/expert_share", -1.0))

    agent = DAgger(lambda: Parrot(), expert=Counting(), **SMALL)
    agent.learn(45, callback=note)
    assert shares == [1.0, 0.0, 0.0]
    assert sum(r for r, _ in list(agent.collector.recent)[:3]) <= 24
    shares.clear()
    DAgger(lambda: Parrot(), expert=Counting(), demonstrations=demonstrations(), **SMALL).learn(15, callback=note)
    assert shares == [-1.0, 0.0], "with demonstrations these come first, and the learner plays from the first round on"


@pytest.mark.parametrize("core", [None, "gru"])
@pytest.mark.parametrize("stop", [1, 3])
def test_resuming_is_bit_for_bit_and_asks_nothing_again(core: str | None, stop: int, tmp_path: Any) -> None:
    def make(seed: int = 0) -> DAgger:
        return DAgger(drive(), core=core, beta="exponential", **{**SMALL, "seed": seed, "label_interval": 2})

    whole = make().learn(15 * 6)
    begun = make()
    begun.learn(15 * 6, callback=lambda agent, metrics: agent.num_updates < stop)
    archive.write(tmp_path / "state.zip", begun.state_dict())
    resumed = make(seed=5)
    resumed.load_state_dict(archive.read(tmp_path / "state.zip"))
    assert resumed.labels == begun.labels > 0
    resumed.learn(15 * (6 - stop), reset_num_timesteps=False)
    assert resumed.labels == whole.labels and resumed.round == whole.round == 6
    for a, b in zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_saved_and_loaded_it_acts_alike_and_keeps_its_labels(tmp_path: Any) -> None:
    agent = DAgger(lambda: Parrot(), expert=Counting(), demonstrations=demonstrations(), **SMALL).learn(60)
    agent.save(tmp_path / "dagger")
    again = DAgger.load(tmp_path / "dagger", lambda: Parrot(), expert=Counting())
    obs = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
    np.testing.assert_array_equal(agent.predict(obs, deterministic=True)[0], again.predict(obs, deterministic=True)[0])
    assert again.labels == 60 and len(again.pieces) == 4 and again.demonstrated is not None
    assert again.learn(15, reset_num_timesteps=False).labels == 75


def test_who_can_be_asked(tmp_path: Any) -> None:
    envs = drive()
    obs, _ = envs.reset(seed=0)
    start, wanted = np.ones(3, bool), np.ones(3, bool)
    np.testing.assert_array_equal(
        expert_for("scripted", envs).label(obs, start, wanted), envs.unwrapped.expert_action()
    )
    singles = gymnasium.make_vec("lhy_rl/DriveCorridor-v0", num_envs=2, vectorization_mode="sync", **DRIVE)
    singles.reset(seed=0)
    assert expert_for("scripted", singles).label(None, start, wanted).shape == (2,)
    cart = gymnasium.make_vec("CartPole-v1", num_envs=3)
    ours = PPO("CartPole-v1", num_envs=2, n_steps=8, embedding_size=8)
    ours.save(tmp_path / "ppo.zip")
    obs = np.zeros((3, 4), np.float32)
    for given in ("scripted", ours, str(tmp_path / "ppo.zip"), lambda obs: np.ones(3, np.int64)):
        assert expert_for(given, cart).label(obs, start, wanted).shape == (3,)
    for given, message in (
        ("scripted", "no scripted expert"),
        ("none.zip", "there is no expert"),
        (7, "7 is not an expert"),
    ):
        with pytest.raises(UserError, match=message):
            expert_for(given, DAgger(Always(), expert=lambda obs: obs, num_envs=1).env)


def test_an_expert_with_a_memory_keeps_it() -> None:
    calls: list[Any] = []

    class Remembering:
        def predict(self, obs: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False) -> Any:
            calls.append((state, episode_start.copy()))
            return np.full(3, 3), (state or 0) + 1

    DAgger(lambda: Parrot(), expert=Remembering(), **SMALL).learn(45)
    assert [state for state, _ in calls] == [None, *range(1, 15)]
    assert [start.all() for _, start in calls] == [t % 8 == 0 for t in range(15)]


class Step:
    """An expert whose action is how many steps of the episode it has seen, modulo 4."""

    def predict(self, obs: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False) -> Any:
        (seen,) = (np.zeros(3, np.int64),) if state is None else state
        seen = np.where(episode_start, 0, seen)
        return seen % 4 + 3, (seen + 1,)


def test_an_experts_memory_is_saved_with_the_agent(tmp_path: Any) -> None:
    def make() -> Any:
        return gymnasium.make_vec("lhy_rl/Catch-v0", num_envs=3)

    def step_labels(first: int, agent: DAgger) -> list[list[int]]:
        return [piece.actions[:, 0].tolist() for piece in agent.pieces[first:]]

    space = make().single_action_space

    class Within(Step):
        def predict(self, *given: Any, **options: Any) -> Any:
            actions, state = super().predict(*given, **options)
            return (actions - 3) % int(space.n) + int(space.start), state

    options = {**SMALL, "learning_rate_schedule": "constant"}
    whole = DAgger(make(), expert=Within(), **options).learn(15 * 4)
    begun = DAgger(make(), expert=Within(), **options).learn(15 * 2)
    begun.save(tmp_path / "dagger")
    resumed = DAgger.load(tmp_path / "dagger", make(), expert=Within()).learn(15 * 2, reset_num_timesteps=False)
    assert step_labels(2, resumed) == step_labels(2, whole)
    for a, b in zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_person_is_asked_until_they_have_had_enough() -> None:
    said = iter(["3", "nonsense", "9", "4", "5", "6", "6", ""])
    heard: list[str] = []

    def ask(question: str) -> str:
        heard.append(question)
        return next(said)

    env = DAgger(lambda: Parrot(), expert=Counting(), **{**SMALL, "num_envs": 2}).env
    agent = DAgger(env, expert=Person(env, ask), label_interval=2, **{**SMALL, "num_envs": 2}).learn(1000)
    assert agent.labels == 5 and agent.stopped
    assert "allowed: 3 to 6" in heard[2] and "3 to 6" in heard[0]
    labels = torch.cat([piece.actions[piece.labelled] for piece in agent.pieces]).tolist()
    assert labels == [3, 4, 5, 6, 6]


def test_a_wrong_shape_is_one_line() -> None:
    with pytest.raises(UserError, match=r"the expert's actions have shape \(3, 1\)"):
        DAgger(lambda: Parrot(), expert=lambda obs: np.full((3, 1), 3), **SMALL).learn(10)


@pytest.mark.parametrize("action", [3.0, 7])
def test_an_answer_that_is_no_action_is_one_line(action: Any) -> None:
    with pytest.raises(UserError, match=r"not in the environment's action space: .*wanted: whole numbers from 3 to 6"):
        DAgger(lambda: Parrot(), expert=lambda obs: np.full(3, action), **SMALL).learn(10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": "lienar"}, "did you mean 'linear'"),
        ({"max_labels": 0}, "max_labels is 0"),
        ({"label_interval": 0}, "label_interval is 0"),
        ({"beta_decay": 2.0}, "beta_decay is 2.0"),
        ({"expret": "person"}, "did you mean 'expert'"),
    ],
)
def test_bad_options_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        DAgger(lambda: Parrot(), **{"expert": Counting(), **SMALL, **options})


def test_sb3_s_callbacks_are_called_after_every_step(tmp_path: Any) -> None:
    callbacks = pytest.importorskip("stable_baselines3.common.callbacks")
    agent = DAgger(drive(), **SMALL)
    agent.learn(60, callback=callbacks.CheckpointCallback(save_freq=5, save_path=str(tmp_path)), progress_bar=True)
    assert len(list(tmp_path.glob("*.zip"))) == 4


def test_without_rounds_it_is_cloning() -> None:
    """The demonstrations' gradient steps are bc's."""
    options = {**SMALL, "first_gradient_steps": 30, "learning_rate_schedule": "constant"}
    dagger = DAgger(lambda: Parrot(), expert=Counting(), demonstrations=demonstrations(), **options)
    dagger.learn(1000, callback=lambda agent, metrics: False)
    shared = {"embedding_size": 16, "hidden_size": 16, "batch_size": 16, "seed": 0, "gradient_steps": 30}
    bc = BC(
        lambda: Parrot(), demonstrations=demonstrations(), held_out=0, learning_rate_schedule="constant", **shared
    ).learn(1)
    nll = [agent.held_out_metrics(agent.dataset)["train/nll_held_out"] for agent in (dagger, bc)]
    assert nll[0] == pytest.approx(nll[1], rel=0.05)
