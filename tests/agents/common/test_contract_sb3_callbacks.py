"""Stable-Baselines3's day-one script, its callbacks, its logger and its environments, with agents of ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import A2C, BC, PPO, DAgger, MaxEntIRL, Reinforce
from lhy_rl.core.errors import UserError

pytest.importorskip("stable_baselines3", reason="the extra lhy-rl[sb3] is not installed")

from stable_baselines3.common import callbacks
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecMonitor, VecNormalize, unwrap_vec_normalize

SMALL: dict[str, Any] = {"n_steps": 16, "num_envs": 2}


class Watch(callbacks.BaseCallback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self.steps: list[dict[str, Any]] = []

    def _on_training_start(self) -> None:
        self.order.append("start")

    def _on_rollout_start(self) -> None:
        self.order.append("rollout")

    def _on_step(self) -> bool:
        kept = ("rewards", "dones", "infos", "actions", "clipped_actions", "new_obs", "n_steps")
        self.steps.append({key: np.copy(self.locals[key]) for key in kept} | {"at": self.num_timesteps})
        self.logger.record("mine/steps", self.n_calls)
        return True

    def _on_rollout_end(self) -> None:
        self.order.append("end of rollout")

    def _on_training_end(self) -> None:
        self.order.append("end")


def test_the_script_of_the_first_day(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """From Stable-Baselines3's documentation, PPO's example, word by word but for the import and its endless loop."""
    monkeypatch.chdir(tmp_path)
    # Parallel environments
    vec_env = make_vec_env("CartPole-v1", n_envs=4)

    model = PPO("MlpPolicy", vec_env, verbose=1)
    model.learn(total_timesteps=25000)
    model.save("ppo_cartpole")

    del model  # remove to demonstrate saving and loading

    model = PPO.load("ppo_cartpole")

    obs = vec_env.reset()
    for _ in range(20):
        action, _states = model.predict(obs)
        obs, rewards, dones, info = vec_env.step(action)  # noqa: RUF059
    assert evaluate_policy(model, vec_env, n_eval_episodes=8)[0] > 150  # a random policy has 22
    table = capsys.readouterr().out
    for word in ("| rollout/", "ep_rew_mean", "| time/", "fps", "total_timesteps", "| train/", "learning_rate"):
        assert word in table
    assert table.count("| time/") == -(-25000 // (4 * 128))


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_the_locals_of_a_step_are_those_of_sb3(mode: str) -> None:
    made = [lambda: gymnasium.make("CartPole-v1", max_episode_steps=12) for _ in range(2)]
    env = gymnasium.vector.SyncVectorEnv(made, autoreset_mode=gymnasium.vector.AutoresetMode(mode))
    watch, agent = Watch(), PPO(env, n_steps=16)
    agent.learn(64, watch)
    assert watch.order == ["start", *["rollout", "end of rollout"] * 2, "end"]
    assert [step["at"] for step in watch.steps] == list(range(2, 65, 2))
    assert [step["n_steps"] for step in watch.steps] == [*range(1, 17)] * 2
    returns, lengths, ended = np.zeros(2), np.zeros(2), 0
    dead = np.zeros(2, bool)
    for step in watch.steps:
        returns, lengths = returns + step["rewards"], lengths + ~dead
        for i in range(2):
            info = step["infos"][i]
            assert ("terminal_observation" in info) == step["dones"][i] == ("episode" in info)
            if step["dones"][i]:
                assert info["episode"]["r"] == returns[i] and info["episode"]["l"] == lengths[i] <= 12
                assert info["TimeLimit.truncated"] == (lengths[i] == 12)
                assert (info["terminal_observation"] == step["new_obs"][i]).all() == (mode == "NextStep")
                returns[i], lengths[i], ended = 0, 0, ended + 1
        dead = step["dones"] if mode == "NextStep" else dead
        assert step["actions"].shape == (2,) and step["new_obs"].shape == (2, 4)
    assert ended > 2 and len(agent.ep_info_buffer) == ended
    assert sum(episode["l"] for episode in agent.ep_info_buffer) == sum(n for _, n in agent.collector.recent)


def test_continuous_actions_are_told_as_chosen_and_as_taken() -> None:
    watch = Watch()
    PPO("Pendulum-v1", log_std_init=2.0, **SMALL).learn(32, watch)
    chosen, taken = (np.stack([step[key] for step in watch.steps]) for key in ("actions", "clipped_actions"))
    assert abs(chosen).max() > 2.0 == abs(taken).max()
    np.testing.assert_array_equal(chosen.clip(-2, 2), taken)


def test_what_the_locals_have_not_is_said() -> None:
    class Asks(Watch):
        def _on_step(self) -> bool:
            return bool(self.locals["values"])

    with pytest.raises(UserError, match=r"locals have no 'values' here; they have .*infos"):
        PPO("CartPole-v1", **SMALL).learn(32, Asks())


@pytest.mark.parametrize("kind", [PPO, A2C, DAgger, MaxEntIRL])
def test_training_stops_after_so_many_episodes(kind: Any) -> None:
    short = {PPO: {"n_steps": 16}, DAgger: {"n_steps": 50, "gradient_steps": 2, "first_gradient_steps": 2}}
    options = {"num_envs": 2, **short.get(kind, {})}
    if kind in (MaxEntIRL, DAgger):
        options["demonstrations"] = "cartpole-expert"
    watch, agent = Watch(), kind("CartPole-v1", **options)
    agent.learn(100_000, [callbacks.StopTrainingOnMaxEpisodes(3), watch])
    assert sum(int(step["dones"].sum()) for step in watch.steps) in (6, 7) and agent.num_timesteps < 5000
    assert watch.steps[-1]["dones"].any()


def test_agents_of_whole_episodes_tell_them_once_an_update() -> None:
    watch, agent = Watch.__new__(Watch), Reinforce("CartPole-v1", num_envs=4, core=None)
    callbacks.BaseCallback.__init__(watch)
    watch.order, watch.steps = [], []
    seen: list[dict[str, Any]] = []

    def note(locals_: dict[str, Any], globals_: dict[str, Any]) -> bool:
        seen.extend(info["episode"] for info in locals_["infos"])
        return True

    agent.learn(100_000, [note, callbacks.StopTrainingOnMaxEpisodes(2)])
    assert agent.num_updates == 2 and len(seen) == 8
    assert sum(episode["l"] for episode in seen) == agent.num_timesteps == sum(episode["r"] for episode in seen)
    assert [episode["r"] for episode in agent.ep_info_buffer] == [episode["r"] for episode in seen[4:]]
    BC("CartPole-v1", demonstrations="cartpole-expert").learn(64, callbacks.StopTrainingOnMaxEpisodes(1))  # plays none


def test_the_callbacks_that_everybody_uses(tmp_path: Path) -> None:
    events: list[int] = []
    eval_env = make_vec_env("CartPole-v1", n_envs=2)
    patience = callbacks.StopTrainingOnNoModelImprovement(1, min_evals=2)
    evaluation = callbacks.EvalCallback(
        eval_env, eval_freq=10, best_model_save_path=str(tmp_path), verbose=0, n_eval_episodes=2,
        callback_after_eval=patience, deterministic=False,
    )  # fmt: skip
    every = callbacks.EveryNTimesteps(20, callbacks.ConvertCallback(lambda *_: events.append(1) or True))
    saver = callbacks.CheckpointCallback(15, tmp_path, "ppo")
    agent = PPO("MlpPolicy", make_vec_env("CartPole-v1", n_envs=2), n_steps=16, learning_rate=1e-12)
    agent.learn(2000, callback=[evaluation, every, saver, callbacks.ProgressBarCallback()])
    assert agent.num_timesteps < 2000, "nothing improves at no learning rate"
    assert len(events) == agent.num_timesteps // 20
    assert (tmp_path / "ppo_30_steps.zip").is_file() and (tmp_path / "best_model.zip").is_file()
    assert type(PPO.load(tmp_path / "best_model", eval_env)) is PPO


def test_logs_are_written_when_asked(tmp_path: Path, capsys: Any) -> None:
    agent = PPO("CartPole-v1", verbose=1, **SMALL)
    agent.learn(32 * 6, log_interval=3)
    assert capsys.readouterr().out.count("total_timesteps") == 2
    agent.learn(32 * 6, callbacks.LogEveryNTimesteps(64), log_interval=None)
    told = capsys.readouterr().out
    assert told.count("total_timesteps") == 3 and "ep_rew_mean" in told
    PPO("CartPole-v1", **SMALL).learn(32)
    A2C("CartPole-v1", num_envs=2, verbose=1).learn(10 * 99)
    assert capsys.readouterr().out == "", "a2c's updates are short: a table for each hundred"

    agent = PPO("CartPole-v1", **SMALL)
    agent.set_logger(configure(str(tmp_path / "csv"), ["csv"]))
    agent.learn(64, Watch())
    header = (tmp_path / "csv/progress.csv").read_text().splitlines()[0].split(",")
    assert {"mine/steps", "train/learning_rate", "time/total_timesteps", "rollout/ep_rew_mean"} <= set(header)
    agent.dump_logs()


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    agent = PPO("CartPole-v1", tensorboard_log=tmp_path, **SMALL)
    agent.learn(32, tb_log_name="first")
    agent.learn(32)
    assert {folder.name for folder in tmp_path.iterdir()} == {"first_1", "PPO_1"}


def test_without_stable_baselines3_verbose_says_what_is_missing(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.logger", None)
    with pytest.raises(UserError, match=r"verbose and tensorboard_log need SB3's logger; .* install"):
        PPO("CartPole-v1", verbose=1, **SMALL).learn(32)


def test_a_list_of_everything() -> None:
    heard: list[int] = []
    watch, agent = Watch(), PPO("CartPole-v1", **SMALL)
    agent.learn(1000, [lambda agent, metrics: heard.append(agent.num_updates) or len(heard) < 3, watch])
    assert heard == [1, 2, 3] and len(watch.steps) == 48
    with pytest.raises(UserError, match="callback is a int"):
        agent.learn(32, 3)


@pytest.mark.parametrize("kind", [DummyVecEnv, SubprocVecEnv, VecMonitor])
def test_environments_of_sb3_are_taken(kind: Any) -> None:
    """The same episodes, and so the same weights, as in Gymnasium's own vector environment."""
    made = [lambda: gymnasium.make("CartPole-v1", max_episode_steps=9) for _ in range(2)]
    options = {"start_method": "fork"} if kind is SubprocVecEnv else {}
    theirs = VecMonitor(DummyVecEnv(made)) if kind is VecMonitor else kind(made, **options)
    mode = gymnasium.vector.AutoresetMode.SAME_STEP
    ours = gymnasium.vector.SyncVectorEnv(made, autoreset_mode=mode)
    watch = Watch()
    a, b = PPO(theirs, n_steps=32).learn(128, watch), PPO(ours, n_steps=32).learn(128)
    for one, other in zip(a.policy.parameters(), b.policy.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach(), other.detach())
    assert a.collector.recent == b.collector.recent and len(a.collector.recent) > 8
    assert a.get_env() is theirs and a.get_vec_normalize_env() is None
    told = [info["episode"]["l"] for step in watch.steps for info in step["infos"] if "episode" in info]
    assert told == [n for _, n in a.collector.recent]
    a.close()


def test_vec_normalize_goes_on_working() -> None:
    venv = VecNormalize(make_vec_env("Pendulum-v1", n_envs=2))
    agent = PPO("MlpPolicy", venv, n_steps=64)
    agent.learn(512)
    assert agent.get_vec_normalize_env() is unwrap_vec_normalize(venv) is venv
    assert venv.obs_rms.count > 500 and abs(venv.obs_rms.mean).max() > 0
    other = VecNormalize(make_vec_env("Pendulum-v1", n_envs=1), training=False)
    agent.learn(64, callbacks.EvalCallback(other, eval_freq=32, n_eval_episodes=1, verbose=0))
    np.testing.assert_array_equal(other.obs_rms.mean, venv.obs_rms.mean)
    agent.set_env(make_vec_env("Pendulum-v1", n_envs=3))
    assert agent.learn(192).n_envs == 3


@pytest.mark.parametrize("make", [lambda: make_vec_env("CartPole-v1", n_envs=2), lambda: "Pendulum-v1"])
def test_an_environment_that_others_played_in_begins_anew(make: Any) -> None:
    """What the agent sees first is where the environment is, not where it was before others played in it; the episodes
    are others than at the first time."""
    agent = PPO("MlpPolicy", make(), **SMALL).learn(64)
    evaluate_policy(agent, agent.get_env(), n_eval_episodes=3)
    assert agent.get_env() is agent.get_env()
    agent.learn(32, reset_num_timesteps=True)
    elsewhere = agent.get_env().reset()
    agent.begin_anew()
    found = agent.collector.collect(4)
    assert found.start[0].all() and not np.array_equal(found.obs[0], elsewhere)
    begun = PPO("MlpPolicy", make(), **SMALL).collector.collect(4)
    assert not np.array_equal(found.obs[0], begun.obs[0])
    assert agent.learn(32).num_timesteps == 32


def test_the_environment_of_an_id_is_one_for_sb3() -> None:
    agent = PPO("MlpPolicy", "CartPole-v1", **SMALL)  # whose batched form cannot be reset in part
    assert 8 <= evaluate_policy(agent, agent.get_env(), n_eval_episodes=4)[0] <= 500
    short = PPO(gymnasium.make_vec("CartPole-v1", num_envs=2, max_episode_steps=6), n_steps=8)
    assert evaluate_policy(short, short.get_env(), n_eval_episodes=4) == (6.0, 0.0)
    assert short.learn(32).num_timesteps == 32
