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

OVERHEAD = 2  # what a step costs beside its lanes, in lanes (torch's LSTM with its gradient, H=64 to 256, on a CPU)


@dataclass(frozen=True)
class Lanes:
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
    def deal(cls, start: Tensor) -> Lanes:
        """Cut at ``start`` (T, B) bool. A sequence's first piece begins a lane and its last one ends a lane; the
        longest of the others come first, each to the lane that is shortest then.

        The latest answer is remembered, for an actor and a critic ask the same.
        """
        return cls._deal(start, start._version)

    @classmethod
    @functools.lru_cache(maxsize=1)
    def _deal(cls, start: Tensor, version: int) -> Lanes:
        begin = start.cpu().numpy().copy()
        steps, batch = begin.shape
        begin[0] = True
        column, first = np.nonzero(begin.T)
        length = np.diff(column * steps + first, append=steps * batch)
        is_first, is_last = first == 0, first + length == steps
        count = _cheapest(batch, int(length.max()), int(length.sum() + len(length)))
        lane, offset = np.zeros_like(first), np.zeros_like(first)
        used, kept = np.zeros(count, np.int64), np.zeros(count, np.int64)  # steps dealt, and kept for the last piece

        lane[is_first] = np.arange(batch)
        used[:batch] = length[is_first]
        whole = is_first & is_last
        is_open = np.ones(count, bool)
        is_open[lane[whole]] = False
        lasts = np.flatnonzero(is_last & ~whole)
        lane[lasts] = np.flatnonzero(is_open)[::-1][: len(lasts)]
        kept[lane[lasts]] = length[lasts]

        between = np.flatnonzero(~is_first & ~is_last)
        heap = [(int(used[i] + kept[i]), i) for i in np.flatnonzero(is_open).tolist()]
        heapq.heapify(heap)
        for piece in between[np.argsort(-length[between], kind="stable")].tolist():
            load, i = heap[0]
            lane[piece], offset[piece] = i, used[i] + (used[i] > 0)
            used[i] = offset[piece] + length[piece]
            heapq.heapreplace(heap, (load + int(length[piece]) + 1, i))
        offset[lasts] = used[lane[lasts]] + (used[lane[lasts]] > 0)
        used[lane[lasts]] = offset[lasts] + length[lasts]

        # the steps of all pieces, side by side: from (column, step) to (lane, place)
        piece = np.repeat(np.arange(len(length)), length)
        step = np.arange(len(piece)) - np.repeat(np.cumsum(length) - length, length)
        rows = np.empty(steps * batch, np.int64)
        rows[(first[piece] + step) * batch + column[piece]] = (offset[piece] + step) * count + lane[piece]
        behind = np.arange(int(used.max()))[:, None] >= used
        orders = np.stack([~behind, behind], -1).astype(np.float32).reshape(-1, 2)
        orders[rows] = 0.0
        begins = np.full(count, batch)
        begins[:batch] = np.arange(batch)
        arrays = rows, orders, begins, lane[is_last]
        return cls(*(torch.from_numpy(array).to(start.device) for array in arrays))


def _cheapest(fewest: int, longest: int, total: int) -> int:
    """How many lanes, at least ``fewest``, run through ``total`` rows soonest; none is shorter than ``longest``."""
    counts = np.arange(fewest, max(fewest, -(-total // longest)) + 1)
    steps = np.maximum(-(-total // counts), longest)
    return int(counts[np.argmin(steps * (counts + OVERHEAD))])
