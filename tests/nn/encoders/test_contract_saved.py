"""What an autoencoder has learned is an agent's encoder: frozen or not, the right pictures, and without the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

import lhy_rl
from lhy_rl.agents import PPO, VAE, Agent, Autoencoder, agents
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.experiment import start_run
from lhy_rl.experiment.config import load
from lhy_rl.experiment.run_folder import RunFolder
from lhy_rl.nn.encoders.base import EncoderOptions
from lhy_rl.nn.encoders.select import make_encoder
from lhy_rl.nn.generative.saved_encoder import SavedEncoder
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.record_episodes import random_policy, record
from lhy_rl.rollouts.vector_envs import make_vec
from tests.agents.generative.test_contract_domain_transfer import tensors

CATCH: dict[str, Any] = {"canvas": 20, "field": 5}
LEARNER: dict[str, Any] = {"gradient_steps": 2, "batch_size": 8, "width": 4, "code_size": 6, "film": 0}
SMALL: dict[str, Any] = {"n_steps": 8, "batch_size": 16, "n_epochs": 1, "embedding_size": 6}
BYTES = Box(0, 255, (1, 20, 20), np.uint8)


def catch() -> Any:
    return make_vec("lhy_rl/Catch-v0", 4, **CATCH)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """(N, 20, 20) bytes of random episodes."""
    env = catch()
    found = [env.reset(seed=0)[0]]
    found += [env.step(env.action_space.sample())[0] for _ in range(9)]
    return np.concatenate(found)[:, 0]


@pytest.fixture
def place(frames: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a variational autoencoder of these pictures, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    np.savez("frames.npz", pictures=frames)
    agent = VAE(make_vec("lhy_rl/Digits-v0", 2, pictures="frames.npz"), **LEARNER).learn(64)
    agent.save("vae.zip")
    return tmp_path / "vae.zip"


@pytest.mark.parametrize("kind", [VAE, Autoencoder])
def test_the_encoder_is_what_the_agent_encodes(place: Path, kind: type[Agent], frames: np.ndarray) -> None:
    agent: Any = kind(make_vec("lhy_rl/Digits-v0", 2, pictures="frames.npz"), **LEARNER).learn(32)
    agent.save("learned.zip")
    codes = agent.encode(frames[..., None].astype(np.float32) / 127.5 - 1)
    given: list[tuple[Box, np.ndarray]] = [
        (BYTES, frames[:, None]),
        (Box(0, 255, (20, 20, 1), np.uint8), frames[..., None]),
        (Box(0, 1, (1, 20, 20)), np.float32(frames[:, None] / 255)),
        (Box(-1, 1, (1, 1, 20, 20)), np.float32(frames[:, None, None] / 127.5 - 1)),
    ]
    for space, obs in given:
        encoder = make_encoder("learned.zip", space, EncoderOptions(layers=0))
        y = encoder(torch.as_tensor(obs).unflatten(0, (4, 10)))
        np.testing.assert_allclose(y.detach().flatten(0, 1).numpy(), codes, atol=2e-5)


def test_frozen_stays_and_tuned_learns(place: Path) -> None:
    for frozen in (True, False):
        agent = PPO(catch(), encoder="vae.zip", encoder_options={"frozen": frozen}, init_std=0.1, **SMALL)
        policy = agent.policy
        assert isinstance(policy.trunk.encoder, SavedEncoder)
        saved = archive.read(place)["state"]["encoder"]
        network = policy.trunk.encoder.network
        assert all(torch.equal(saved[name], value) for name, value in network.state_dict().items()), "nobody draws anew"
        before = {name: value.clone() for name, value in policy.state_dict().items()}
        agent.learn(64)
        moved = {name for name, value in policy.state_dict().items() if not torch.equal(value, before[name])}
        inside = {name for name in before if ".network." in name}
        assert moved.isdisjoint(inside) if frozen else len(moved & inside) > 8
        assert {name for name in moved if ".layers." in name}, "what stands behind learns"


def test_features_are_those_of_the_last_convolution(place: Path, frames: np.ndarray) -> None:
    obs = torch.as_tensor(frames[:, None])
    encoder: Any = make_encoder("vae.zip", BYTES, EncoderOptions(layers=0, features=True))
    network = encoder.network.reader.network
    assert encoder.output_size == 4 * LEARNER["width"] * 3 * 3 == network.output.in_features
    assert torch.equal(encoder(obs), network.convolutions(obs / 127.5 - 1).flatten(1))
    code = make_encoder("vae.zip", BYTES, EncoderOptions(layers=0))(obs)
    torch.testing.assert_close(network.output(encoder(obs))[:, : LEARNER["code_size"]], code)


def test_with_features_all_but_the_layer_of_the_code_learns_and_goes_on_bit_for_bit(place: Path) -> None:
    given: dict[str, Any] = {**SMALL, "encoder_options": {"features": True, "hidden_sizes": [5]}}
    whole, half = (PPO(catch(), encoder="vae.zip", **given) for _ in range(2))
    before = {name: value.clone() for name, value in whole.policy.state_dict().items()}
    whole.learn(128)
    moved = {name for name, value in whole.policy.state_dict().items() if not torch.equal(value, before[name])}
    assert {name for name in before if ".network.output." in name}.isdisjoint(moved)
    assert len({name for name in moved if ".network.convolutions." in name}) > 8
    half.learn(128, callback=lambda agent, metrics: agent.num_updates < 2)
    half.save("half.zip")
    place.unlink()
    again = PPO.load("half.zip", catch())
    again.learn(128 - again.num_timesteps, reset_num_timesteps=False)
    ours, theirs = (agent.policy.state_dict() for agent in (whole, again))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_agents_own_cnn_reads_the_same_in_an_autoencoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = np.random.default_rng(0).integers(256, size=(40, 36, 40), dtype=np.uint8)
    np.savez("wide.npz", pictures=pictures)
    tasks = make_vec("lhy_rl/Digits-v0", 2, pictures="wide.npz")
    Autoencoder(tasks, network="cnn", **LEARNER).learn(32).save("learned.zip")
    space = Box(0, 255, (1, 36, 40), np.uint8)
    learned: Any = make_encoder("learned.zip", space, EncoderOptions(layers=0, features=True))
    plain: Any = make_encoder("cnn", space, EncoderOptions(hidden_sizes=(), activation="relu"))
    plain.convolutions.load_state_dict(learned.network.reader.network.convolutions.convolutions.state_dict())
    obs = torch.as_tensor(pictures[:7, None])
    torch.testing.assert_close(learned(obs), plain(obs), atol=1e-5, rtol=1e-4)
    assert learned(obs).std(0).max() > 1e-4, "it tells pictures apart"


@pytest.mark.parametrize("options", [{}, {"critic": "separate", "orthogonal": True}, {"core": "gru", "num_layers": 2}])
def test_a_learner_goes_on_bit_for_bit_without_the_file(place: Path, options: dict[str, Any]) -> None:
    frozen = {"encoder_options": {"frozen": True}} if "core" in options else {}
    given: dict[str, Any] = {**SMALL, **options, **frozen}
    whole = PPO(catch(), encoder="vae.zip", **given).learn(128)
    half = PPO(catch(), encoder="vae.zip", **given)
    half.learn(128, callback=lambda agent, metrics: agent.num_updates < 2)
    half.save("half.zip")
    place.unlink()
    again = PPO.load("half.zip", catch())
    again.learn(128 - again.num_timesteps, reset_num_timesteps=False)
    again.save("again.zip")
    obs = catch().reset(seed=7)[0]
    once_more = PPO.load("again.zip")
    assert once_more.hyperparameters["encoder"] == "saved"
    assert np.array_equal(again.predict(obs, deterministic=True)[0], once_more.predict(obs, deterministic=True)[0])
    ours, theirs = (tensors({"state": agent.state_dict()["policy"]}) for agent in (whole, again))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_keeps_its_own_copy_and_resumes_bit_for_bit(place: Path) -> None:
    def config(folder: str) -> Any:
        overrides = {
            "env.canvas": 20, "env.field": 5, "agent.encoder": "vae.zip", "agent.n_steps": 8, "agent.num_envs": 4,
            "agent.batch_size": 16, "total_timesteps": 128, "run.folder": folder, "run.tracker": "none",
            "run.plots": False, "run.evaluation_episodes": 2,
        }  # fmt: skip
        return load("ppo/catch", overrides)

    start_run.train(config("whole"))
    run = start_run.prepare(config("half"))
    folder = start_run.make_folder(run, config("half"))
    run.agent.learn(128, callback=lambda agent, metrics: agent.num_updates < 2)
    folder.checkpoints.mkdir(exist_ok=True)
    archive.write(folder.checkpoints / "update-00000002.zip", run.state_dict())
    place.unlink()
    Path("half").rename("moved")
    resumed = start_run.resume(Path("moved"))
    assert resumed is not None
    ours, theirs = (tensors(lhy_rl.load(name).state_dict()["policy"]) for name in ("whole", "moved"))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert load("moved/config.yaml").values["agent"]["encoder"] == "encoder.zip"
    start_run.train(load("moved/config.yaml", {"run.folder": "again", "seed": 1, "total_timesteps": 32}))
    assert (RunFolder(Path("again")).path / "encoder.zip").stat().st_size < 30_000


def test_a_run_of_a_vae_is_an_encoder_as_its_file_is(place: Path) -> None:
    overrides = {
        "agent.name": "vae", "env.conditional": False, "env.pictures": "frames.npz", "total_timesteps": 64,
        **{f"agent.{name}": value for name, value in LEARNER.items()},
        "run.folder": "runs/vae", "run.tracker": "none", "run.plots": False, "run.evaluation_episodes": 2,
    }  # fmt: skip
    start_run.train(load("vae/digits", {**overrides, "agent.num_envs": 2}))
    lhy_rl.load("runs/vae").save("same.zip")
    newest = sorted(Path("runs/vae/checkpoints").glob("update-*.zip"))[-1]
    obs = torch.randint(256, (5, *BYTES.shape), dtype=torch.uint8)
    codes = [make_encoder(str(name), BYTES, EncoderOptions(layers=0))(obs) for name in ("runs/vae", newest, "same.zip")]
    assert torch.equal(codes[0], codes[1]) and torch.equal(codes[0], codes[2])


@pytest.mark.parametrize("name", ["bc", "gail", "a2c", "reinforce"])
def test_every_agent_of_pixels_takes_it(place: Path, name: str) -> None:
    options: dict[str, Any] = {"embedding_size": 6, "encoder": "vae.zip"}
    if name in ("bc", "gail"):
        options["demonstrations"] = record(catch(), random_policy(Discrete(3), 0), 3)
    agent = agents.get(name)(catch(), **options)
    assert isinstance(agent.policy.trunk.encoder, SavedEncoder)
    agent.save("agent.zip")
    place.unlink()
    again = type(agent).load("agent.zip", catch())
    obs = catch().reset(seed=1)[0]
    assert np.array_equal(agent.predict(obs, deterministic=True)[0], again.predict(obs, deterministic=True)[0])


def refused(place: str, space: Any = BYTES, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        make_encoder(place, space, EncoderOptions(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_other_pictures_and_other_files_are_one_line(place: Path) -> None:
    small, colour = Box(0, 255, (1, 16, 24), np.uint8), Box(0, 255, (20, 20, 3), np.uint8)
    wanted = "'vae.zip': it was trained on images of 20 x 20 pixels and 1 channel, "
    assert f"{wanted}observations are 24 x 16 with 1; train it anew" in refused("vae.zip", small)
    assert f"{wanted}observations are 20 x 20 with 3" in refused("vae.zip", colour)
    assert "it reads images of 20 x 20 pixels and 1 channel, not Discrete(3)" in refused("vae.zip", Discrete(3))
    assert "pixels are from 0 to 9; allowed: 0 to 255, 0 to 1" in refused("vae.zip", Box(0, 9, (1, 20, 20)))
    assert "pixels are from -inf to inf" in refused("vae.zip", Box(-np.inf, np.inf, (1, 20, 20)))
    assert "cannot read 'nowhere.zip'" in refused("nowhere.zip")
    assert "cannot read 'runs" in refused("runs/nowhere")
    Path("empty").mkdir()
    assert "'empty' is not a run with checkpoints" in refused("empty")
    place.write_bytes(place.read_bytes()[:-900])
    assert "'vae.zip' is cut off" in refused("vae.zip")
    PPO("CartPole-v1", num_envs=2).save("ppo.zip")
    assert "'ppo.zip' holds a PPO, not an encoder; allowed: those of vae and autoencoder" in refused("ppo.zip")
    VAE(make_vec("lhy_rl/Digits-v0", 2, pictures="optical", conditional=True), **LEARNER).save("digits.zip")
    assert "with conditions, Discrete(10), which an encoder does not get" in refused("digits.zip")
    assert "frozen is only for a saved encoder" in refused("cnn_small", frozen=True)
    assert "features is only for a saved encoder" in refused("cnn_small", features=True)
    with pytest.raises(UserError, match=r"'cnn' needs images .* 36 x 36 up, not Box.*20, 20, 1.*: convolutions, mlp$"):
        VAE(make_vec("lhy_rl/Digits-v0", 2, pictures="frames.npz"), network="cnn", **LEARNER)
    VAE(make_vec("lhy_rl/Digits-v0", 2, pictures="frames.npz"), network="mlp", **LEARNER).save("mlp.zip")
    assert "'mlp.zip': features are those of convolutions" in refused("mlp.zip", features=True)
    assert "unknown encoder 'vae'" in refused("vae")
    with pytest.raises(UserError, match="encoder 'saved' needs the file of a vae"):
        ActorCritic(BYTES, Discrete(2), encoder="saved")


def test_a_file_that_somebody_made_is_one_line(place: Path) -> None:
    tree = archive.read(place)
    for change in (
        {"options": {**tree["options"], "code_size": 7}},
        {"options": {**tree["options"], "width": "wide"}},
        {"spaces": [tree["spaces"][0], {"type": "Box"}]},
        {"spaces": 3},
        {"state": {}},
        {"state": {"encoder": 5}},
        {"agent": 5},
    ):
        archive.write("odd.zip", {**tree, **change})
        assert "odd.zip" in refused("odd.zip")


def test_an_autoencoder_of_points_reads_points(tmp_path: Path) -> None:
    agent = Autoencoder(make_vec("lhy_rl/Ring-v0", 2, points=50), gradient_steps=1, batch_size=8, code_size=2)
    agent.save(tmp_path / "points.zip")
    encoder = make_encoder(str(tmp_path / "points.zip"), agent.env.single_action_space, EncoderOptions(layers=0))
    points = agent.env.unwrapped.samples("train").samples[:9]
    np.testing.assert_allclose(encoder(torch.as_tensor(points)).detach().numpy(), agent.encode(points), atol=1e-5)
