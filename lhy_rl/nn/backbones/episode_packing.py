"""Pieces of sequences dealt to lanes, one piece after the other in a lane with a pause between.

A recurrent network that can be told to forget runs through such lanes in one call. Few sequences with many starts
become more lanes of fewer steps: a step's weights are read once for all lanes, which is most of what a wide network
costs.
"""

from __future__ import annotations

import functools
import heapq
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

OVERHEAD = 3  # what a step costs beside its lanes, in lanes (torch's LSTM with its gradient, H=64 to 256, on a CPU)
WORTH = 1.03  # how many times better another number of lanes must promise to be, for it to be tried


@dataclass(frozen=True)
class PackedEpisodes:
    """How (T, B) sequences, cut at their starts, lie in (P, L) lanes.

    Attributes:
        rows: (T*B,) the row of the flattened (P*L) data that each row of the flattened (T*B) goes to.
        orders: (P*L, 2) float, what each row orders beside its data: to forget (a pause), to keep (behind the end).
        begins: (L,) the sequence with whose memory a lane begins; B where with none.
        ends: (B,) the lane that ends with the sequence's end.
    """

    rows: Tensor
    orders: Tensor
    begins: Tensor
    ends: Tensor

    @classmethod
    def deal(cls, start: Tensor) -> PackedEpisodes:
        """Cut at ``start`` (T, B) bool. A sequence's first piece begins a lane and its last one ends a lane.

        The latest answer is remembered, for an actor and a critic ask the same.
        """
        return cls._deal(start, start._version)

    @classmethod
    @functools.lru_cache(maxsize=1)
    def _deal(cls, start: Tensor, version: int) -> PackedEpisodes:
        begin = start.cpu().numpy().copy()
        steps, batch = begin.shape
        resets = begin[0].copy()
        begin[0] = True
        column, first = np.nonzero(begin.T)
        length = np.diff(column * steps + first, append=steps * batch)
        is_first, is_last = first == 0, first + length == steps
        count, lane = _cheapest(length, is_first, is_last)

        # in each lane the pieces lie one behind the other, each with a pause behind it but the last
        order = np.lexsort((is_last, ~is_first, lane))
        taken = np.zeros(count, np.int64)
        np.add.at(taken, lane, length + 1)
        used = taken - 1
        offset = np.empty_like(first)  # counted through all lanes, and then from each lane's beginning
        offset[order] = np.cumsum(length[order] + 1) - (length[order] + 1)
        offset -= (np.cumsum(taken) - taken)[lane]

        # the steps of all pieces, side by side: from (column, step) to (lane, place)
        piece = np.repeat(np.arange(len(length)), length)
        step = np.arange(len(piece)) - np.repeat(np.cumsum(length) - length, length)
        rows = np.empty(steps * batch, np.int64)
        rows[(first[piece] + step) * batch + column[piece]] = (offset[piece] + step) * count + lane[piece]
        ended = np.arange(int(used.max()))[:, None] >= used
        orders = np.stack([~ended, ended], -1).astype(np.float32).reshape(-1, 2)
        orders[rows] = 0.0
        begins = np.full(count, batch)
        begins[:batch] = np.where(resets, batch, np.arange(batch))
        arrays = rows, orders, begins, lane[is_last]
        return cls(*(torch.from_numpy(array).to(start.device) for array in arrays))


def _cheapest(length: np.ndarray, is_first: np.ndarray, is_last: np.ndarray) -> tuple[int, np.ndarray]:
    """How many lanes, at least one a sequence, run through the pieces soonest, and the lane of each piece.

    The numbers of lanes are tried in the order of what they cost at best, until no other can be much better.
    """
    fewest, longest, total = int(is_first.sum()), int(length.max()), int((length + 1).sum())
    counts = np.arange(fewest, max(fewest, -(-total // longest)) + 2)
    bounds = np.maximum(-(-total // counts) - 1, longest) * (counts + OVERHEAD)
    least, best = np.inf, (0, length)
    for i in np.argsort(bounds, kind="stable").tolist():
        if bounds[i] * WORTH >= least:
            break
        steps, lane = _dealt(length, is_first, is_last, int(counts[i]))
        if steps * (counts[i] + OVERHEAD) < least:
            least, best = steps * (counts[i] + OVERHEAD), (int(counts[i]), lane)
    return best


def _dealt(length: np.ndarray, is_first: np.ndarray, is_last: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    """The steps of the longest lane and the lane of each piece: the longest pieces come first, each to the lane that
    is shortest then, but no two first ones to the same and no two last ones (Graham 1969, LPT)."""
    sequences = int(is_first.sum())
    lane = np.empty(len(length), np.int64)
    lane[is_first] = np.arange(sequences)
    taken = (length[is_first] + 1).tolist() + [0] * (count - sequences)  # steps, with a pause behind each piece
    has_last = is_last[is_first].tolist() + [False] * (count - sequences)
    heap = [(taken[i], i) for i in range(count) if not has_last[i]]  # a sequence in one piece has its lane for itself
    heapq.heapify(heap)
    others = np.flatnonzero(~is_first)
    others = others[np.argsort(-length[others], kind="stable")]
    for piece, steps, last in zip(others.tolist(), length[others].tolist(), is_last[others].tolist(), strict=True):
        passed = []
        while last and has_last[heap[0][1]]:
            passed.append(heapq.heappop(heap))
        load, i = heap[0]
        lane[piece], taken[i] = i, load + steps + 1
        has_last[i] |= last
        heapq.heapreplace(heap, (taken[i], i))
        for entry in passed:
            heapq.heappush(heap, entry)
    return max(taken) - 1, lane
