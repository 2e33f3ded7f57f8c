"""Strings that are read and then written, learned by maximum likelihood: training data of the memory benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Space
from torch import Tensor, nn

from lhy_rl.core.trees import map_tree
from lhy_rl.nn.policies.actor_critic import ActorCritic

Scores = dict[str, float]
BITS = 6
RATE, LEARNED = 3e-3, 2e-4  # learning rate, and nats per bit of fresh strings at which training ends


class Clock:
    """CPU-seconds of the training alone."""

    def __init__(self, budget: float) -> None:
        self.budget, self.spent, self.begun = budget, 0.0, time.process_time()

    @property
    def over(self) -> bool:
        return self.share >= 1

    @property
    def share(self) -> float:
        """The share of the seconds that is spent."""
        return (self.spent + time.process_time() - self.begun) / self.budget

    def paused(self, look: Callable[[], Scores]) -> Scores:
        """Return the result of an evaluation whose time is not counted."""
        self.spent += time.process_time() - self.begun
        scores = look()
        self.begun = time.process_time()
        return scores


class Strings(NamedTuple):
    """Strings to read and to write: observations and answers (T, B, ...), and (T, B) where an answer is required."""

    obs: Tensor
    answers: Tensor
    asked: Tensor


def words(n: int, batch: int, rng: np.random.Generator) -> Strings:
    """Draw n words of bits, a mark, and n steps that ask for the words."""
    bits = rng.integers(0, 2, (n, batch, BITS))
    obs = np.zeros((2 * n + 1, batch, BITS + 1), np.float32)
    obs[:n, :, :BITS], obs[n, :, BITS] = bits, 1.0
    asked, answers = np.zeros((2 * n + 1, batch), bool), np.zeros((2 * n + 1, batch, BITS), np.int64)
    asked[n + 1 :], answers[n + 1 :] = True, bits
    return Strings(torch.as_tensor(obs), torch.as_tensor(answers), torch.as_tensor(asked))


def repeated(n: int, batch: int, rng: np.random.Generator, least: int = 1, most: int = 5) -> Strings:
    """Draw n words of bits, a step with a number, and steps that ask for that many copies and then for an end."""
    times = rng.integers(least, most, batch, endpoint=True)
    bits = rng.integers(0, 2, (n, batch, BITS))
    place = np.arange(n * most + 1)[:, None]
    obs = np.zeros((n + 1 + len(place), batch, BITS + 1), np.float32)
    obs[:n, :, :BITS], obs[n, :, BITS] = bits, times / 2  # about 1, and clearly different for two numbers in a row
    asked, answers = np.zeros(obs.shape[:2], bool), np.zeros(obs.shape, np.int64)
    asked[n + 1 :] = place <= n * times
    answers[n + 1 :, :, :BITS] = np.tile(bits, (most + 1, 1, 1))[: len(place)] * (place < n * times)[..., None]
    answers[n + 1 :, :, BITS] = place == n * times
    return Strings(torch.as_tensor(obs), torch.as_tensor(answers), torch.as_tensor(asked))


def supervised(
    core: str,
    seed: int,
    clock: Clock,
    spaces: tuple[Space[Any], Space[Any]],
    draw: Callable[..., Strings],
    longest: int,
    core_options: dict[str, Any] | None = None,
    *,
    fresh: Callable[..., Strings] | None = None,
    hidden_size: int = 100,
    batch: int = 16,
    curriculum: bool = True,
) -> tuple[ActorCritic, int]:
    """Train by maximum likelihood on strings of length up to ``longest``; return the policy and its gradient steps.

    Gradients are clipped, and the weights that are best on fresh strings of length ``longest`` are kept.

    Args:
        fresh: Function that draws the strings on which weights are compared; None for ``draw``.
        curriculum: Start with lengths up to 3, increase them, and restart with new weights if the task is not learned
            after half of the seconds, as Joulin and Mikolov (2015) do; in each half the learning rate decays to almost
            0. Otherwise all lengths are drawn from the beginning, and the learning rate decays in the second half.
    """
    torch.manual_seed(seed)
    rng, recent, steps, learned, half = np.random.default_rng(seed), [9.0], 0, 0, 0
    now = 3 if curriculum else longest

    def begin() -> tuple[ActorCritic, torch.optim.Adam]:
        policy = ActorCritic(
            *spaces, core=core, core_options=core_options, hidden_size=hidden_size, encoder_layers=0, critic="none"
        )
        return policy, torch.optim.Adam(policy.parameters(), RATE)

    policy, optimizer = begin()
    best, kept = float("inf"), policy.state_dict()

    def nll(strings: Strings) -> Tensor:  # nats per required number
        obs, answers, asked = strings
        start = torch.zeros_like(asked)
        start[0] = True
        evaluated = policy.evaluate(obs, answers, policy.initial_state(asked.shape[1]), start, asked)
        return -evaluated.log_prob.sum() / answers[asked].numel()

    while not steps or not clock.over:
        if curriculum and half == 0 and clock.share > 0.5:
            (policy, optimizer), now, recent, half = begin(), 3, [9.0], 1
        left = 1 + half - 2 * clock.share if curriculum else min(1.0, 2 - 2 * clock.share)
        optimizer.param_groups[0]["lr"] = RATE * max(0.02, left)
        loss = nll(draw(int(rng.integers(1, now, endpoint=True)), batch, rng))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        steps += 1
        recent.append(float(loss.detach()))
        if now < longest and len(recent) > 30 and np.mean(recent[-30:]) < 0.05:
            now, recent = now + 1, [9.0]
        if steps % 100 == 0 or clock.over:
            with torch.no_grad():
                found = float(nll((fresh or draw)(longest, 128, rng)))
            if found < best:
                best, kept = found, map_tree(torch.clone, dict(policy.state_dict()))
            learned = learned + 1 if now == longest and found < LEARNED else 0
            if learned == 3:
                break
    policy.load_state_dict(kept)
    return policy.eval(), steps


@torch.no_grad()
def written(policy: ActorCritic, strings: Strings) -> Tensor:
    """Return (T, B, ...) the most probable answer at each step; answers do not depend on each other."""
    state, answers = policy.initial_state(strings.asked.shape[1]), []
    for obs in strings.obs:
        answer, state = policy.act(obs, state, None, deterministic=True)
        answers.append(answer)
    return torch.stack(answers)


def share(right: Tensor, asked: Tensor) -> float:
    """Return the share of strings whose required answers are all right; both arguments are (T, B)."""
    return float((right | ~asked).all(0).float().mean())
