"""Writing sentences with a policy: sampling, greedy, beam search; continuing prefixes; scoring sentences.

If sentences have sources, these are kept with them (:class:`~lhy_rl.core.protocols.TokenSequences`), and the policy
observes both.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, TOKEN, TextTask, TokenSequences
from lhy_rl.core.validation import integer
from lhy_rl.nn.backbones.base import State, index_state
from lhy_rl.nn.policies.actor_critic import ActorCritic

BATCH = 1024  # sentences written or scored at a time

Context = dict[str, Tensor]
"""The sources of a batch of sentences, as observed beside the token, (N, ...); empty without a source."""


def context_of(policy: ActorCritic, sequences: TokenSequences | None) -> Context:
    """The sources of sentences as a policy observes them; cut to the longest one if the policy reads them only once.

    Raises:
        UserError: The policy needs sources and there are none, or the other way round.
    """
    answers = isinstance(policy.observation_space, gym.spaces.Dict)
    sources, mask = (None, None) if sequences is None else (sequences.sources, sequences.source_mask)
    if answers != (sources is not None):
        what = "needs sources; give sentences that have them" if answers else "reads no sources; give sentences without"
        raise UserError(f"this policy {what}")
    if sources is None:
        return {}
    if mask is None:
        return {SOURCE: torch.as_tensor(sources, device=policy.device)}
    longest = max(1, int(mask.any(0).sum())) if policy.reads_source else mask.shape[1]
    both = {SOURCE: sources[:, :longest], SOURCE_MASK: mask[:, :longest]}
    return {key: torch.as_tensor(array, device=policy.device) for key, array in both.items()}


def observed(token: Tensor, context: Context) -> Any:
    """The policy's observation, given the previous token (N,), or those of a block (T, N)."""
    if not context:
        return token
    return {TOKEN: token} | {
        key: x if token.dim() == 1 else x.expand(len(token), *x.shape) for key, x in context.items()
    }


@torch.no_grad()
def complete(
    policy: ActorCritic,
    task: TextTask,
    tokens: Tensor,
    position: int,
    state: State,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    context: Context | None = None,
) -> Tensor:
    """Complete sentences in place, from a stored state, so that the prefix is not read again.

    Args:
        tokens: (N, T) int64; the first ``position`` tokens of each row are given, and no row has ended.
        position: Number of given tokens; 0 begins new sentences.
        state: The policy's memory before it observes token ``position - 1`` (or the start token).
        context: The sentences' sources.

    Returns:
        Lengths (N,) int64; ``tokens`` is filled in, with padding after the ends.
    """
    n, steps = tokens.shape
    context = {} if context is None else context
    lengths = torch.full((n,), steps, device=tokens.device)
    alive = torch.arange(n, device=tokens.device)
    token = tokens[:, position - 1] if position else torch.full_like(alive, task.start_token)
    tokens[:, position:] = task.pad_token
    for t in range(position, steps):
        obs = observed(token, context)
        token, state = policy.act(obs, state, generator=generator, temperature=temperature, top_k=top_k)
        tokens[alive, t] = token
        if task.end_token is not None:
            going = token != task.end_token
            if not bool(going.all()):
                lengths[alive[~going]] = t + 1
                alive, token, state = alive[going], token[going], index_state(state, going)
                context = {key: x[going] for key, x in context.items()}
                if not len(alive):
                    break
    return lengths


@torch.no_grad()
def sample(
    policy: ActorCritic,
    task: TextTask,
    n: int,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    answered: TokenSequences | None = None,
) -> TokenSequences:
    """Draw n sentences; temperature 0 is greedy (and gives the same sentence n times).

    Args:
        answered: Sentences whose sources to answer, repeated if they are fewer than n.

    Raises:
        UserError: n is no integer of at least 1.
    """
    integer("n", n, 1)
    parts = []
    if answered is not None and answered.sources is not None:
        answered = answered[np.arange(n) % len(answered)]
    for first in range(0, n, BATCH):
        size = min(BATCH, n - first)
        written = torch.empty(size, task.max_length, dtype=torch.int64, device=policy.device)
        state = policy.initial_state(size)
        context = context_of(policy, None if answered is None else answered[first : first + size])
        ends = complete(policy, task, written, 0, state, generator, temperature, top_k, context)
        parts.append((written.cpu().numpy(), ends.cpu().numpy()))
    tokens, lengths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if answered is None:
        return TokenSequences(tokens, lengths)
    return TokenSequences(tokens, lengths, answered.sources, answered.source_lengths)


@torch.no_grad()
def beam_search(
    policy: ActorCritic, task: TextTask, width: int, answered: TokenSequences | None = None
) -> tuple[TokenSequences, np.ndarray]:
    """The most probable sentences that a beam of the given width finds.

    Args:
        answered: A sentence whose source to answer, if the policy needs one.

    Returns:
        Up to ``width`` sentences, best first, and their log-probabilities in nats.
    """
    tokens = torch.full((1, task.max_length), task.pad_token, device=policy.device)
    score = torch.zeros(1, device=policy.device)
    lengths = torch.zeros(1, dtype=torch.int64, device=policy.device)
    open_ = torch.ones(1, dtype=torch.bool, device=policy.device)
    state, source = policy.initial_state(1), context_of(policy, answered)
    for t in range(task.max_length):
        last = tokens[:, t - 1] if t else torch.full((1,), task.start_token, device=policy.device)
        context = {key: x.expand(len(last), *x.shape[1:]) for key, x in source.items()}
        # finished rows observe any valid token; their features are not used
        h, state = policy.step(observed(torch.where(open_, last, task.start_token), context), state)
        log_probs = policy.categorical.log_probs(h)  # (W, A)
        actions = log_probs.shape[1]
        finished = torch.full_like(log_probs, -torch.inf)
        finished[:, 0] = 0.0  # a finished sentence has one continuation, itself
        total = score[:, None] + torch.where(open_[:, None], log_probs, finished)
        score, choice = total.flatten().topk(min(width, int(total.isfinite().sum())))
        row, action = choice // actions, choice % actions
        tokens, lengths, open_, state = tokens[row], lengths[row], open_[row], index_state(state, row)
        tokens[:, t] = torch.where(open_, action, task.pad_token)
        lengths = lengths + open_
        if task.end_token is not None:
            open_ = open_ & (action != task.end_token)
        if not bool(open_.any()):
            break
    written = TokenSequences(tokens.cpu().numpy(), lengths.cpu().numpy())
    if answered is not None and answered.sources is not None:
        again = answered[np.zeros(len(written), np.int64)]
        written = TokenSequences(written.tokens, written.lengths, again.sources, again.source_lengths)
    return written, score.cpu().numpy()


def teacher_forcing(sequences: TokenSequences, task: TextTask, policy: ActorCritic) -> tuple[Any, Tensor, Tensor]:
    """Sentences as a policy's observations, actions (0 for padding) and mask, (T, B) with T of the longest one."""
    longest = int(sequences.lengths.max())
    tokens = torch.as_tensor(sequences.tokens[:, :longest], device=policy.device).T
    mask = torch.as_tensor(sequences.mask[:, :longest], device=policy.device).T
    first = torch.full_like(tokens[:1], task.start_token)
    obs = observed(torch.cat([first, tokens[:-1]]), context_of(policy, sequences))
    return obs, torch.where(mask, tokens, 0), mask


def starts(mask: Tensor) -> Tensor:
    """(T, B) bool in the shape of a mask: true at step 0 only, as each column is one episode."""
    start = torch.zeros(mask.shape[:2], dtype=torch.bool, device=mask.device)
    start[0] = True
    return start


@torch.no_grad()
def token_log_probs(
    policy: ActorCritic, sequences: TokenSequences, task: TextTask, temperature: float = 1.0
) -> np.ndarray:
    """Log-probability in nats of each token, (N, T) float32, 0 after the ends; dropout if the policy is training."""
    parts = []
    for first in range(0, len(sequences), BATCH):
        obs, actions, mask = teacher_forcing(sequences[first : first + BATCH], task, policy)
        state = policy.initial_state(mask.shape[1])
        log_prob = policy.evaluate(obs, actions, state, starts(mask), mask, temperature).log_prob
        whole = np.zeros((mask.shape[1], sequences.tokens.shape[1]), np.float32)
        whole[:, : len(mask)] = log_prob.T.cpu().numpy()
        parts.append(whole)
    return np.concatenate(parts)


def nll_per_token(policy: ActorCritic, sequences: TokenSequences, task: TextTask, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood of the tokens, nats."""
    return float(-token_log_probs(policy, sequences, task, temperature).sum(dtype=np.float64) / sequences.lengths.sum())


@torch.no_grad()
def attention_weights(policy: ActorCritic, task: TextTask, sequences: TokenSequences) -> np.ndarray:
    """Attention weights (N, T, L) of each token, including the end token, over the places of its source.

    Raises:
        UserError: The policy has no attention.
    """
    reader = policy.trunk.source
    if reader is None or reader.attention is None:
        raise UserError("this policy has no attention weights: it has no source, or attention is none")
    kept, reader.keeps_weights = reader.keeps_weights, True
    obs, actions, mask = teacher_forcing(sequences, task, policy)
    policy.evaluate(obs, actions, policy.initial_state(mask.shape[1]), starts(mask), mask)
    reader.keeps_weights, weights = kept, reader.kept_weights
    assert weights is not None
    return weights.transpose(0, 1).cpu().numpy()
