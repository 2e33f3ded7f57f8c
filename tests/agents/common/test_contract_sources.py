"""Agents in a task whose sentences answer to a source: they train, are saved and go on, and write answers."""

import numpy as np
import pytest
import torch

from benchmarks.echo import Echo
from lhy_rl.agents import A2C, MLE, PPO, Reinforce, SeqGAN
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.experiment.text_evaluation import compare, decode, validation_metrics, write_sentences
from lhy_rl.nn.decoding import beam_search, nll_per_token, sample, token_log_probs
from lhy_rl.rollouts.full_episodes import collect_episodes

SMALL = {"hidden_size": 8, "embedding_size": 8, "copy": True, "seed": 0, "core": "gru"}
KINDS = {
    "ppo": (PPO, {"n_steps": 16, "bptt_steps": 8, "batch_size": 32, "n_epochs": 2}),
    "ppo, one memory for both": (PPO, {"n_steps": 16, "batch_size": 32, "n_epochs": 2, "critic": "shared"}),
    "a2c": (A2C, {"n_steps": 8}),
    "reinforce": (Reinforce, {"pretrain_epochs": 0.1, "kl_coef": 0.1, "baseline": "critic", "critic": "shared"}),
    "self-critical": (Reinforce, {"baseline": "self_critical"}),
    "mle": (MLE, {"gradient_steps": 2}),
    "read at every step": (MLE, {"gradient_steps": 2, "copy": False, "source_encoder": None}),
    "scheduled sampling": (MLE, {"gradient_steps": 2, "scheduled_sampling": "linear"}),
    "seqgan": (
        SeqGAN,
        {"pretrain_epochs": 0.1, "discriminator_pretrain_steps": 2, "discriminator_steps": 1, "rollouts": 2},
    ),
}


@pytest.mark.parametrize(
    ("name", "mode"), [*((name, "NextStep") for name in KINDS), ("ppo", "SameStep"), ("a2c", "SameStep")]
)
def test_agents_learn_and_go_on_from_a_file(name, mode, tmp_path):
    kind, options = KINDS[name]
    agent = kind(Echo(4, autoreset_mode=mode), **{**SMALL, **options})
    before = {key: value.clone() for key, value in agent.policy.state_dict().items()}
    agent.learn(100)
    after = agent.policy.state_dict()
    moved = {key for key in after if not torch.equal(before[key], after[key])}
    if agent.policy.reads_source:
        assert any("trunk.source.encoder" in key for key in moved) and any("attention" in key for key in moved)
    agent.save(tmp_path / "agent.zip")
    if isinstance(agent, MLE):
        test = agent.task.sequences("test")
        assert len(sample(agent.policy, agent.task, 3, agent.generator, answered=test)) == 3
    again = kind.load(tmp_path / "agent.zip", Echo(4, autoreset_mode=mode))
    for one in (agent, again):
        one.learn(100, reset_num_timesteps=False)
    for key, value in agent.policy.state_dict().items():
        assert torch.equal(value, again.policy.state_dict()[key]), key


def test_predict_reads_a_source_at_the_start_of_an_episode():
    env = Echo(3)
    agent = PPO(env, **SMALL)
    obs, _ = env.reset(seed=0)
    one, state = agent.predict(obs, deterministic=True)
    known = {**obs, "source": np.zeros_like(obs["source"])}
    two, _ = agent.predict(known, state, np.array([False] * 3), deterministic=True)
    three, _ = agent.predict(obs, state, np.array([False] * 3), deterministic=True)
    assert (two == three).all()  # it was read before
    single, _ = agent.predict({key: x[0] for key, x in obs.items()}, deterministic=True)
    assert single == one[0]


def test_what_was_read_is_stored_once_for_all_steps_of_an_episode():
    env = Echo(4)
    agent = Reinforce(env, **SMALL)
    kept, first = (
        collect_episodes(env, agent.policy, 0, torch.Generator().manual_seed(0), keep_states=keep).states
        for keep in (True, False)
    )
    assert all(len(one) == 1 and torch.equal(one[0], each[0]) for one, each in zip(first, kept, strict=True))
    core, *source = kept
    assert len(core) > 1 and core.stride(0) > 0
    assert all(tensor.stride(0) == 0 and len(tensor) == len(core) for tensor in source)


# ---------------------------------------------------------------------- writing and scoring
@pytest.fixture(scope="module")
def trained():
    task = Echo(4, words=3, longest=2)
    return MLE(task, learning_rate=0.02, critic="none", **{**SMALL, "hidden_size": 16}).learn(15_000), task


def every_sentence(task):
    """All sentences that can be written, of up to three tokens, padded."""
    words = range(1, 4)
    rows = [[0]] + [[a, 0] for a in words] + [[a, b, c] for a in words for b in words for c in range(4)]
    tokens = np.array([row + [task.pad_token] * (3 - len(row)) for row in rows])
    return tokens, np.array([len(row) for row in rows])


def test_probabilities_of_all_answers_to_a_source_sum_to_one_and_sampling_follows_them(trained):
    agent, task = trained
    policy = agent.policy.eval()
    tokens, lengths = every_sentence(task)
    test = task.sequences("test")[:2]
    for row in range(2):
        sources = np.repeat(test.sources[[row]], len(tokens), 0), np.repeat(test.source_lengths[[row]], len(tokens))
        p = np.exp(token_log_probs(policy, TokenSequences(tokens, lengths, *sources), task).sum(1))
        assert p.sum() == pytest.approx(1, abs=1e-5)
        drawn = sample(policy, task, 3000, torch.Generator().manual_seed(0), answered=test[[row]])
        frequency = [(drawn.tokens == sentence).all(1).mean() for sentence in tokens]
        np.testing.assert_allclose(frequency, p, atol=0.03)
        found, score = beam_search(policy, task, 3, test[[row]])
        best = np.argsort(-p)[:3]
        assert {tuple(t) for t in found.tokens} == {tuple(t) for t in tokens[best]}
        np.testing.assert_allclose(score, np.log(p[best]), atol=1e-4)
        assert (found.sources == test.sources[row]).all()


def test_sentences_stand_beside_the_sources_that_they_answer_to(trained):
    agent, task = trained
    test = task.sequences("test")
    greedy = sample(agent.policy.eval(), task, 300, temperature=0.0, answered=test)
    np.testing.assert_array_equal(greedy.sources[200:], test.sources[:100])  # over and over
    np.testing.assert_array_equal(greedy.tokens[200:], greedy.tokens[:100])
    right = (greedy.tokens[:200] == test.tokens).all(1).mean()
    assert right > 0.9
    table, texts = compare(agent.policies, task, 100, 3)
    assert table["mle"]["nll_test"] == pytest.approx(nll_per_token(agent.policy, test, task))
    assert validation_metrics(agent.policy, task, 100)["nll_validation"] < 0.3
    first = task.decode(test.sources[0, : test.source_lengths[0]])
    assert all(" -> " in text for row in texts.values() for text in row) and texts["mle"][0].startswith(f"{first} -> ")
    for method, count in (("greedy", 4), ("sample", 4), ("beam", 4)):
        assert len(write_sentences(agent, task, 4, method=method)) == count
    turns = TokenSequences(np.array([[1, 0, 5]]), np.array([2]), np.array([[1, 2, 0, 3, 0]]), np.array([5]))
    assert decode(task, turns, 1) == ["1 2 / 3 -> 1"]


def test_a_policy_that_answers_needs_something_to_answer_to(trained):
    agent, task = trained
    with pytest.raises(UserError, match="this policy needs sources; give sentences that have them"):
        sample(agent.policy, task, 2)
