"""A2C and PPO on every space, saved, resumed, called back, and when something is wrong."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import SyncVectorEnv
from threadpoolctl import ThreadpoolController

from lhy_rl.agents import A2C, PPO, Reinforce
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree
from lhy_rl.nn.policies.actor_critic import ActorCritic
from tests.agents.small_envs import Always, Failing, NoChoice, Parrot
from tests.nn.own_networks import Doubling

SMALL = {"num_envs": 3, "n_steps": 8, "embedding_size": 16, "hidden_size": 16, "seed": 0}


@pytest.mark.parametrize("kind", [A2C, PPO])
@pytest.mark.parametrize("observation", ["box", "image", "tokens", "multi", "bits", "dict"])
@pytest.mark.parametrize("action", ["discrete", "multi", "bits", "box"])
@pytest.mark.parametrize("core", [None, "gru"])
def test_every_space(kind, observation, action, core):
    agent = kind(lambda: Parrot(observation, action), **SMALL, core=core).learn(30)  # two updates
    obs, _ = agent.env.reset(seed=0)
    actions, state = agent.predict(obs)
    assert all(a in agent.env.single_action_space for a in actions)
    one = Parrot(observation, action)
    choice, _ = agent.predict(one.reset(seed=0)[0], deterministic=True)
    assert choice in one.action_space
    assert len(state) == (4 if core == "lstm" else 2 if core else 0)


@pytest.mark.parametrize("core", [None, "gru"])
def test_masked_actions_are_never_taken(core):
    agent = PPO(lambda: Parrot(masked=True), **{**SMALL, "n_steps": 64}, core=core)
    steps = agent.collector.collect(64)
    assert steps.action_mask is not None and not steps.action_mask.all()
    assert steps.action_mask.gather(-1, steps.actions[..., None] - 3).all()
    agent.learn(200)


def test_a_user_s_own_environment_instance():
    agent = PPO(Always(), **SMALL).learn(30)
    assert agent.env.num_envs == 1 and agent.num_timesteps >= 30


@pytest.mark.parametrize("core", [None, "lstm"])
def test_resuming_is_bit_for_bit(core, tmp_path):
    def make(seed=0):
        return PPO(
            gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=4, vocabulary_size=6, max_length=5, hidden_size=4,
                               embedding_size=4, train_size=50, validation_size=10, test_size=10,
                               autoreset_mode="SameStep"),
            n_steps=8, core=core, embedding_size=8, hidden_size=8, seed=seed, batch_size=16, normalize_rewards=True,
        )  # fmt: skip

    whole = make().learn(32 * 6)
    begun = make()
    begun.learn(32 * 6, callback=lambda agent, metrics: agent.num_updates < 3)
    archive.write(tmp_path / "state.zip", begun.state_dict())
    resumed = make(seed=9)
    resumed.load_state_dict(archive.read(tmp_path / "state.zip"))
    resumed.learn(32 * 3, reset_num_timesteps=False)
    for a, b in zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_normaliser_is_saved_with_the_agent(tmp_path):
    agent = PPO("Pendulum-v1", **SMALL, normalize_observations=True, normalize_rewards=True).learn(200)
    agent.save(tmp_path / "agent")
    again = PPO.load(tmp_path / "agent", "Pendulum-v1")
    obs = np.array([[0.3, -0.9, 5.0]], np.float32)
    np.testing.assert_array_equal(agent.predict(obs, deterministic=True)[0], again.predict(obs, deterministic=True)[0])
    assert abs(agent.normalizer.observed.mean[2]) > 1e-3


def test_sb3_s_tools_run_unchanged(tmp_path):
    sb3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common import callbacks
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.monitor import Monitor

    assert sb3.__version__
    agent = PPO(lambda: Parrot(), **SMALL)
    stop = callbacks.StopTrainingOnRewardThreshold(reward_threshold=-1.0, verbose=0)
    checkpoint = callbacks.CheckpointCallback(save_freq=5, save_path=str(tmp_path / "checkpoints"))
    evaluation = callbacks.EvalCallback(
        Monitor(Parrot()), best_model_save_path=str(tmp_path / "best"), eval_freq=12, n_eval_episodes=2,
        callback_on_new_best=stop, verbose=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Training and eval env are not of the same type")  # an adapter, and SB3's own
        agent.learn(10_000, callback=[checkpoint, evaluation])
    assert agent.num_timesteps == 12 * 3, "the threshold stops it in the middle of an update"
    assert len(list((tmp_path / "checkpoints").glob("*.zip"))) == 2
    best = PPO.load(tmp_path / "best" / "best_model", lambda: Parrot())
    mean, _ = evaluate_policy(best, Monitor(Parrot()), n_eval_episodes=3)
    assert 0 <= mean <= 8


def test_numpy_takes_as_many_threads_as_torch_while_learning():
    """Otherwise it takes one a core, and they wait busily between the products of acting."""
    controller, seen = ThreadpoolController().select(user_api="blas"), []

    def threads():
        return {library["num_threads"] for library in controller.info()}

    with controller.limit(limits=2):
        PPO(Always(), **SMALL).learn(30, callback=lambda agent, metrics: seen.append(threads()))
        assert threads() == {2}
    assert seen
    assert all(counts == {torch.get_num_threads()} for counts in seen)


def test_sb3_s_callbacks_run_on_agents_that_play_whole_episodes(tmp_path):
    callbacks = pytest.importorskip("stable_baselines3.common.callbacks")
    checkpoint = callbacks.CheckpointCallback(save_freq=2, save_path=str(tmp_path))
    Reinforce(lambda: Parrot(), num_envs=2, core=None, seed=0).learn(8 * 2 * 5, callback=checkpoint)
    assert len(list(tmp_path.glob("*.zip"))) == 2, "after updates 2 and 4 of 5"


def test_wandb_s_callback_runs(tmp_path):
    wandb = pytest.importorskip("wandb")
    from wandb.integration.sb3 import WandbCallback

    with wandb.init(project="lhy_rl", dir=str(tmp_path), mode="disabled"):  # it reads WANDB_MODE once a process
        PPO(lambda: Parrot(), **SMALL).learn(60, callback=WandbCallback(model_save_path=str(tmp_path / "model")))
    assert (tmp_path / "model" / "model.zip").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Failing("observation"), "the observation of instance 0 at step 21 is not a number"),
        (lambda: Failing("reward"), "the reward of instance 0 at step 21 is not a number"),
        (lambda: NoChoice(), "no action is allowed in instance 0 at step 3"),
        (lambda: Parrot("text"), "no encoder for observations of Text"),
        (lambda: Parrot("box", "text"), "no actor head for actions of Text"),
    ],
)
def test_failures_speak(make, message):
    with pytest.raises(UserError, match=message) as error:
        PPO(SyncVectorEnv([make]), **{**SMALL, "n_steps": 32}).learn(64)
    assert "\n" not in str(error.value)


def test_an_environment_that_raises_keeps_its_own_error():
    with pytest.raises(RuntimeError, match="the robot fell over"):
        PPO(lambda: Failing("raises"), **SMALL).learn(200)


def test_gradients_that_are_no_numbers_are_named():
    agent = PPO(lambda: Parrot(), **SMALL)
    with torch.no_grad():
        agent.policy.critic.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="loss or gradient is not finite at step 24"):
        agent.learn(100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gae_lamda": 1}, "did you mean 'gae_lambda'"),
        ({"gamma": 1.5}, "gamma is 1.5"),
        ({"clip_range": 0}, "clip_range is 0"),
        ({"critic": "shraed"}, "did you mean 'shared'"),
        ({"critic": "none"}, "needs a critic"),
        ({"activation": "rleu"}, "did you mean 'relu'"),
        ({"bptt_steps": 3}, "must be a multiple"),
        ({"bptt_steps": 4}, "bptt_steps is 4, but the policy is not recurrent; choose a core, such as gru"),
        ({"dropout": 0.1}, "PPO allows no dropout or batch norm: set dropout=0, norm layer or none"),
        ({"norm": "batch"}, "PPO allows no dropout or batch norm: set dropout=0, norm layer or none"),
        ({"learning_rate_schedule": "linaer"}, "did you mean 'linear'"),
        ({"encoder": "cnn"}, "encoder 'cnn' reads"),
    ],
)
def test_bad_options_are_one_line(options, message):
    with pytest.raises(UserError, match=message) as error:
        PPO(lambda: Parrot(), **{**SMALL, **options})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCarContinuous-v0", "batched"])
def test_resuming_in_classic_control_is_bit_for_bit(env_id, tmp_path):
    """In the middle of episodes, some of which end before and some after the stop."""

    def make(seed=0):
        env = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point")
        return PPO(env if env_id == "batched" else env_id, **{**SMALL, "n_steps": 70, "seed": seed})

    whole = make().learn(3 * 70 * 6)
    begun = make()
    begun.learn(3 * 70 * 6, callback=lambda agent, metrics: agent.num_updates < 3)
    archive.write(tmp_path / "state.zip", begun.state_dict())
    resumed = make(seed=9)
    resumed.load_state_dict(archive.read(tmp_path / "state.zip"))
    resumed.learn(3 * 70 * 3, reset_num_timesteps=False)
    for a, b in zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_where_the_state_cannot_be_had_other_episodes_begin_and_a_line_says_so():
    agent = PPO(lambda: Parrot(), **SMALL)
    agent.learn(24)
    first = agent.collector.seed
    again = PPO(lambda: Parrot(), **SMALL)
    again.load_state_dict(agent.state_dict())
    seeds = []
    reset = again.env.reset
    again.env.reset = lambda *, seed=None, options=None: (seeds.append(seed), reset(seed=seed))[1]
    with pytest.warns(UserWarning, match="will differ from one that was never stopped"):
        again.learn(24, reset_num_timesteps=False)
    assert len(seeds) == 1 and seeds[0] != first


@pytest.mark.parametrize("observation", ["box", "dict"])
def test_a_minibatch_of_one_step_has_no_moments(observation):
    env = Parrot(observation)
    policy = ActorCritic(env.observation_space, env.action_space, core=None, norm="batch")
    obs, actions = map_tree(
        lambda x: torch.as_tensor(x)[None, None], (env.reset()[0], np.array(env.action_space.start))
    )
    with pytest.raises(
        UserError, match="norm 'batch' needs two or more steps in each minibatch, and this one has 1; change batch_size"
    ):
        policy.evaluate(obs, actions, (), torch.ones(1, 1, dtype=torch.bool))


@pytest.mark.parametrize("kind", [PPO, A2C])
@pytest.mark.parametrize("core", [None, "gru"])
def test_what_learns_is_what_acted(kind, core):
    """A network of one's own may have dropout: it has none here, and the first ratio is 1."""
    agent = kind(lambda: Parrot(), encoder=Dropping, core=core, **SMALL)
    rollout = agent.collect()
    batch = agent.compute_advantages(rollout)
    found = agent.policy.evaluate(batch.obs, batch.actions, batch.state, batch.start, valid=batch.valid)
    torch.testing.assert_close(found.log_prob, batch.log_prob)
    metrics = agent.train_on_batch(batch)
    assert not agent.policy.training
    assert all(layer.training for layer in agent.policy.modules() if isinstance(layer, torch.nn.RNNBase)), "for cuDNN"
    if kind is PPO and core is None:
        agent = PPO(lambda: Parrot(), encoder=Dropping, n_epochs=1, batch_size=24, **SMALL)
        metrics = agent.update()
        assert abs(metrics["train/approx_kl"]) < 1e-6 and metrics["train/clip_fraction"] == 0


class Dropping(Doubling):
    """An encoder with dropout."""

    def forward(self, obs):
        return torch.nn.functional.dropout(super().forward(obs), 0.5, self.training)
