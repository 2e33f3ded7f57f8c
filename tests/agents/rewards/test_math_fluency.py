"""Fluency as a reward: the three forms by hand, whole episodes and cut ones, and the training that it drives."""

from itertools import pairwise

import gymnasium
import numpy as np
import pytest
import torch

import lhy_rl  # noqa: F401
from lhy_rl.agents import A2C, PPO, Reinforce
from lhy_rl.agents.rewards.fluency import FORMS, FluencyReward, Sentences
from lhy_rl.core.errors import UserError
from lhy_rl.nn.language_models.ngram import NGramModel

TEXT = {"corpus": "chatterbot-english", "conversations": 60, "vocabulary_size": 120, "max_length": 6, "reward": "none"}
SMALL = {"hidden_size": 8, "embedding_size": 8, "seed": 0}


def make_envs(n=6):
    return gymnasium.make_vec("lhy_rl/CorpusText-v0", num_envs=n, autoreset_mode="SameStep", **TEXT)


class Recorded(FluencyReward):
    """Keeps what it was given, and what it made of it."""

    def relabel(self, rollout):
        metrics = super().relabel(rollout)
        self.__dict__.setdefault("rollouts", []).append((rollout, rollout.rewards.clone()))
        return metrics


def by_hand(model, form, row):
    """The rewards of one sentence's tokens."""
    log_probs = model.log_probs(np.array([row]), np.array([len(row)]))[0].tolist()
    means = [sum(log_probs[: t + 1]) / (t + 1) for t in range(len(row))]
    if form == "token":
        return log_probs
    if form == "end":
        return [0.0] * (len(row) - 1) + [means[-1]]
    return [after - before for before, after in zip([0.0, *means], means, strict=False)]


@pytest.mark.parametrize("form", FORMS)
def test_whole_episodes(form):
    reward = Recorded(form=form)
    Reinforce(make_envs(), reward_model=reward, **SMALL).learn(1)
    ((episodes, rewards),) = reward.rollouts
    for column, length in enumerate(episodes.lengths.tolist()):
        row = episodes.actions[:length, column].tolist()
        assert rewards[:length, column].tolist() == pytest.approx(by_hand(reward.model, form, row), abs=1e-5)
        assert not rewards[length:, column].any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [PPO, A2C])
@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_rollouts_that_tear_sentences_apart(form, kind, mode):
    """Rollouts of 4 steps: what they say of a sentence, put together, is what is said of the whole sentence."""
    envs = gymnasium.make_vec("lhy_rl/CorpusText-v0", num_envs=5, autoreset_mode=mode, **TEXT)
    reward = Recorded(form=form)
    kind(envs, n_steps=4, reward_model=reward, **SMALL).learn(5 * 4 * 6)
    rollouts = [rollout for rollout, _ in reward.rollouts]
    actions, valid = (torch.cat([getattr(r, name) for r in rollouts]) for name in ("actions", "valid"))
    done, rewards = torch.cat([r.terminated for r in rollouts]), torch.cat([r for _, r in reward.rollouts])
    found = 0
    for column in range(5):
        row, given = [], []
        for t in range(len(actions)):
            if valid[t, column]:
                row.append(int(actions[t, column]))
                given.append(float(rewards[t, column]))
                if done[t, column]:
                    assert given == pytest.approx(by_hand(reward.model, form, row), abs=1e-5)
                    found, row, given = found + 1, [], []
            else:
                assert rewards[t, column] == 0
    assert found > 10


def test_the_differences_sum_to_the_mean_at_the_end():
    sums = []
    for form in ("potential", "end"):
        reward = Recorded(form=form)
        Reinforce(make_envs(), reward_model=reward, **SMALL).learn(1)
        sums.append(reward.rollouts[0][1].sum(0))
    torch.testing.assert_close(*sums)
    assert sums[0].std() > 0.1


def test_rows_of_a_rollout_by_hand():
    """Two columns of five steps: the first goes on with [7], ends, and begins another; the second only resets once."""
    actions = np.array([[1, 4], [2, 0], [3, 9], [0, 5], [6, 6]])
    valid, done = np.ones((5, 2), bool), np.zeros((5, 2), bool)
    done[3, 0] = done[1, 1] = True
    valid[2, 1] = False
    begun = np.array([[7, 8], [8, 8]]), np.array([1, 2])
    found = Sentences(actions, valid, done, np.array([False, True]), begun)
    assert found.lengths.tolist() == [5, 1, 2, 2]
    rows = [row[:n] for row, n in zip(found.tokens.tolist(), found.lengths, strict=True)]
    assert rows == [[7, 1, 2, 3, 0], [6], [4, 0], [5, 6]]
    tokens, lengths = found.unfinished
    assert [row[:n] for row, n in zip(tokens.tolist(), lengths, strict=True)] == [[6], [5, 6]]


def test_it_goes_on_from_a_file_in_the_middle_of_a_sentence(tmp_path):
    """Saved after two rollouts and loaded: the third gives the same rewards as without the pause."""

    def agent():
        return PPO(make_envs(), n_steps=4, reward_model=Recorded(), **SMALL)

    whole = agent().learn(6 * 4 * 2)
    whole.save(tmp_path / "agent.zip")
    resumed = PPO.load(tmp_path / "agent.zip", make_envs(), reward_model=Recorded())
    (begun, lengths), (wanted, wanted_lengths) = resumed.reward_model.begun, whole.reward_model.begun
    assert lengths.tolist() == wanted_lengths.tolist() and (lengths > 0).any()
    assert all(a[:n].tolist() == b[:n].tolist() for a, b, n in zip(begun, wanted, lengths, strict=True))
    text = whole.task.sequences("test")
    assert resumed.reward_model.model.perplexity(text) == whole.reward_model.model.perplexity(text)


def test_metrics_by_hand():
    found, reward = [], Recorded(form="token")
    agent = Reinforce(make_envs(), reward_model=reward, **SMALL)
    agent.learn(1, callback=lambda _, metrics: found.append(metrics))
    ((episodes, rewards),) = reward.rollouts
    rows = [row[:n] for row, n in zip(episodes.actions.T.tolist(), episodes.lengths.tolist(), strict=True)]
    assert found[0]["rollout/perplexity"] == pytest.approx(float((-rewards[episodes.valid].mean()).exp()), rel=1e-5)
    words = [row[: row.index(0)] if 0 in row else row for row in rows]
    pairs = {pair for row in words for pair in pairwise(row)}
    assert found[0]["rollout/distinct2"] == pytest.approx(len(pairs) / sum(map(len, words)))


def test_by_name_it_counts_the_training_sentences():
    agent = Reinforce(make_envs(), reward_model="fluency", **SMALL)
    sentences = agent.task.sequences("train")
    wanted = NGramModel(agent.task.vocabulary_size).fit(sentences).perplexity(sentences)
    assert agent.reward_model.model.perplexity(sentences) == wanted < 20


def test_a_fitted_model_its_file_or_a_name_with_options(tmp_path):
    task = make_envs(1).unwrapped
    model = NGramModel(task.vocabulary_size, order=2).fit(task.sequences("test"))
    model.save(tmp_path / "model.zip")
    found = []
    for reward in (FluencyReward(model), FluencyReward(str(tmp_path / "model.zip")), FluencyReward("ngram", order=2)):
        agent = Reinforce(make_envs(), reward_model=reward, **SMALL)
        found.append(agent.reward_model.model.perplexity(task.sequences("test")))
    assert found[0] == found[1] < found[2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FluencyReward(form="tokens"), "did you mean 'token'"),
        (lambda: Reinforce("CartPole-v1", reward_model="fluency", **SMALL), "needs a text environment"),
        (lambda: Reinforce(make_envs(), reward_model=FluencyReward(NGramModel(9)), **SMALL), "vocabulary of 9"),
        (lambda: Reinforce(make_envs(), reward_model=FluencyReward("trigram"), **SMALL), "did you mean 'ngram'"),
        (lambda: Reinforce(make_envs(), reward_model="fluent", **SMALL), "or a name: fluency"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(UserError, match=message):
        make()
