"""Self-play on real conversations: what happens to the language when two bots maximise a reward.

A bot learns from people by maximum likelihood (chitchat, replies of at most 11 words), a second network learns to guess
the turn that a reply answers. Then both sides of `lhy_rl/chat_selfplay_v0` are the bot, and PPO maximises a reward of
the two frozen models, with curriculum (2, 5, 8 turns) and a quarter of a maximum-likelihood step after each update:

    li           .25 r1 + .25 r2 + .5 r3, literally (Li et al. 2016), nothing else
    li, large steps   with five times the learning rate and two passes over what was played
    li, KL       the same as li and a penalty on KL(bot || maximum likelihood)
    pmi, KL      2 (log p(a; q, p) - log p(a; q', p')) / N, with the same penalty
    pmi, KL, length   and a term for up to 6 words

Measured on 300 held-out openings, greedily: turns until one is dull or repeats itself (at most 8), distinct-1 and -2
in as many tokens for all, words of a reply, different first replies (below 30 the alarm goes off), perplexity of
people's held-out replies, and KL to the maximum-likelihood bot, nats a token. The dialogues are printed.

    python -m benchmarks.chat_selfplay [--quick] [--seeds 3] [--budget 45] [--mle 60] [--jobs 1]
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch

from benchmarks import harness
from lhy_rl.agents import MLE
from lhy_rl.agents.dialogue.opponents import frozen
from lhy_rl.agents.dialogue.self_play import SelfPlay
from lhy_rl.agents.supervised.mle import MaximumLikelihood
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.data.conversations import backward_pairs
from lhy_rl.envs.dialogue.chat_selfplay import ChatSelfplay
from lhy_rl.functional.dialogue_metrics import COLLAPSED, dialogue_metrics
from lhy_rl.functional.text_metrics import unpadded
from lhy_rl.nn.decoding import nll_per_token
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.policy_scorer import PolicyScorer
from lhy_rl.rollouts.games import BatchedGames
from lhy_rl.rollouts.self_play import PolicyPlayer, play_games

TASK, OPENINGS = "chat_selfplay", 300
VARIANTS: dict[str, dict[str, Any]] = {
    "li": {"reward": "li"},
    "li, large steps": {"reward": "li", "learning_rate": 1.5e-3, "n_epochs": 2},
    "li, KL": {"reward": "li", "kl": 0.5},
    "pmi, KL": {"reward": "pmi", "kl": 0.5},
    "pmi, KL, length": {"reward": "pmi", "kl": 0.5, "length_weight": 1.0},
}
DATA: dict[str, Any] = {"vocabulary_size": 1500}
SIZES: dict[str, Any] = {
    "core": "gru",
    "hidden_size": 128,
    "embedding_size": 96,
    "source_size": 128,
    "dropout": 0.2,
    "critic": "shared",
}
QUICK: tuple[dict[str, Any], dict[str, Any]] = (
    {"corpus": "chatterbot-english", "vocabulary_size": 300, "max_length": 8},
    {"core": "gru", "hidden_size": 24, "embedding_size": 24, "source_size": 24, "critic": "shared"},
)
CURRICULUM = (2, 5, 8)
LOOKS = 8  # evaluations on the validation replies during maximum likelihood


class EachOpening(ChatSelfplay):
    """The game that starts from each opening once, in order."""

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return np.arange(n) % len(self.openings)


def spend(seconds: float, step: Callable[[float], object]) -> float:
    """Call ``step`` with the share of the budget that is spent until all of it is; return the CPU-seconds."""
    begun = time.process_time()
    while (spent := time.process_time() - begun) < seconds:
        step(spent / seconds)
    return time.process_time() - begun


def imitator(data: dict[str, Any], sizes: dict[str, Any], seed: int) -> MLE:
    """Make a network that will learn from people."""
    env = gymnasium.make_vec("lhy_rl/ChatReply-v0", num_envs=1, reward="none", **data)
    return MLE(env, seed=seed, learning_rate=0.003, gradient_steps=5, **sizes)


def learn_from_people(network: MLE, seconds: float) -> None:
    """Train by maximum likelihood for so many CPU-seconds; keep the weights that are best on the validation replies."""
    validation = network.task.sequences("validation")[:1000]
    best, looks = (math.inf, network.policy.state_dict()), 0

    def step(share: float) -> None:
        nonlocal best, looks
        network.learn(1, reset_num_timesteps=False)
        if share * LOOKS >= looks:
            looks += 1
            network.policy.eval()
            loss = nll_per_token(network.policy, validation, network.task)
            if loss < best[0]:
                best = loss, {name: tensor.clone() for name, tensor in network.policy.state_dict().items()}

    spend(seconds, step)
    network.policy.load_state_dict(best[1])


def dialogues(policy: ActorCritic, game: ChatSelfplay, seed: int = 0) -> dict[str, Any]:
    """Let the bot talk to itself greedily, from each opening."""
    games, count = BatchedGames(game), min(OPENINGS, len(game.openings))
    player = PolicyPlayer(frozen(policy), torch.Generator().manual_seed(seed), deterministic=True)
    played = play_games(games, count, [player], np.zeros((count, 2), np.int64))
    state, spoken = games.final_states(), []
    for utterances, lengths, turns in zip(state["utterances"], state["lengths"], state["turns"], strict=True):
        spoken.append(unpadded(utterances[1 : turns + 1], game.end_token, lengths[1 : turns + 1]))
    return {"spoken": spoken, "turns": played.final_info["turns"][:, 0], "texts": games.transcripts()}


def kl_to(reference: ActorCritic, policy: ActorCritic, pairs: TokenSequences, task: Any) -> float:
    """Return the exact KL(policy || reference) at the positions of people's replies, in nats per token."""
    from lhy_rl.nn.decoding import starts, teacher_forcing

    with torch.no_grad():
        found = []
        for one in (policy, reference):
            one.eval()
            obs, actions, mask = teacher_forcing(pairs, task, one)
            state = one.initial_state(mask.shape[1])
            found.append(one.evaluate(obs, actions, state, starts(mask), all_actions=True).log_probs)
        own, other = found
        return float(((own.exp() * (own - other)).sum(-1) * mask).sum() / mask.sum())


def self_play(
    bot: MLE, scorer: PolicyScorer, variant: dict[str, Any], data: dict[str, Any], sizes: dict[str, Any], seed: int,
    budget: float,
) -> tuple[ActorCritic, int]:  # fmt: skip
    """Return the bot after self-play, and the number of tokens that it learned from."""
    game = ChatSelfplay(
        variant["reward"],
        length_weight=variant.get("length_weight", 0.0),
        scorer=scorer,
        max_turns=CURRICULUM[0],
        **data,
    )
    agent = SelfPlay(
        game, n_games=32, seed=seed, learning_rate=variant.get("learning_rate", 3e-4),
        n_epochs=variant.get("n_epochs", 1), batch_size=4096, gamma=0.99, entropy_coef=0.0,
        clip_range=0.2, **sizes,
    )  # fmt: skip
    agent.learner.policy.load_state_dict(bot.policy.state_dict())
    agent.reference, agent.kl_coef = [frozen(bot.policy)], variant.get("kl", 0.0)
    likelihood = MaximumLikelihood(
        agent.learner.policy, bot.task, agent.generator, learning_rate=7.5e-5, batch_size=64, max_grad_norm=5.0
    )

    def step(share: float) -> None:
        game.max_turns = CURRICULUM[min(int(share * len(CURRICULUM)), len(CURRICULUM) - 1)]
        agent.learn(1, reset_num_timesteps=False)
        likelihood.update(1)

    spend(budget, step)
    return agent.learner.policy, agent.num_timesteps


def measured(
    policy: ActorCritic, bot: MLE, game: ChatSelfplay, tokens: int | None
) -> tuple[dict[str, float], list[str]]:
    """Return all measures of a bot, and its dialogues."""
    talk, task = dialogues(policy, game), bot.task
    found = dialogue_metrics(talk["spoken"], talk["turns"], tokens)
    policy.eval()
    test = task.sequences("test")[:1000]
    found["perplexity"] = math.exp(nll_per_token(policy, test, task))
    found["kl"] = kl_to(bot.policy, policy, test, task)
    found["alarm"] = float(found["first_replies"] < COLLAPSED)
    return found, talk["texts"]


class SeedResult(NamedTuple):
    """The results of one seed: each variant's metrics, the dialogues, and the number of tokens of self-play."""

    found: dict[str, dict[str, float]]
    texts: list[str]
    steps: dict[str, int]


def one_seed(seed: int, quick: bool, likelihood: float, budget: float) -> SeedResult:
    """Learn from people, then by self-play with each reward."""
    torch.set_num_threads(1)
    data, sizes = QUICK if quick else (DATA, SIZES)
    game = EachOpening("none", split="test", **data)
    bot, guesser = imitator(data, sizes, seed), imitator(data, sizes, seed)
    tokens = guesser.task.end_token, guesser.task.pad_token
    guesser.likelihood.sentences = backward_pairs(guesser.likelihood.sentences, *tokens)
    learn_from_people(bot, likelihood)
    spend(likelihood / 2, lambda share: guesser.learn(1, reset_num_timesteps=False))
    scorer = PolicyScorer(frozen(bot.policy), frozen(guesser.policy), bot.task)
    policies, steps = {"maximum likelihood": bot.policy}, {"maximum likelihood": 0}
    for name in ["pmi, KL"] if quick else VARIANTS:
        policies[name], steps[name] = self_play(bot, scorer, VARIANTS[name], data, sizes, seed, budget)
    counts = [measured(policy, bot, game, None)[0]["tokens"] for policy in policies.values()]
    found, texts = {}, []
    for name, policy in policies.items():
        found[name], talk = measured(policy, bot, game, int(min(counts)))
        dialogues_of_it = "\n\n".join(talk[:4])
        texts.append(f"=== {name}, seed {seed}: {found[name]}\n{dialogues_of_it}")
    return SeedResult(found, texts, steps)


def main() -> None:
    """Train, measure, save, draw, print."""
    given = harness.parser(__doc__, seeds=3)
    given.add_argument("--budget", type=float, default=45.0, metavar="S", help="CPU-seconds of self-play (45)")
    given.add_argument("--mle", type=float, default=60.0, metavar="S", help="CPU-seconds of maximum likelihood (60)")
    given.add_argument("--jobs", type=int, default=1, metavar="N", help="number of parallel seeds (1)")
    common = given.parse_args()
    seeds, budget, likelihood = (1, 0.5, 1.0) if common.quick else (common.seeds, common.budget, common.mle)
    run = partial(one_seed, quick=common.quick, likelihood=likelihood, budget=budget)
    runs = list(harness.run_jobs(run, range(seeds), common.jobs))
    found = {name: [run.found[name] for run in runs] for name in runs[0].found}
    texts = [text for run in runs for text in run.texts]
    print("\n\n".join(texts))
    harness.save("chat_selfplay", rows_of(found, runs[0].steps, budget), common.output)
    (common.output / "chat_selfplay.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    picture(found, common.output / "chat_selfplay.png")


def rows_of(found: dict[str, list[dict[str, float]]], steps: dict[str, int], budget: float) -> list[harness.Row]:
    """Return a row for each measure of each variant."""
    return [
        harness.summarize(TASK, "selfplay" if steps[name] else "mle", name, key, [run[key] for run in runs],
                          steps[name], budget)
        for name, runs in found.items()
        for key in runs[0]
    ]  # fmt: skip


def picture(found: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Plot the turns and the variety of each variant, with a point for each seed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    keys = ("turns", "distinct2", "mean_length", "first_replies")
    figure, axes = plt.subplots(1, len(keys), figsize=(13, 3.2), sharey=True)
    for axis, key in zip(axes, keys, strict=True):
        for place, runs in enumerate(found.values()):
            axis.plot([run[key] for run in runs], [place] * len(runs), "o", color="#0072b2")
        axis.set_yticks(range(len(found)), list(found))
        axis.set_xlabel(key.replace("_", " "))
        axis.grid(alpha=0.3)
    axes[0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
