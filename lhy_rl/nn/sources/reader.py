"""A policy's source: read once per episode, carried in its state, attended to at every step.

    s     = summary of the source            fed to the core at every step (Cho et al. 2014)
    h_t   = core([x_t; s], h_{t-1})
    c_t   = attention(h_t, annotations)
    o_t   = tanh(W [c_t; h_t])               (Luong et al. 2015, eq. 5)

The attention comes after the recurrence, so the core still runs over all steps of a block in one call. The memory
consists of, with the batch first: whether the source was read (B,), the summary (B, E) and, with an attention, the
annotations (B, L, E) and their mask (B, L); for copying also the tokens (B, L); and for an attention that reads its
earlier weights, these (B, L). Only such an attention runs step by step, after the recurrence. A memory without a source
(the initial one) reads it from the next observation, whether or not that is marked as a start.

As with a backbone's memory, a block that begins in the middle of an episode continues with what was read before, and no
gradient flows through that: training on pieces (``bptt_steps``) needs pieces in which episodes begin.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ACTION_MASK, SOURCE, SOURCE_MASK
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.sources.attention import Attention, LocationAttention, attended, attentions
from lhy_rl.nn.sources.base import SourceEncoder, SourceOptions, fitting, source_encoders
from lhy_rl.nn.sources.pointer import Pointer


class BlockSources(NamedTuple):
    """The sources of the steps of a (T, B) block.

    Attributes:
        memory: The memory of S episodes without its first tensor, (S, ...) each.
        episode: (T, B) index of each step's episode; None if S is B and no episode begins inside the block.
        step: (T, B) number of earlier steps of its episode in the block; None likewise.
    """

    memory: State
    episode: Tensor | None
    step: Tensor | None


class SourceReader(nn.Module):
    """Reads the sources of a Dict observation.

    Args:
        space: The observation space, with the key ``source``, and ``source_mask`` if lengths differ.
        hidden_size: H, width of the core's output, which queries the attention.
        options: The source encoder, its width, and the attention.

    Raises:
        UserError: A name is unknown, the space cannot be read, or ``copy`` is set and the places are no words.
    """

    def __init__(self, space: gym.Space[Any], hidden_size: int, options: SourceOptions) -> None:
        super().__init__()
        assert isinstance(space, gym.spaces.Dict)
        source = space[SOURCE]
        if SOURCE_MASK in space.spaces and space[SOURCE_MASK].shape != (source.shape or ())[:1]:
            raise UserError(
                f"source_mask has shape {space[SOURCE_MASK].shape} and the source {source.shape}; it must have one "
                "flag per position, (L,) for (L, ...); a wrapper that stacks observations must leave the source out"
            )
        self.size = options.size
        self.encoder: SourceEncoder = source_encoders.choose(fitting(options.encoder, source), SourceEncoder)(
            source, options
        )
        if options.bidirectional and not self.encoder.has_directions:
            raise UserError(
                f"source_bidirectional is for gru, lstm, hred, hred_tokens; source_encoder {options.encoder!r} has no "
                "directions"
            )
        self.places = self.encoder.places or (source.shape or (1,))[0]
        self.attention: Attention | None = None
        if options.attention != "none":
            self.attention = attentions.choose(options.attention, Attention)(hidden_size, self.size)
            self.joint = nn.Linear(self.size + hidden_size, hidden_size)
        self.pointer = Pointer(hidden_size, self.size) if options.point else None
        self.keeps_weights = False  # for a penalty on the attention
        self.kept_weights: Tensor | None = None  # (T, B, L) of the last block
        self.unknown = options.unknown
        self.copies = options.copy
        if self.copies and not (self.encoder.annotates_tokens and isinstance(source, gym.spaces.MultiDiscrete)):
            raise UserError(
                f"copy needs an output for each token, and source_encoder {options.encoder!r} of {source} has none; "
                "allowed: a source of tokens, read by gru, lstm, mean or hred_tokens"
            )

    @property
    def state_tensors(self) -> int:
        """The number of tensors of a memory."""
        return 2 + 2 * (self.attention is not None) + self.copies + self.aligns

    @property
    def aligns(self) -> bool:
        """Whether the attention reads its earlier weights."""
        return isinstance(self.attention, LocationAttention)

    def initial_state(self, batch_size: int) -> State:
        """The memory before a source was read."""
        weight = next(self.parameters())
        state: State = (weight.new_zeros(batch_size, dtype=torch.bool), weight.new_zeros(batch_size, self.size))
        if self.attention is not None:
            annotations = weight.new_zeros(batch_size, self.places, self.size)
            state = (*state, annotations, weight.new_zeros(batch_size, self.places, dtype=torch.bool))
        if self.copies:
            state = (*state, weight.new_zeros(batch_size, self.places, dtype=torch.int64))
        if self.aligns:
            state = (*state, weight.new_zeros(batch_size, self.places))
        return state

    # ------------------------------------------------------------------ reading
    def readable(self, tokens: Tensor) -> Tensor:
        """Tokens as a network reads them, with all out-of-vocabulary words replaced by one unknown word."""
        if self.unknown is None:
            return tokens
        first, end = self.unknown.start, self.unknown.stop
        return torch.where((tokens >= first) & (tokens < end), torch.full_like(tokens, first), tokens)

    def encode(self, source: Tensor, mask: Tensor | None) -> State:
        """(N, L, ...) sources to their part of the memory."""
        mask = source.new_ones(source.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
        summary, annotations, attended_places = self.encoder(self.readable(source), mask)
        if self.attention is None:
            return (summary,)
        kept: State = summary, self.attention.annotate(annotations), attended_places
        if self.copies:
            kept = (*kept, source.long())
        return (*kept, annotations.new_zeros(attended_places.shape)) if self.aligns else kept

    def read(self, obs: Any, state: State, start: Tensor | None, steps: int) -> tuple[BlockSources, State]:
        """Read the sources of all episodes that begin in a block, in one call.

        Args:
            obs: (T, B, ...); its source is read only where an episode begins.
            state: The reader's part of the memory.
            start: (T, B) bool; None if no episode begins, except in instances that have not read a source yet.

        Returns:
            The block's sources, and the state after the block.
        """
        known, *remembered = state
        memory = tuple(remembered)
        begins = ~known if start is None else start[0] | ~known  # (B,)
        inside = start is not None and steps > 1 and bool(start[1:].any())
        if not inside:
            if not bool(begins.any()):
                return BlockSources(memory, None, None), state
            if bool(begins.all()):
                memory = self._encode_at(obs, (0, slice(None)))
            else:
                columns = begins.nonzero()[:, 0]
                pairs = zip(self._as_long(memory), self._as_long(self._encode_at(obs, (0, columns))), strict=True)
                memory = tuple(kept.index_put((columns,), new) for kept, new in pairs)
            return BlockSources(memory, None, None), (torch.ones_like(known), *memory)
        assert start is not None
        first = torch.cat([begins[None], start[1:]])  # (T, B)
        new = self._encode_at(obs, first.nonzero(as_tuple=True))
        memory = tuple(torch.cat(pair) for pair in zip(self._as_long(memory), self._as_long(new), strict=True))
        instances, time = len(known), torch.arange(steps, device=first.device)[:, None]
        number = torch.zeros_like(first, dtype=torch.int64)  # episodes are numbered row by row, later ones higher
        number[0] = torch.arange(instances, device=first.device)
        number[first] = torch.arange(instances, len(memory[0]), device=first.device)
        episode, since = number.cummax(0).values, torch.where(first, time, 0).cummax(0).values
        after = (torch.ones_like(known), *(tensor[episode[-1]] for tensor in memory))
        return BlockSources(memory, episode, time - since), after

    def _encode_at(self, obs: Any, where: Any) -> State:
        """The memory of the sources at these places of a (T, B) block.

        Equal consecutive sources, as of several episodes with the same start, are read once.
        """
        source, mask = obs[SOURCE][where], obs[SOURCE_MASK][where] if SOURCE_MASK in obs else None
        if source.shape[1] > self.places and self.encoder.places is None:
            raise UserError(
                f"a source has {source.shape[1]} positions, but this network was made for at most {self.places}; make "
                "it with the spaces of the environment with the longest sources"
            )
        again = (source[1:] == source[:-1]).flatten(1).all(1)
        if mask is not None:
            again &= (mask[1:] == mask[:-1]).all(1)
        if not bool(again.any()):
            return self.encode(source, mask)
        first = F.pad(~again, (1, 0), value=True)
        which = first.cumsum(0) - 1
        return tuple(x[which] for x in self.encode(source[first], None if mask is None else mask[first]))

    def _as_long(self, memory: State) -> State:
        """The memory of shorter sources, padded to the space's length."""
        summary, *places = memory
        return (summary, *(_longer(x, self.places) for x in places))

    # ------------------------------------------------------------------ attending
    def summaries(self, sources: BlockSources, steps: int) -> Tensor:
        """The summary of each step's source, (T, B, E)."""
        summary = sources.memory[0]
        return summary.expand(steps, -1, -1) if sources.episode is None else summary[sources.episode]

    def attend(
        self, h: Tensor, sources: BlockSources, after: State, action_mask: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Combine features with the attention's context.

        Args:
            h: (T, B, H).
            after: The state after the block, except the attention's weights.
            action_mask: (T, B, A); with pointing, its first L columns are the places.

        Returns:
            Features (T, B, H), for copying followed by the weights and tokens of the places, (T, B, H + 2L), for
            pointing by the logits of the places, (T, B, H + L); and the state after the block.
        """
        if self.attention is None:
            return h, after
        _, annotations, mask, *more = sources.memory
        where = (sources.episode, sources.step)

        def by_episode(x: Tensor) -> Tensor:  # (T, B, ...) to (S, T', ...): the steps of each episode side by side
            if sources.step is None:
                return x.transpose(0, 1)
            return x.new_zeros(len(mask), int(sources.step.max()) + 1, *x.shape[2:]).index_put(where, x)

        def by_step(x: Tensor) -> Tensor:  # back to (T, B, ...)
            return x.transpose(0, 1) if sources.step is None else x[where]

        queries, open_places = by_episode(h), mask
        if self.pointer is not None and action_mask is not None:  # attend only to places that are legal
            open_places = mask[:, None] & by_episode(action_mask[..., : self.places].bool())
        weights = None  # (S, T', L)
        if isinstance(self.attention, LocationAttention):
            weights, alignments = self.attention.run(queries, annotations, open_places, more[-1])
            after = (*after[:-1], by_step(alignments)[-1])
        elif self.copies or self.keeps_weights:
            weights = self.attention.weights(queries, annotations, open_places)
        context = self.attention(queries, annotations, open_places) if weights is None else weights @ annotations
        if weights is not None and self.keeps_weights:
            self.kept_weights = by_step(weights)
        joint: Tensor = self.joint(torch.cat([by_step(context), h], -1)).tanh()
        if self.pointer is not None:
            points = self.pointer(by_episode(joint), annotations).masked_fill(~attended(mask)[:, None], -torch.inf)
            return torch.cat([joint, by_step(points)], -1), after
        if weights is None or not self.copies:
            return joint, after
        places = more[0].to(h.dtype)
        places = places.expand(len(h), -1, -1) if sources.episode is None else places[sources.episode]
        return torch.cat([joint, by_step(weights), places], -1), after


def _longer(x: Tensor, length: int) -> Tensor:
    """(N, l, ...) padded with zeros to (N, L, ...)."""
    return F.pad(x, (0, 0) * (x.dim() - 2) + (0, length - x.shape[1])) if x.shape[1] < length else x


def has_source(space: gym.Space[Any]) -> bool:
    """Whether observations have a source."""
    return isinstance(space, gym.spaces.Dict) and SOURCE in space.spaces


def without_source(space: gym.Space[Any]) -> gym.Space[Any]:
    """The space that the encoder of steps reads: a Dict without the source, or its only remaining part."""
    assert isinstance(space, gym.spaces.Dict)
    rest = {key: part for key, part in space.spaces.items() if key not in (SOURCE, SOURCE_MASK)}
    left = [key for key in rest if key != ACTION_MASK]
    return rest[left[0]] if len(left) == 1 else gym.spaces.Dict(rest)


def steps_of(obs: Any) -> Any:
    """Observations in the space of :func:`without_source`."""
    rest = {key: part for key, part in obs.items() if key not in (SOURCE, SOURCE_MASK)}
    left = [key for key in rest if key != ACTION_MASK]
    return rest[left[0]] if len(left) == 1 else rest
