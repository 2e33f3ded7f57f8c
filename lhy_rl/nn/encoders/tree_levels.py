"""Trees as tables, sorted into levels: what can be computed at once, over all trees of a batch.

A tree is a table (N, 3) of whole numbers, a node in each row: its symbol (0 where it has none) and the rows of its left
and its right child (-1 where it has none). The root is row 0; the other rows stand in any order, so that children may
come before or behind their parents. A row of no symbol and no child is empty and fills up the table.

The level of a node is its height: 0 of a leaf, and one more than the higher child's of any other. All nodes of a level,
whichever tree they are of, need nothing but lower levels. So a batch takes as many steps as its highest tree has
levels, not as many as it has nodes.
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
        left, right: (R,) the number of the child among the R nodes, always a smaller one; -1 for none.
        root: (M,) the number of each tree's root.
        bounds: Where each level begins, and R.
    """

    symbol: Tensor
    left: Tensor
    right: Tensor
    root: Tensor
    bounds: list[int]

    @classmethod
    def of(cls, tables: Tensor) -> TreeLevels:
        """Those of the tables (M, N, 3).

        Raises:
            UserError: an empty tree, a child that is missing, or a cycle; one line names the tree and the row.
        """
        trees, rows, _ = tables.shape
        children = tables[..., 1:].long()
        symbol, has_child = tables[..., 0].long(), children >= 0
        real = (symbol > 0) | has_child.any(-1)  # (M, N)
        _check_children(children, has_child, real)
        number = (real.flatten().cumsum(0) - 1).view(trees, rows)  # of each row among the real ones
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
    """(R,) height of each node, given the numbers (R, 2) of its children."""
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
    """A node that lies on a cycle: whoever goes down from a node that waits for one, to one that waits, comes to it."""
    stuck = torch.zeros(len(child), dtype=torch.bool, device=child.device)
    stuck[waiting] = True
    node = waiting[0]
    for _ in range(len(waiting)):
        below = child[node]
        node = below[(below >= 0) & stuck[below]][0]
    return node


def _check_children(children: Tensor, has_child: Tensor, real: Tensor) -> None:
    """Every root and every child that a row names is there, and no right one without a left one."""
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
        raise UserError(f"tree {tree}, row {row}: its left child is missing; an only child is the left one")
