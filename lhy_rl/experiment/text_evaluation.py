"""Evaluation of generated sentences: likelihood in both directions, overlap with held-out text, diversity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.protocols import TextTask, TokenSequences
from lhy_rl.rollouts.evaluate_policy import SEED, SELECTION_SEED

if TYPE_CHECKING:
    from lhy_rl.functional.text_metrics import BleuScorer
    from lhy_rl.nn.policies.actor_critic import ActorCritic

REFERENCES = 5000  # held-out sentences that BLEU compares with
REAL = "held-out text"  # the row of real sentences


def check_splits(task: Any) -> None:
    """Refuse a text with too few sentences for :func:`compare`.

    Raises:
        UserError: a split has too few sentences.
    """
    for split, least in (("validation", 2), ("test", 1)):  # self-BLEU needs two
        found = len(task.sequences(split))
        if found < least:
            raise UserError(
                f"the text has {found} sentence{'s' * (found != 1)} for {split}, and the evaluation needs "
                f"at least {least}; give more text, or leave out less of it (env.max_length, env.min_count)"
            )


def compare(
    policies: Mapping[str, ActorCritic], task: Any, sentences: int, samples: int
) -> tuple[dict[str, dict[str, float]], dict[str, list[str]]]:
    """The metrics of every policy and of real sentences; ``nll_test`` is over the whole test split.

    If the true likelihood of a sentence is not known, ``ppl_ngram`` is used instead: the perplexity of the generated
    sentences under a trigram model of the training split.

    Args:
        sentences: Number of sentences sampled from each policy, and taken from the held-out split.
        samples: Number of them that are returned as text.

    Returns:
        Row to metric to value, and row to sentences.
    """
    from lhy_rl.functional.text_metrics import BleuScorer, unpadded
    from lhy_rl.nn.decoding import nll_per_token, sample
    from lhy_rl.nn.language_models.ngram import NGramModel

    table: dict[str, dict[str, float]] = {}
    texts: dict[str, list[str]] = {}
    test = task.sequences("test")
    held_out = first(test, REFERENCES)
    references = BleuScorer(unpadded(held_out.tokens, task.end_token, held_out.lengths))
    answered = None if test.sources is None else test
    real = first(task.sequences("validation"), sentences)
    ngram = None if known_density(task) else NGramModel(task.vocabulary_size).fit(task.sequences("train"))

    def add(name: str, written: TokenSequences, likelihood: dict[str, float]) -> None:
        true = {"nll_oracle": true_nll(task, written)} if ngram is None else {"ppl_ngram": ngram.perplexity(written)}
        table[name] = true | likelihood | overlap(written, references, task, len(real))
        texts[name] = decode(task, written, samples)

    for name, policy in policies.items():
        with evaluating(policy) as generator:
            written = sample(policy, task, sentences, generator, answered=answered)
            likelihood = {"nll_test": nll_per_token(policy, test, task)}
        add(name, written, likelihood)
    add(REAL, real, {})
    return table, texts


def validation_metrics(policy: ActorCritic, task: Any, sentences: int) -> dict[str, float]:
    """The likelihood of validation sentences and, where the density is known, of the policy's own."""
    from lhy_rl.nn.decoding import nll_per_token, sample

    validation = first(task.sequences("validation"), sentences)
    with evaluating(policy, SELECTION_SEED) as generator:
        row = {"nll_validation": nll_per_token(policy, validation, task)}
        if known_density(task):
            answered = None if validation.sources is None else validation
            row["nll_oracle"] = true_nll(task, sample(policy, task, sentences, generator, answered=answered))
    return row


def written_pictures(policies: Mapping[str, ActorCritic], task: Any, n: int) -> dict[str, np.ndarray]:
    """Row to pictures (n, H, W, 3) of every policy's sentences, and real ones (:class:`DrawnText`)."""
    from lhy_rl.nn.decoding import sample

    rows = {REAL: first(task.sequences("validation"), n)}
    for name, policy in policies.items():
        with evaluating(policy) as generator:
            rows[name] = sample(policy, task, len(rows[REAL]), generator)
    return {name: np.stack([task.picture_of(tokens) for tokens in row.tokens]) for name, row in rows.items()}


def write_sentences(
    agent: Any,
    env: Any,
    n: int,
    policy: str | None = None,
    method: str = "sample",
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = SEED,
) -> list[str]:
    """Sentences of one policy as text; if they answer sources, those are the test split's, in order.

    Args:
        policy: A name in ``agent.policies``; None takes the newest.
        method: ``sample``, ``greedy`` (one sentence, or one for each of n sources) or ``beam`` (the n best of a beam of
            width n, best first; to the first source).

    Raises:
        UserError: not a text task, unknown policy, an option out of range.
    """
    from lhy_rl.nn.decoding import beam_search, sample

    task = env.unwrapped
    if not isinstance(task, TextTask):
        raise UserError("this run's environment is not a text task; it has no sentences to sample")
    if policy is not None and policy not in agent.policies:
        raise suggest(policy, agent.policies, "policy")
    if n < 1:
        raise UserError(f"the number of sentences, -n, is {n}; it must be at least 1")
    if not 0 <= temperature < math.inf:
        raise UserError(f"temperature is {temperature}; it must be a number of 0 (greedy) or more")
    if top_k is not None and top_k < 1:
        raise UserError(f"top-k is {top_k}; it must be at least 1")
    chosen = agent.policy if policy is None else agent.policies[policy]
    test = task.sequences("test")
    answered = None if test.sources is None else test
    with evaluating(chosen, seed) as generator:
        if method == "beam":
            written, _ = beam_search(chosen, task, n, None if answered is None else first(answered, 1))
        elif method == "greedy":
            written = sample(chosen, task, 1 if answered is None else n, generator, 0.0, answered=answered)
        else:
            written = sample(chosen, task, n, generator, temperature, top_k, answered)
    return decode(task, written, len(written))


@contextmanager
def evaluating(policy: ActorCritic, seed: int = SEED) -> Iterator[Any]:
    """Put the policy in evaluation mode, without gradients; yields a separate generator for the evaluation."""
    import torch

    from lhy_rl.nn.layers import eval_mode

    with eval_mode.evaluating(policy), torch.no_grad():
        yield torch.Generator(device=policy.device).manual_seed(seed)


def known_density(task: Any) -> bool:
    """Whether the task knows the true likelihood of a sentence."""
    return getattr(task, "log_likelihood", None) is not None


def true_nll(task: Any, sequences: TokenSequences) -> float:
    """Mean negative log-likelihood of sentences under the task's true distribution, nats a token."""
    return float(-np.sum(task.log_likelihood(sequences.tokens)) / sequences.lengths.sum())


def overlap(written: TokenSequences, references: BleuScorer, task: TextTask, equal: int) -> dict[str, float]:
    """BLEU against references, self-BLEU, and the shares of distinct n-grams and sentences.

    Args:
        equal: Number of sentences for the measures of diversity. They depend on it, since more sentences repeat each
            other more, so it must be the same for every row.
    """
    from lhy_rl.functional.text_metrics import distinct_n, self_bleu, unpadded

    sentences = unpadded(written.tokens, task.end_token, written.lengths)
    row = {f"bleu{n}": value for n, value in references.score(sentences).items()}
    compared = sentences[:equal]
    row |= {f"self_bleu{n}": value for n, value in self_bleu(compared).items()}
    row |= {f"distinct{n}": distinct_n(compared, n) for n in (2, 3)}
    row["unique"] = len(set(map(tuple, compared))) / len(compared)
    row["mean_length"] = float(np.mean([len(sentence) for sentence in sentences]))
    return row


def first(sequences: TokenSequences, n: int) -> TokenSequences:
    """The first n sentences, or all."""
    return sequences[slice(0, n)]


def decode(task: Any, sequences: TokenSequences, n: int) -> list[str]:
    """The first n sentences as text, each after its source."""
    chosen = first(sequences, n)
    texts = [str(task.decode(row[:length])) for row, length in zip(chosen.tokens, chosen.lengths, strict=True)]
    if chosen.sources is None or chosen.source_lengths is None:
        return texts
    sources = [row[:length] for row, length in zip(chosen.sources, chosen.source_lengths, strict=True)]
    return [f"{decode_turns(task, source)} -> {text}" for source, text in zip(sources, texts, strict=True)]


def decode_turns(task: Any, source: np.ndarray) -> str:
    """The turns of a source, (L,) tokens, each closed by the end token, as text with bars in between."""
    ends = np.flatnonzero(source == task.end_token) + 1
    turns = [turn for turn in np.split(source, ends) if len(turn)]
    return " / ".join(str(task.decode(turn)) for turn in turns)
