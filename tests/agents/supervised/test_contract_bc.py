"""Cloning on every space, saved, resumed, and with demonstrations that cannot be learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from lhy_rl.agents import BC
from lhy_rl.agents.supervised.labelled_steps import packed_rows
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.experiment.config import load
from lhy_rl.nn.policies.actor_critic import ActorCritic
from tests.agents.small_envs import Parrot

SMALL = {"embedding_size": 16, "hidden_size": 16, "gradient_steps": 5, "batch_size": 16, "seed": 0}


def demonstrations(observation: str = "box", action: str = "discrete", episodes: int = 6, length: int = 8) -> Any:
    """Random episodes in a parrot, the actions drawn."""
    env = Parrot(observation, action, length=length)
    env.action_space.seed(0)
    found = []
    for i in range(episodes):
        seen, acted, earned = [env.reset(seed=i)[0]], [], []
        for _ in range(length):
            acted.append(np.asarray(env.action_space.sample()))
            obs, reward, *_ = env.step(acted[-1] if acted[-1].ndim else acted[-1].item())
            seen.append(obs)
            earned.append(reward)
        stacked = map_tree(lambda *x: np.stack(x), *seen)
        found.append(Episode(stacked, np.stack(acted), np.array(earned), False, True))
    return Demonstrations(found, env.observation_space, env.action_space, {})


@pytest.mark.parametrize("observation", ["box", "image", "tokens", "multi", "bits", "dict"])
@pytest.mark.parametrize("action", ["discrete", "multi", "bits", "box"])
@pytest.mark.parametrize("core", [None, "gru"])
def test_every_space(observation: str, action: str, core: str | None) -> None:
    rows: list[dict[str, float]] = []
    agent = BC(
        lambda: Parrot(observation, action), demonstrations=demonstrations(observation, action), core=core, **SMALL
    ).learn(200, callback=lambda agent, metrics: rows.append(metrics))
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert {"train/nll", "train/nll_held_out", "train/entropy"} <= rows[0].keys()
    one = Parrot(observation, action)
    choice, _ = agent.predict(one.reset(seed=0)[0], deterministic=True)
    assert choice in one.action_space


@pytest.mark.parametrize("core", [None, "lstm"])
@pytest.mark.parametrize("patience", [None, 3])
def test_resuming_is_bit_for_bit(core: str | None, patience: int | None, tmp_path: Any) -> None:
    def make(seed: int = 0) -> BC:
        options = {**SMALL, "seed": seed, "dropout": 0.1}
        return BC(lambda: Parrot(), demonstrations=demonstrations(), core=core, patience=patience, **options)

    whole = make().learn(800)
    begun = make()
    begun.learn(800, callback=lambda agent, metrics: agent.num_updates < 2)
    archive.write(tmp_path / "state.zip", begun.state_dict())
    resumed = make()
    resumed.load_state_dict(archive.read(tmp_path / "state.zip"))
    resumed.learn(800 - resumed.num_timesteps, reset_num_timesteps=False)
    assert resumed.num_timesteps == whole.num_timesteps
    for a, b in zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_same_seed_same_weights_and_no_global_randomness() -> None:
    weights = []
    for seed, noise in ((0, 1), (0, 2), (1, 3)):
        torch.manual_seed(noise)
        agent = BC(lambda: Parrot(), demonstrations=demonstrations(), **{**SMALL, "seed": seed}).learn(200)
        weights.append(torch.cat([p.flatten() for p in agent.policy.parameters()]))
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_saved_and_loaded_it_acts_alike_without_its_demonstrations(tmp_path: Any) -> None:
    agent = BC(lambda: Parrot(), demonstrations=demonstrations(), **SMALL).learn(200)
    agent.save(tmp_path / "bc")
    again = BC.load(tmp_path / "bc", lambda: Parrot())
    obs = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
    np.testing.assert_array_equal(agent.predict(obs, deterministic=True)[0], again.predict(obs, deterministic=True)[0])
    with pytest.raises(UserError, match="bc needs demonstrations"):
        again.learn(10)
    further = BC.load(tmp_path / "bc", lambda: Parrot(), demonstrations=demonstrations())
    assert further.learn(100, reset_num_timesteps=False).num_timesteps >= 300


@pytest.mark.parametrize("core", [None, "gru"])
def test_loaded_it_learns_other_demonstrations_on_its_own_scale(core: str | None, tmp_path: Any) -> None:
    """What it sees in learning is what it sees in acting, and a pass that was begun goes on only if it can."""
    agent = BC(lambda: Parrot(), demonstrations=demonstrations(), core=core, **SMALL).learn(100)
    agent.save(tmp_path / "bc")
    given = demonstrations(episodes=1)
    given = replace(given, episodes=[replace(given.episodes[0], observations=given.episodes[0].observations * 0.1)])
    again = BC.load(tmp_path / "bc", lambda: Parrot(), demonstrations=given)
    assert agent.moments is not None and again.moments is not None and again.demonstrated is not None
    torch.testing.assert_close(again.moments, agent.moments)
    torch.testing.assert_close(again.dataset.obs, again.observe(again.demonstrated.obs))
    assert again.learn(100, reset_num_timesteps=False).num_timesteps > agent.num_timesteps


def test_who_learns_anew_judges_anew() -> None:
    """What was best in another training, perhaps of other demonstrations, does not win at the end."""
    agent = BC(lambda: Parrot(), demonstrations=demonstrations(), **SMALL).learn(200)
    agent.best_nll, agent.best = -100.0, {k: torch.zeros_like(x) for k, x in agent.policy.state_dict().items()}
    agent.learn(200)
    assert agent.best_nll > -100
    assert any(x.any() for x in agent.policy.parameters())


def test_the_best_weights_are_kept() -> None:
    """On actions that are pure chance, what is held out soon gets worse; the weights kept are from before that."""
    rows: list[float] = []
    options = {**SMALL, "gradient_steps": 20, "learning_rate": 0.03, "weight_decay": 0.0}
    agent = BC(lambda: Parrot(), demonstrations=demonstrations(), held_out=0.3, **options)
    agent.learn(20_000, callback=lambda agent, metrics: rows.append(metrics["train/nll_held_out"]))
    assert agent.held_out is not None
    kept = agent.held_out_metrics(agent.held_out)["train/nll_held_out"]
    assert kept == pytest.approx(min(rows), rel=1e-5) and kept < rows[-1] - 0.1
    early = BC(lambda: Parrot(), demonstrations=demonstrations(), held_out=0.3, patience=5, **options).learn(20_000)
    assert early.num_timesteps < agent.num_timesteps / 2


def test_what_is_held_out_are_whole_episodes() -> None:
    agent = BC(lambda: Parrot(), demonstrations=demonstrations(episodes=5), held_out=0.4, **SMALL)
    assert agent.held_out is not None
    assert [end - first for first, end in agent.held_out.episodes] == [8, 8]
    assert len(agent.dataset.episodes) == 3
    assert BC(lambda: Parrot(), demonstrations=demonstrations(episodes=1), **SMALL).held_out is None


def test_thousands_of_tiny_episodes_and_one_of_one_step() -> None:
    tiny = demonstrations(episodes=1, length=1)
    many = replace(tiny, episodes=list(tiny.episodes) * 2000)
    for given, core in ((many, "gru"), (many, None), (tiny, "gru"), (tiny, None)):
        agent = BC(lambda: Parrot(), demonstrations=given, core=core, **SMALL).learn(200)
        assert agent.num_timesteps >= 200


def test_the_scale_of_observations_is_the_examples() -> None:
    agent = BC("Pendulum-v1", demonstrations=constant_pendulum(), **SMALL)
    assert agent.moments is not None
    np.testing.assert_allclose(agent.moments[0], [0.5, 0.25, 2.0], rtol=1e-5)
    np.testing.assert_allclose(agent.moments[1], 1.0)  # what does not vary is not divided by almost nothing


def constant_pendulum() -> Demonstrations:
    env = gymnasium.make("Pendulum-v1")
    obs = np.tile(np.float32([0.5, 0.25, 2.0]), (11, 1))
    episode = Episode(obs, np.ones((10, 1), np.float32), np.zeros(10), False, True)
    return Demonstrations([episode], env.observation_space, env.action_space, {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"held_out": 1.5}, "held_out is 1.5"),
        ({"learning_rate_schedule": "linaer"}, "did you mean 'linear'"),
        ({"patience": 0}, "patience is 0"),
        ({"subsample": 0}, "subsample is 0"),
        ({"trajectories": 9}, "the number of demonstrations is 9"),
        ({"demonstrations": 3}, "demonstrations is 3"),
        ({"demonstrations": "no-such-expert"}, "no-such-expert"),
        ({"trajectoires": 1}, "did you mean 'trajectories'"),
    ],
)
def test_bad_options_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        BC(lambda: Parrot(), **{"demonstrations": demonstrations(), **SMALL, **options})
    assert "\n" not in str(error.value)


def test_demonstrations_of_other_spaces_are_refused() -> None:
    with pytest.raises(UserError):
        BC("CartPole-v1", demonstrations=demonstrations(), **SMALL)


def test_sb3_s_tools_run(tmp_path: Any) -> None:
    callbacks = pytest.importorskip("stable_baselines3.common.callbacks")
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor

    agent = BC(lambda: Parrot(), demonstrations=demonstrations(), **SMALL)
    agent.learn(500, callback=callbacks.CheckpointCallback(save_freq=2, save_path=str(tmp_path)), progress_bar=True)
    assert len(list(tmp_path.glob("*.zip"))) >= 2
    assert evaluate_policy(agent, Monitor(Parrot()), n_eval_episodes=2)[0] >= 0


def test_options_are_taken_by_their_former_names() -> None:
    with pytest.warns(FutureWarning, match="the option every is called subsample now"):
        agent = BC(lambda: Parrot(), demonstrations=demonstrations(), every=4, **SMALL)
    assert agent.demonstrated is not None and int(agent.demonstrated.labelled.sum()) == 12
    assert agent.hyperparameters["subsample"] == 4
    with pytest.warns(FutureWarning, match="agent.label_every is called agent.label_interval now"):
        config = load("dagger/drive", {"agent.label_every": "3"})
    assert config.values["agent"]["label_interval"] == 3


@pytest.mark.parametrize("filled", [False, True])
def test_steps_that_fill_up_have_no_part_in_a_batchs_moments(filled: bool) -> None:
    policy = ActorCritic(Box(-1, 1, (3,)), Discrete(2), norm="batch", core="gru", hidden_size=4, embedding_size=4)
    obs, valid = torch.randn(5, 2, 3), torch.tensor([[1, 1], [1, 1], [1, 0], [1, 0], [1, 0]], dtype=torch.bool)
    obs = torch.where(valid[..., None], obs, 100.0 * filled)
    start = torch.zeros(5, 2, dtype=torch.bool)
    start[0] = True
    policy.train()
    found = policy.evaluate(
        obs, torch.zeros(5, 2, dtype=torch.int64), policy.initial_state(2), start, entropy=True, valid=valid
    )
    mean, first = policy.trunk.encoder.layers[1].running_mean, policy.trunk.encoder.layers[0]
    torch.testing.assert_close(mean, 0.1 * first(obs[valid]).mean(0))
    (found.log_prob[valid].sum() + found.value[valid].sum()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in policy.parameters())


def test_a_recurrent_clones_batch_norm_sees_each_step_once() -> None:
    agent = BC(lambda: Parrot(), demonstrations=demonstrations(), core="gru", norm="batch", seed=0, held_out=0.0)
    steps = agent.dataset.steps
    agent.policy.train()
    spans = [(0, 2), (2, 9)]  # of two lengths
    agent.features(agent.dataset, packed_rows(spans))
    layer, norm = agent.policy.trunk.encoder.layers[:2]
    torch.testing.assert_close(norm.running_mean, 0.1 * layer(agent.dataset.obs[:9]).mean(0), atol=1e-5, rtol=1e-4)
    assert len(steps) > 9
