"""Sequences split at episode starts, and packed for one run of a recurrent network.

:class:`EpisodePieces` packs the pieces by length, side by side. :class:`PackedEpisodes` packs them into tracks, one
piece after the other with a pause between, for a network whose gates can forget. Few sequences with many starts become
more tracks of fewer steps: a step reads the weights once for all tracks, which is most of a wide network's cost.
"""

from __future__ import annotations

import functools
import heapq
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

OVERHEAD = 3  # fixed cost of a step, in tracks (torch's LSTM with its gradient, H=64 to 256, on a CPU)
WORTH = 1.03  # a number of tracks is tried only if it promises to be this many times better


@dataclass(frozen=True)
class EpisodePieces:
    """How (T, B) sequences are split at the starts into S pieces, the longest first, packed as a ``PackedSequence`` is.

    Attributes:
        column: (S,) the sequence that each piece is from.
        first: (S,) the step at which each piece begins.
        sizes: The number of pieces that have a step 0, a step 1, ...; the sum is T*B.
        rows: (T*B,) for each packed row, its row in the flattened (T*B) data.
        last: (B,) the last piece of each sequence.
        end: (B,) the packed row at which each sequence ends.
    """

    column: Tensor
    first: Tensor
    sizes: list[int]
    rows: Tensor
    last: Tensor
    end: Tensor

    @classmethod
    def split(cls, start: Tensor) -> EpisodePieces:
        """Split at ``start`` (T, B) bool; every sequence begins a piece at step 0."""
        steps, batch = start.shape
        begin = start.T.clone()
        begin[:, 0] = True
        column, first = begin.nonzero(as_tuple=True)
        length = torch.diff(column * steps + first, append=first.new_tensor([steps * batch]))
        length, order = length.sort(descending=True, stable=True)
        column, first = column[order], first[order]
        step = torch.arange(int(length[0]), device=start.device)[:, None]
        inside = step < length  # (longest, S)
        sizes = inside.sum(1)
        rows = ((first + step) * batch + column)[inside]
        last = torch.empty(batch, dtype=torch.long, device=start.device)
        ends = (first + length == steps).nonzero()[:, 0]
        last[column[ends]] = ends
        end = (sizes.cumsum(0) - sizes)[length[last] - 1] + last
        return cls(column, first, sizes.tolist(), rows, last, end)


@dataclass(frozen=True)
class PackedEpisodes:
    """How (T, B) sequences, split at their starts, are packed into L tracks of P steps.

    Attributes:
        rows: (T*B,) for each row of the flattened (T*B) data, its row in the flattened (P*L) data.
        gate_inputs: (P*L, 2) float, further inputs of the gates: 1 in the first column to forget (at a pause), 1 in the
            second to keep the state (after a track's end).
        begins: (L,) the sequence whose memory each track starts from; B for the zero state.
        ends: (B,) the track that contains each sequence's end.
    """

    rows: Tensor
    gate_inputs: Tensor
    begins: Tensor
    ends: Tensor

    @classmethod
    def pack(cls, start: Tensor) -> PackedEpisodes:
        """Split at ``start`` (T, B) bool. A sequence's first piece begins a track and its last piece ends one.

        The latest result is kept, because an actor and a critic pack the same starts.
        """
        return cls._pack(start, start._version)

    @classmethod
    @functools.lru_cache(maxsize=1)
    def _pack(cls, start: Tensor, version: int) -> PackedEpisodes:
        begin = start.cpu().numpy().copy()
        steps, batch = begin.shape
        resets = begin[0].copy()
        begin[0] = True
        column, first = np.nonzero(begin.T)
        length = np.diff(column * steps + first, append=steps * batch)
        is_first, is_last = first == 0, first + length == steps
        count, track = _cheapest(length, is_first, is_last)

        # in each track the pieces follow each other, with a pause between two
        order = np.lexsort((is_last, ~is_first, track))
        taken = np.zeros(count, np.int64)
        np.add.at(taken, track, length + 1)
        used = taken - 1
        offset = np.empty_like(first)  # counted over all tracks first, then from each track's beginning
        offset[order] = np.cumsum(length[order] + 1) - (length[order] + 1)
        offset -= (np.cumsum(taken) - taken)[track]

        # the steps of all pieces: from (column, step) to (track, place)
        piece = np.repeat(np.arange(len(length)), length)
        step = np.arange(len(piece)) - np.repeat(np.cumsum(length) - length, length)
        rows = np.empty(steps * batch, np.int64)
        rows[(first[piece] + step) * batch + column[piece]] = (offset[piece] + step) * count + track[piece]
        ended = np.arange(int(used.max()))[:, None] >= used
        gate_inputs = np.stack([~ended, ended], -1).astype(np.float32).reshape(-1, 2)
        gate_inputs[rows] = 0.0
        begins = np.full(count, batch)
        begins[:batch] = np.where(resets, batch, np.arange(batch))
        arrays = rows, gate_inputs, begins, track[is_last]
        return cls(*(torch.from_numpy(array).to(start.device) for array in arrays))


def _cheapest(length: np.ndarray, is_first: np.ndarray, is_last: np.ndarray) -> tuple[int, np.ndarray]:
    """The number of tracks (at least one per sequence) with the lowest cost, and the track of each piece.

    Numbers of tracks are tried in the order of a lower bound on their cost, until no other can be much better.
    """
    fewest, longest, total = int(is_first.sum()), int(length.max()), int((length + 1).sum())
    counts = np.arange(fewest, max(fewest, -(-total // longest)) + 2)
    bounds = np.maximum(-(-total // counts) - 1, longest) * (counts + OVERHEAD)
    least, best = np.inf, (0, length)
    for i in np.argsort(bounds, kind="stable").tolist():
        if bounds[i] * WORTH >= least:
            break
        steps, track = _assign(length, is_first, is_last, int(counts[i]))
        if steps * (counts[i] + OVERHEAD) < least:
            least, best = steps * (counts[i] + OVERHEAD), (int(counts[i]), track)
    return best


def _assign(length: np.ndarray, is_first: np.ndarray, is_last: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    """The length of the longest track and the track of each piece, by longest processing time first (Graham 1969).

    The longest pieces come first, each to the currently shortest track; but no track gets the first pieces of two
    sequences, or the last pieces of two."""
    sequences = int(is_first.sum())
    track = np.empty(len(length), np.int64)
    track[is_first] = np.arange(sequences)
    taken = (length[is_first] + 1).tolist() + [0] * (count - sequences)  # steps, with a pause after each piece
    has_last = is_last[is_first].tolist() + [False] * (count - sequences)
    heap = [(taken[i], i) for i in range(count) if not has_last[i]]  # a sequence of one piece has a track of its own
    heapq.heapify(heap)
    others = np.flatnonzero(~is_first)
    others = others[np.argsort(-length[others], kind="stable")]
    for piece, steps, last in zip(others.tolist(), length[others].tolist(), is_last[others].tolist(), strict=True):
        passed = []
        while last and has_last[heap[0][1]]:
            passed.append(heapq.heappop(heap))
        load, i = heap[0]
        track[piece], taken[i] = i, load + steps + 1
        has_last[i] |= last
        heapq.heapreplace(heap, (taken[i], i))
        for entry in passed:
            heapq.heappush(heap, entry)
    return max(taken) - 1, track
