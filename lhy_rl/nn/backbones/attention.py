"""Causal attention over the episode so far, as a backbone (Vaswani et al. 2017; Bahdanau et al. 2015).

    y_t = tanh(u_t + O sum_s a_ts v_s),     a_t = softmax_s(score(q_t, k_s))

over the steps s of the episode up to t, where u, q, k and v are linear in x. The score is the scaled
product (``dot``) or w tanh(q_t + k_s) (``additive``). Positions are relative: q, k and v are rotated by angles that
grow with time (rotary embeddings, Su et al. 2021), and the result is rotated back. The state holds the latest keys and
values. A whole sequence is one call of torch's ``scaled_dot_product_attention``, with a mask that keeps episodes apart;
there is no loop over time.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.backbones.cells import Layer, Layered

SCORES = ("dot", "additive")
LONGEST_PERIOD = 10_000.0  # approximate period of the slowest rotation, in steps
SHUT = 1e30  # subtracted from the score for each step that a place lies before the episode's start


class AttentionLayer(Layer):
    """One layer; its state is the keys and values (B, slots, D), the latest last, and (B,) the steps so far."""

    def __init__(
        self, input_size: int, hidden_size: int, num_heads: int, slots: int, score: str, forgets: bool
    ) -> None:
        super().__init__()
        self.output_size, self.heads, self.slots, self.forgets = hidden_size, num_heads, slots, forgets
        self.pairs = math.ceil(hidden_size / (2 * num_heads))  # pairs of numbers of a head, which are rotated
        width = 2 * self.pairs * num_heads
        self.input = nn.Linear(input_size, hidden_size)
        self.query_key_value = nn.Linear(input_size, 3 * width)
        self.output = nn.Linear(width, hidden_size)
        self.weight = nn.Parameter(torch.randn(num_heads, 1, 1, 2 * self.pairs)) if score == "additive" else None

    def initial_state(self, batch_size: int) -> State:
        ring = self.output.weight.new_zeros(batch_size, self.slots, self.output.in_features)
        return ring, ring, torch.zeros(batch_size, dtype=torch.long, device=ring.device)

    def run(self, x: Tensor, state: State, start: Tensor, begins: list[bool]) -> tuple[Tensor, State]:
        old_keys, old_values, count = state
        step = torch.arange(len(x), device=x.device)[:, None]
        begun = torch.where(start, step, -count).cummax(0).values  # (T, B) first step of the episode; negative before x
        steps, before = len(x), int(-begun[0].min())  # most steps of an episode that lie before x
        if steps + before > self.slots:
            self.check(step - begun)
        held = min(max(before, 0), self.slots)  # stored places that are read
        place = torch.arange(-held, steps, device=x.device)  # (S,)
        x = x.transpose(0, 1).contiguous()  # once, for both products
        u, (q, k, v) = self.input(x), self.query_key_value(x).chunk(3, -1)  # (B, T, .)
        keys, values = k, v  # (B, S, D), after those of the state
        if held:
            keys = torch.cat([old_keys[:, self.slots - held :], k], 1)
            values = torch.cat([old_values[:, self.slots - held :], v], 1)
        other = (place.to(x.dtype) - begun.T[:, :, None]).clamp_(max=0)  # (B, T, S): steps before the episode
        mask = other.mul_(SHUT).add_(near(steps, held, self.slots, x.dtype, x.device))
        y = torch.tanh(u + self.output(self.attend(q, keys, values, mask)))
        kept = (place >= begun[-1][:, None])[:, -self.slots :, None].to(x.dtype)
        ring = [latest[:, -self.slots :] * kept for latest in (keys, values)]
        if room := self.slots - kept.shape[1]:
            ring = [F.pad(latest, (0, 0, room, 0)) for latest in ring]
        return y.transpose(0, 1), (*ring, steps - begun[-1])

    def check(self, position: Tensor) -> None:
        """Raise a UserError if an episode has more earlier steps (T, B) than there are slots."""
        if not self.forgets and bool((position > self.slots).any()):
            raise UserError(
                f"attention has {self.slots} slots, fewer than this episode has steps; "
                "core_options={'slots': as many as an episode has steps} keeps all, {'overflow': 'forget'} the latest"
            )

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """Attention: (B, T, D) queries over (B, S, D) keys and values to (B, T, D); the queries are at the last T of S.

        Args:
            mask: (B, T, S): added to the scores.
        """
        q, k, v = (x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2) for x in (q, k, v))  # (B, heads, T or S, .)
        places = k.shape[2]
        turns = turns_of(self.pairs, 1 << (places - 1).bit_length(), k.dtype, k.device)[:places]
        own = turns[-q.shape[2] :]
        back = own.conj()
        k, v = turned(k, turns), turned(v, turns)
        if self.weight is None:
            read = F.scaled_dot_product_attention(turned(q, own), k, v, mask[:, None])
        else:
            both = q[:, :, :, None] + turned(k[:, :, None], back[:, None])  # (B, heads, T, S, .)
            read = ((self.weight * both.tanh()).sum(-1) + mask[:, None]).softmax(-1) @ v
        return turned(read, back).transpose(1, 2).flatten(2)


@lru_cache(maxsize=8)
def near(steps: int, held: int, slots: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(T, S) mask: 0 where a step may read a place, minus infinity if that is later or no longer stored."""
    with torch.inference_mode(False):
        shut = torch.full((steps, held + steps), -torch.inf, dtype=dtype, device=device)
        return shut.triu(held + 1) + shut.tril(held - slots - 1)


@lru_cache(maxsize=8)
def turns_of(pairs: int, places: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(S, pairs) complex numbers of modulus 1, the rotations of each place; cached."""
    with torch.inference_mode(False):
        rate = LONGEST_PERIOD ** (-torch.arange(pairs, device=device, dtype=dtype) / pairs)
        angle = torch.arange(places, device=device, dtype=dtype)[:, None] * rate
        return torch.polar(torch.ones_like(angle), angle)


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """(..., S, 2 pairs) with each pair of numbers rotated by its place's angles."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2)


class Attention(Layered):
    """Causal attention over the episode so far.

    Args:
        input_size: E, width of the inputs.
        hidden_size: H, width of the output, and of all heads together.
        num_layers: Layers on top of each other, each with its own memory; two can find what stood next to something.
        num_heads: Attention heads.
        slots: Steps that are remembered beside the current one.
        score: ``dot`` or ``additive``.
        overflow: If an episode is longer: ``error``, or ``forget`` the oldest steps.

    Raises:
        UserError: An episode has more steps than slots, and ``overflow`` is ``error``.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        num_heads: int = 1,
        slots: int = 128,
        score: str = "dot",
        overflow: str = "error",
    ) -> None:
        for name, value in (("num_heads", num_heads), ("slots", slots)):
            validation.integer(name, value, 1)
        validation.choice("score", score, SCORES)
        forgets = validation.choice("overflow", overflow, ("error", "forget")) == "forget"
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        super().__init__(AttentionLayer(size, hidden_size, num_heads, slots, score, forgets) for size in sizes)
