"""A policy's source: read once an episode, carried in its state, looked at by every step.

    s     = summary of the source            fed to the core at every step (Cho et al. 2014)
    h_t   = core([x_t; s], h_{t-1})
    c_t   = attention(h_t, annotations)
    o_t   = tanh(W [c_t; h_t])               (Luong et al. 2015, eq. 5)

The attention comes after the recurrence, so the core still runs over all steps of a block in one call. The memory of an
instance is, with the batch first as every state: whether it has read (B,), the summary (B, E) and, with an attention,
the annotations (B, L, E) and their mask (B, L); to copy also the tokens (B, L); and of an attention that reads where it
looked before, that (B, L). Such a one runs step by step, behind the recurrence, which does not. A memory that has not
read (the initial one) reads with the next observation, whether or not that is marked as a start.

As with a backbone's memory, a block that begins in the middle of an episode goes on with what was read before, through
which no gradient flows: who learns from pieces (``bptt_steps``) takes pieces in which episodes begin.
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
    """The sources that the steps of a (T, B) block are about.

    Attributes:
        memory: Of S episodes: the tensors of a state behind the first, each (S, ...).
        episode: (T, B) which of them a step is of; None where S is B and each instance has its own all along.
        step: (T, B) how many steps of the block its episode has had before; None likewise.
    """

    memory: State
    episode: Tensor | None
    step: Tensor | None


class SourceReader(nn.Module):
    """Reads the sources of a Dict observation.

    Args:
        space: With the key ``source``, and ``source_mask`` where lengths differ.
        hidden_size: H, of the features that ask: the core's output.
        options: What reads, how wide, and how it is attended to.

    Raises:
        UserError: an unknown name, a space that cannot be read, or words to copy where places are no words.
    """

    def __init__(self, space: gym.Space[Any], hidden_size: int, options: SourceOptions) -> None:
        super().__init__()
        assert isinstance(space, gym.spaces.Dict)
        source = space[SOURCE]
        if SOURCE_MASK in space.spaces and space[SOURCE_MASK].shape != (source.shape or ())[:1]:
            raise UserError(
                f"source_mask has shape {space[SOURCE_MASK].shape} and the source {source.shape}; it must have a flag "
                "for each place, (L,) of (L, ...); a wrapper that stacks observations must leave the source out"
            )
        self.size = options.size
        self.encoder: SourceEncoder = source_encoders.choose(fitting(options.encoder, source), SourceEncoder)(
            source, options
        )
        if options.bidirectional and not self.encoder.has_directions:
            raise UserError(
                f"source_bidirectional is of gru, lstm, hred, hred_tokens; source_encoder {options.encoder!r} has no "
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
                f"copy takes tokens of the source, and source_encoder {options.encoder!r} of {source} annotates other "
                "things; allowed: a source of tokens, read by gru, lstm, mean or hred_tokens"
            )

    @property
    def state_tensors(self) -> int:
        """How many tensors a memory has."""
        return 2 + 2 * (self.attention is not None) + self.copies + self.aligns

    @property
    def aligns(self) -> bool:
        """Whether the attention reads where it looked before."""
        return isinstance(self.attention, LocationAttention)

    def initial_state(self, batch_size: int) -> State:
        """Nothing read."""
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
        """Tokens as a network reads them: words that no vocabulary has are all one unknown word."""
        if self.unknown is None:
            return tokens
        first, end = self.unknown.start, self.unknown.stop
        return torch.where((tokens >= first) & (tokens < end), torch.full_like(tokens, first), tokens)

    def encode(self, source: Tensor, mask: Tensor | None) -> State:
        """(N, L, ...) sources to what is remembered of each."""
        mask = source.new_ones(source.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
        summary, annotations, attended_places = self.encoder(self.readable(source), mask)
        if self.attention is None:
            return (summary,)
        kept: State = summary, self.attention.annotate(annotations), attended_places
        if self.copies:
            kept = (*kept, source.long())
        return (*kept, annotations.new_zeros(attended_places.shape)) if self.aligns else kept

    def read(self, obs: Any, state: State, start: Tensor | None, steps: int) -> tuple[BlockSources, State]:
        """Read the sources with which episodes begin, all in one call.

        Args:
            obs: (T, B, ...); its source is looked at only where an episode begins.
            state: Of the reader.
            start: (T, B) bool; None where no episode begins but in a memory that has not read.

        Returns:
            What the block is about, and the state after it.
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
        number = torch.zeros_like(first, dtype=torch.int64)  # numbered row by row: those that begin later are higher
        number[0] = torch.arange(instances, device=first.device)
        number[first] = torch.arange(instances, len(memory[0]), device=first.device)
        episode, since = number.cummax(0).values, torch.where(first, time, 0).cummax(0).values
        after = (torch.ones_like(known), *(tensor[episode[-1]] for tensor in memory))
        return BlockSources(memory, episode, time - since), after

    def _encode_at(self, obs: Any, where: Any) -> State:
        """What is remembered of the sources that are observed at these places of a (T, B) block.

        Equal ones that stand one behind the other, as where several episodes have one start, are read once.
        """
        source, mask = obs[SOURCE][where], obs[SOURCE_MASK][where] if SOURCE_MASK in obs else None
        if source.shape[1] > self.places and self.encoder.places is None:
            raise UserError(
                f"a source has {source.shape[1]} places; this network was made for at most {self.places}: make it with "
                "the spaces of the environment with the longest"
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
        """What is remembered of shorter sources, filled up to the space's length."""
        summary, *places = memory
        return (summary, *(_longer(x, self.places) for x in places))

    # ------------------------------------------------------------------ what the steps have of it
    def summaries(self, sources: BlockSources, steps: int) -> Tensor:
        """(T, B, E) the summary of each step's source."""
        summary = sources.memory[0]
        return summary.expand(steps, -1, -1) if sources.episode is None else summary[sources.episode]

    def attend(
        self, h: Tensor, sources: BlockSources, after: State, action_mask: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Join features with what the attention finds.

        Args:
            h: (T, B, H).
            after: The state after the block, but for where the attention looked.
            action_mask: (T, B, A), whose first L are about the places, where actions are places.

        Returns:
            Features (T, B, H); to copy, with the weights and the tokens of the places behind them, (T, B, H + 2L); to
            point, with the logits of the places, (T, B, H + L). And the state after the block.
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
        if self.pointer is not None and action_mask is not None:  # look at those that can still be chosen
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
    """(N, l, ...) with zeros up to (N, L, ...)."""
    return F.pad(x, (0, 0) * (x.dim() - 2) + (0, length - x.shape[1])) if x.shape[1] < length else x


def has_source(space: gym.Space[Any]) -> bool:
    """Whether an episode's observations hold what it is about."""
    return isinstance(space, gym.spaces.Dict) and SOURCE in space.spaces


def without_source(space: gym.Space[Any]) -> gym.Space[Any]:
    """What an encoder of steps observes: the rest of a Dict, or the one thing that is left of it."""
    assert isinstance(space, gym.spaces.Dict)
    rest = {key: part for key, part in space.spaces.items() if key not in (SOURCE, SOURCE_MASK)}
    left = [key for key in rest if key != ACTION_MASK]
    return rest[left[0]] if len(left) == 1 else gym.spaces.Dict(rest)


def steps_of(obs: Any) -> Any:
    """The observations of :func:`without_source`."""
    rest = {key: part for key, part in obs.items() if key not in (SOURCE, SOURCE_MASK)}
    left = [key for key in rest if key != ACTION_MASK]
    return rest[left[0]] if len(left) == 1 else rest
