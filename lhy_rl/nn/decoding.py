"""Writing sentences with a policy: sampling, greedy, beam search; continuing prefixes; scoring sentences."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.protocols import TextTask, TokenSequences
from lhy_rl.nn.backbones.base import State, index_state
from lhy_rl.nn.policies.actor_critic import ActorCritic

BATCH = 1024  # sentences written or scored at a time


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
) -> Tensor:
    """Write the rest of sentences, in place, from a stored state: the prefix is never read again.

    Args:
        tokens: (N, T) int64; the first ``position`` tokens of each row are given, and no row has ended.
        position: Tokens already there; 0 begins new sentences.
        state: The policy's memory before it observes token ``position - 1`` (or the start token).

    Returns:
        Lengths (N,) int64; ``tokens`` is filled, with pad behind the ends.
    """
    n, steps = tokens.shape
    lengths = torch.full((n,), steps, device=tokens.device)
    alive = torch.arange(n, device=tokens.device)
    obs = tokens[:, position - 1] if position else torch.full_like(alive, task.start_token)
    tokens[:, position:] = task.pad_token
    for t in range(position, steps):
        obs, state = policy.act(obs, state, generator=generator, temperature=temperature, top_k=top_k)
        tokens[alive, t] = obs
        if task.end_token is not None:
            going = obs != task.end_token
            if not bool(going.all()):
                lengths[alive[~going]] = t + 1
                alive, obs, state = alive[going], obs[going], index_state(state, going)
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
) -> TokenSequences:
    """Draw n sentences; temperature 0 is greedy (and gives the same sentence n times)."""
    parts = []
    for first in range(0, n, BATCH):
        size = min(BATCH, n - first)
        tokens = torch.empty(size, task.max_length, dtype=torch.int64, device=policy.device)
        state = policy.initial_state(size)
        lengths = complete(policy, task, tokens, 0, state, generator, temperature, top_k)
        parts.append((tokens.cpu().numpy(), lengths.cpu().numpy()))
    return TokenSequences(np.concatenate([t for t, _ in parts]), np.concatenate([k for _, k in parts]))


@torch.no_grad()
def beam_search(policy: ActorCritic, task: TextTask, width: int) -> tuple[TokenSequences, np.ndarray]:
    """The most probable sentences that a beam of the given width finds.

    Returns:
        Up to ``width`` sentences, best first, and their log-probabilities in nats.
    """
    tokens = torch.full((1, task.max_length), task.pad_token, device=policy.device)
    score = torch.zeros(1, device=policy.device)
    lengths = torch.zeros(1, dtype=torch.int64, device=policy.device)
    open_ = torch.ones(1, dtype=torch.bool, device=policy.device)
    state = policy.initial_state(1)
    for t in range(task.max_length):
        obs = tokens[:, t - 1] if t else torch.full((1,), task.start_token, device=policy.device)
        # a finished row observes something valid; its features are not used
        h, state = policy.step(torch.where(open_, obs, task.start_token), state)
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
    return TokenSequences(tokens.cpu().numpy(), lengths.cpu().numpy()), score.cpu().numpy()


def teacher_forcing(sequences: TokenSequences, task: TextTask, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Sentences as a policy meets them: observations, actions (pads as 0) and mask, (T, B) up to the longest one."""
    longest = int(sequences.lengths.max())
    tokens = torch.as_tensor(sequences.tokens[:, :longest], device=device).T
    mask = torch.as_tensor(sequences.mask[:, :longest], device=device).T
    first = torch.full_like(tokens[:1], task.start_token)
    return torch.cat([first, tokens[:-1]]), torch.where(mask, tokens, 0), mask


def starts(obs: Tensor) -> Tensor:
    """(T, B) bool: one episode a column, begun at step 0."""
    start = torch.zeros(obs.shape[:2], dtype=torch.bool, device=obs.device)
    start[0] = True
    return start


@torch.no_grad()
def token_log_probs(
    policy: ActorCritic, sequences: TokenSequences, task: TextTask, temperature: float = 1.0
) -> np.ndarray:
    """Log-probability in nats of each token, (N, T) float32, 0 behind the ends; dropout as the policy's mode says."""
    parts = []
    for first in range(0, len(sequences), BATCH):
        obs, actions, mask = teacher_forcing(sequences[first : first + BATCH], task, policy.device)
        state = policy.initial_state(obs.shape[1])
        log_prob = policy.evaluate(obs, actions, state, starts(obs), mask, temperature).log_prob
        whole = np.zeros((obs.shape[1], sequences.tokens.shape[1]), np.float32)
        whole[:, : len(obs)] = log_prob.T.cpu().numpy()
        parts.append(whole)
    return np.concatenate(parts)


def nll_per_token(policy: ActorCritic, sequences: TokenSequences, task: TextTask, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood of the tokens, nats."""
    return float(-token_log_probs(policy, sequences, task, temperature).sum(dtype=np.float64) / sequences.lengths.sum())
