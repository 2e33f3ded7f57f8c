"""Every agent: the same seed gives the same weights, resuming and saving continue bit for bit, bad options speak."""

import warnings

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.agents import MLE, PPO, Reinforce, SeqGAN, agents
from lhy_rl.core.errors import UserError
from tests.agents.tiny import make_env

SHARED = {"hidden_size": 5, "embedding_size": 4}
SMALL = {
    "pretrain_epochs": 0.2,
    "discriminator": "cnn_small",
    "discriminator_pretrain_steps": 3,
    "discriminator_steps": 2,
    "discriminator_batch_size": 16,
    "rollouts": 2,
}
CASES = {
    "mle": (MLE, {"gradient_steps": 5, "dropout": 0.3}, 64 * 4 * 20),
    "mle scheduled": (MLE, {"gradient_steps": 5, "scheduled_sampling": "linear"}, 64 * 4 * 20),
    "reinforce": (Reinforce, {"entropy_coef": 0.01, "normalize_advantage": True}, 8 * 4 * 5),
    "reinforce critic": (Reinforce, {"baseline": "critic", "gamma": 0.9}, 8 * 4 * 5),
    "reinforce self-critical": (Reinforce, {"baseline": "self_critical"}, 8 * 4 * 5),
    "reinforce kl": (Reinforce, {"pretrain_epochs": 0.2, "kl_coef": 0.1, "likelihood_coef": 0.5}, 8 * 4 * 5),
    "seqgan": (SeqGAN, SMALL, 8 * 4 * 4),
    "seqgan prefix": (SeqGAN, {**SMALL, "credit": "prefix", "discriminator": "recurrent"}, 8 * 4 * 4),
    "seqgan critic": (SeqGAN, {**SMALL, "credit": "critic", "baseline": "critic"}, 8 * 4 * 4),
    "seqgan self-critical": (SeqGAN, {**SMALL, "baseline": "self_critical"}, 8 * 4 * 4),
    **{
        f"seqgan {name}": (
            SeqGAN,
            {**SMALL, "objective": name, "discriminator": "autoencoder" if name == "began" else "cnn_small"},
            8 * 4 * 3,
        )
        for name in ("began", "wgan", "wgan_gp")  # which do more than a formula
    },
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def make(case, seed=0):
    kind, options, _ = case
    return kind(make_env(8, train_size=500, validation_size=64), seed=seed, **SHARED, **options)


def tensors(tree, path=""):
    """All tensors of a state, by their place."""
    if isinstance(tree, torch.Tensor):
        return {path: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, (list, tuple)) else ()
    return {k: v for key, value in items for k, v in tensors(value, f"{path}/{key}").items()}


def assert_same(a, b):
    first, second = tensors(a.state_dict()), tensors(b.state_dict())
    assert first.keys() == second.keys()
    for place in first:
        assert torch.equal(first[place], second[place]), place


def test_same_seed_same_everything_and_global_randomness_is_neither_used_nor_touched(case):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = make(case).learn(case[2])
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))
    torch.manual_seed(2)
    assert_same(first, make(case).learn(case[2]))
    other = make(case, seed=1).learn(case[2])
    weights = [torch.cat([p.flatten() for p in agent.policy.parameters()]) for agent in (first, other)]
    assert not torch.equal(*weights)


def test_resuming_at_any_update_is_bit_for_bit_and_metrics_are_finite_numbers_named_like_sb3s(case, tmp_path):
    from lhy_rl.core import archive

    whole, rows = make(case), []
    whole.learn(case[2], callback=lambda agent, metrics: rows.append({**metrics}))
    for row in rows:
        assert all(key.split("/")[0] in ("rollout", "train", "time") for key in row)
        assert all(isinstance(value, (int, float)) and np.isfinite(value) for value in row.values()), row
        assert {"time/fps", "time/total_timesteps", "time/time_elapsed"} <= row.keys()
    for stop in {1, len(rows) // 2, len(rows) - 1} - {0}:
        begun = make(case)
        begun.learn(case[2], callback=lambda agent, metrics, stop=stop: agent.num_updates < stop)
        archive.write(tmp_path / "state.zip", begun.state_dict())
        resumed, later = make(case, seed=5), []
        resumed.load_state_dict(archive.read(tmp_path / "state.zip"))
        left = case[2] - resumed.num_timesteps
        resumed.learn(left, callback=lambda a, m, later=later: later.append({**m}), reset_num_timesteps=False)
        assert_same(whole, resumed)
        for a, b in zip(rows[stop:], later, strict=True):
            assert {k: v for k, v in a.items() if not k.startswith("time/")} == {
                k: v for k, v in b.items() if not k.startswith("time/")
            }


def test_save_load_predict(case, tmp_path):
    agent = make(case).learn(case[2])
    agent.save(tmp_path / "agent.zip")
    again = type(agent).load(tmp_path / "agent.zip", make_env(8, train_size=500, validation_size=64))
    obs, state, start = np.zeros(8, np.int64), None, np.ones(8, bool)
    for _ in range(4):
        actions, state = agent.predict(obs, state, start, deterministic=True)
        assert actions.shape == (8,)
        obs, start = actions, np.zeros(8, bool)
    state, obs = None, np.zeros(8, np.int64)
    for _ in range(4):
        again_actions, state = again.predict(obs, state, deterministic=True)
        obs = again_actions
    np.testing.assert_array_equal(actions, again_actions)
    with pytest.raises(UserError, match="not"):
        ({MLE: SeqGAN}.get(type(agent), MLE)).load(tmp_path / "agent.zip", "lhy_rl/OracleText-v0")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (MLE, {"lerning_rate": 1}, "did you mean 'learning_rate'"),
        (SeqGAN, {"batchsize": 1}, "unknown option 'batchsize' of SeqGAN|unknown option of SeqGAN 'batchsize'"),
        (MLE, {"learning_rate": -1}, "learning_rate is -1"),
        (MLE, {"learning_rate": float("nan")}, "learning_rate"),
        (MLE, {"dropout": 1.5}, "dropout is 1.5"),
        (MLE, {"init_std": -0.1}, "init_std is -0.1; allowed: at least 0"),
        (MLE, {"log_std_init": 1000.0}, "log_std_init is 1000.0; allowed: -20 to 20"),
        (MLE, {"core": "lsmt"}, "did you mean 'lstm'"),
        (MLE, {"scheduled_sampling": "linaer"}, "did you mean 'linear'"),
        (MLE, {"device": "tpu9"}, "device 'tpu9'"),
        (Reinforce, {"baseline": "maen"}, "did you mean 'mean'"),
        (Reinforce, {"kl_coef": 1.0}, "pretrain_epochs"),
        (SeqGAN, {"objective": "wgan-gp"}, "did you mean 'wgan_gp'"),
        (SeqGAN, {"objective": "began"}, "autoencoder"),
        (SeqGAN, {"credit": "prefix"}, "recurrent"),
        (SeqGAN, {"credit": "critic", "baseline": "mean"}, "critic"),
        (SeqGAN, {"rollouts": 0}, "rollouts is 0"),
    ],
)
def test_bad_options_are_one_line(kind, options, message):
    with pytest.raises(UserError, match=message) as error:
        kind(make_env(2), **SHARED, **options)
    assert "\n" not in str(error.value)


def test_an_environment_may_be_an_id_an_env_a_vector_env_or_a_callable():
    options = {"vocabulary_size": 5, "max_length": 3}
    single = gymnasium.make("lhy_rl/OracleText-v0", **options)
    for env in (single, lambda: gymnasium.make("lhy_rl/OracleText-v0", **options), make_env(2)):
        agent = Reinforce(env, num_envs=2, **SHARED).learn(10)
        assert agent.num_timesteps >= 10
    assert Reinforce("CartPole-v1", num_envs=2, core=None, **SHARED).learn(10).num_timesteps >= 10
    with pytest.raises(UserError, match="unknown environment"):
        Reinforce("lhy_rl/OracelText-v0")
    with pytest.raises(UserError, match="needs a text environment"):
        MLE("CartPole-v1")


def test_unknown_agent_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'seqgan'"):
        agents.get("seqgam")


@pytest.mark.parametrize(("core", "warned"), [(None, 1), ("gru", 0)])
def test_a_width_that_nothing_reads_is_a_warning(core, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        PPO("CartPole-v1", num_envs=1, n_steps=8, core=core, hidden_size=256)
    assert sum("hidden_size is 256" in str(warning.message) for warning in caught) == warned


@pytest.mark.parametrize(
    ("answer", "updates"),
    [(False, 1), (np.float64(1) < 0, 1), (torch.tensor(1.0) < 0, 1), (None, 3), (0, 3), (np.True_, 3), ("", 3)],
)
def test_a_callback_that_returns_false_ends_the_training(answer, updates):
    """Comparing means gives numpy's or torch's false, which are not ``False`` itself."""
    agent = PPO("CartPole-v1", num_envs=1, n_steps=8).learn(24, callback=lambda agent, metrics: answer)
    assert agent.num_updates == updates


def test_numbers_of_numpy_are_numbers(tmp_path):
    given = {"seed": np.int64(3), "n_steps": np.int64(8), "batch_size": np.int32(8), "gamma": np.float32(0.5)}
    one = PPO("CartPole-v1", num_envs=np.int64(2), hidden_sizes=np.array([8, 8]), **given).learn(np.int64(16))
    other = PPO("CartPole-v1", num_envs=2, hidden_sizes=[8, 8], seed=3, n_steps=8, batch_size=8, gamma=0.5).learn(1.6e1)
    one.save(tmp_path / "one.zip")
    assert_same(one, other)
    assert_same(PPO.load(tmp_path / "one.zip"), other)


@pytest.mark.parametrize("total", [-1, "100", None, float("nan"), float("inf"), True])
def test_a_total_that_is_none_is_one_line(total):
    with pytest.raises(UserError, match=r"total_timesteps is .*allowed: at least 0"):
        PPO("CartPole-v1", num_envs=1, n_steps=8).learn(total)


@pytest.mark.parametrize(("given", "meant"), [(torch.nn.ReLU, None), (torch.relu, None), ("ReLU", "relu"), (3, None)])
def test_an_unknown_activation_is_one_line(given, meant):
    with pytest.raises(UserError, match=f"did you mean {meant!r}" if meant else "unknown activation"):
        PPO("CartPole-v1", num_envs=1, activation=given)


@pytest.mark.parametrize("core", ["LSTM", ["lstm"]])
def test_a_core_by_another_case_or_type_is_one_line(core):
    with pytest.raises(UserError, match=r"did you mean 'lstm'|is not a "):
        PPO("CartPole-v1", num_envs=1, core=core)


@pytest.mark.parametrize("deterministic", [True, False])
def test_what_is_no_number_has_no_action(deterministic):
    agent = PPO("CartPole-v1", num_envs=1, n_steps=8)
    with pytest.raises(UserError, match="contains infinity or NaN"):
        agent.predict(np.full(4, np.nan), deterministic=deterministic)


def test_a_learning_rate_that_is_no_number_is_named():
    with pytest.raises(UserError, match="learning_rate is nan"):
        PPO("CartPole-v1", num_envs=1, learning_rate=lambda left: float("nan"))
