"""Trees as tables, sorted into levels: the nodes of a level, in all trees of a batch, are computed at once.

A tree is a table (N, 3) of integers, a node in each row: its symbol (0 for none) and the rows of its left and its right
child (-1 for none). The root is row 0; the other rows are in any order, so that children may come before or after their
parents. A row with neither symbol nor child is padding.

The level of a node is its height: 0 for a leaf, else one more than its higher child's. The nodes of a level, in
whichever tree, depend on lower levels only. So a batch takes as many steps as its highest tree has levels, not as many
as it has nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lhy_rl.core.errors import UserError


@dataclass(frozen=True)
class TreeLevels:
    """The R nodes of a batch of trees, the lowest level first.

    Attributes:
        symbol: (R,).
        left, right: (R,) the index of the child among the R nodes, always smaller than the node's own; -1 for none.
        root: (M,) the index of each tree's root.
        bounds: Where each level begins, and R.
    """

    symbol: Tensor
    left: Tensor
    right: Tensor
    root: Tensor
    bounds: list[int]

    @classmethod
    def of(cls, tables: Tensor) -> TreeLevels:
        """The levels of the trees in tables (M, N, 3).

        Raises:
            UserError: A tree is empty, a child is missing, or there is a cycle; the message names the tree and the row.
        """
        trees, rows, _ = tables.shape
        children = tables[..., 1:].long()
        symbol, has_child = tables[..., 0].long(), children >= 0
        real = (symbol > 0) | has_child.any(-1)  # (M, N)
        _check_children(children, has_child, real)
        number = (real.flatten().cumsum(0) - 1).view(trees, rows)  # index of each row among the nodes
        tree, row = real.nonzero(as_tuple=True)
        child = torch.where(has_child, number.gather(1, children.clamp(min=0).flatten(1)).view_as(children), -1)
        child, symbol = child[real], symbol[real]  # (R, 2), (R,)
        height = _heights(child, tree, row)
        height, order = height.sort(stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)
        child = torch.where(child < 0, -1, place[child])[order]
        bounds = [0, *torch.bincount(height).cumsum(0).tolist()]
        return cls(symbol[order], child[:, 0], child[:, 1], place[number[:, 0]], bounds)


def _heights(child: Tensor, tree: Tensor, row: Tensor) -> Tensor:
    """(R,) height of each node, given the indices (R, 2) of its children."""
    leaf = child[:, 0] < 0
    height = torch.where(leaf, 0, -1)  # -1 is unknown as yet
    waiting = (~leaf).nonzero()[:, 0]
    level = 0
    while len(waiting):
        below = child[waiting]
        known = ((below < 0) | (height[below] >= 0)).all(1)
        level += 1
        height[waiting[known]] = level
        if not bool(known.any()):
            first = int(_on_a_cycle(child, waiting))
            raise UserError(
                f"tree {int(tree[first])} has a cycle: row {int(row[first])} is among its own descendants; "
                "allowed: tables in which no node is below itself"
            )
        waiting = waiting[~known]
    return height


def _on_a_cycle(child: Tensor, waiting: Tensor) -> Tensor:
    """A node on a cycle, found by descending through nodes of unknown height."""
    stuck = torch.zeros(len(child), dtype=torch.bool, device=child.device)
    stuck[waiting] = True
    node = waiting[0]
    for _ in range(len(waiting)):
        below = child[node]
        node = below[(below >= 0) & stuck[below]][0]
    return node


def _check_children(children: Tensor, has_child: Tensor, real: Tensor) -> None:
    """Check that every root and every child exists, and that no node has a right child only."""
    rows = real.shape[1]
    if not bool(real[:, 0].all()):
        tree = int((~real[:, 0]).nonzero()[0])
        raise UserError(f"tree {tree} is empty: row 0, the root, has no symbol and no child; allowed: at least a leaf")
    inside = children.clamp(0, rows - 1).flatten(1)
    missing = has_child & ((children >= rows) | ~real.gather(1, inside).view_as(children))
    if bool(missing.any()):
        tree, row, side = missing.nonzero()[0].tolist()
        raise UserError(
            f"tree {tree}, row {row}: its {('left', 'right')[side]} child, row {int(children[tree, row, side])}, is "
            f"missing; allowed: a row from 0 to {rows - 1} that is not empty, or -1 for none"
        )
    alone = has_child[..., 1] & ~has_child[..., 0]
    if bool(alone.any()):
        tree, row = alone.nonzero()[0].tolist()
        raise UserError(f"tree {tree}, row {row}: its left child is missing; an only child must be the left one")
