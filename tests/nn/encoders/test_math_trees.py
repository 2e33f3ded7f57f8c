"""Tree encoders: levels by hand, node by node against level by level, the papers' formulas, and what no tree is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from lhy_rl.core.errors import UserError
from lhy_rl.nn.encoders.base import EncoderOptions
from lhy_rl.nn.encoders.recursive import TreeEncoder
from lhy_rl.nn.encoders.select import encoders
from lhy_rl.nn.encoders.tree_levels import TreeLevels

NAMES = ["recursive", "rntn", "mv_rnn"]
every_name = pytest.mark.parametrize("name", NAMES)


def space(rows: int, symbols: int = 9) -> Box:
    low = np.tile(np.array([0, -1, -1], np.int16), (rows, 1))
    return Box(low, np.tile(np.array([symbols, rows - 1, rows - 1], np.int16), (rows, 1)), dtype=np.int16)


def make(name: str, size: int = 3, **options: Any) -> TreeEncoder:
    torch.manual_seed(0)
    encoder = encoders.get(name)(space(9), EncoderOptions(embedding_size=size, **options)).double()
    assert isinstance(encoder, TreeEncoder)
    return encoder


# (7 over (6 over 1, 2), 3) with its children behind it; the same tree with its rows in another order; a single leaf
EMPTY = [0, -1, -1]
TREE = [[7, 1, 2], [6, 3, 4], [3, -1, -1], [1, -1, -1], [2, -1, -1], EMPTY]
SHUFFLED = [[7, 4, 1], [3, -1, -1], [2, -1, -1], EMPTY, [6, 5, 2], [1, -1, -1]]
LEAF = [[5, -1, -1], EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]


def test_levels_by_hand() -> None:
    levels = TreeLevels.of(torch.tensor([TREE, LEAF]))
    assert levels.bounds == [0, 4, 5, 6]
    assert levels.symbol.tolist() == [3, 1, 2, 5, 6, 7]
    assert levels.left.tolist() == [-1, -1, -1, -1, 1, 4]
    assert levels.right.tolist() == [-1, -1, -1, -1, 2, 0]
    assert levels.root.tolist() == [5, 3]


@every_name
def test_the_order_of_the_rows_and_other_trees_do_not_matter(name: str) -> None:
    encoder = make(name)
    y = encoder(torch.tensor([TREE, SHUFFLED, LEAF]))
    torch.testing.assert_close(y[0], y[1])
    torch.testing.assert_close(encoder(torch.tensor([LEAF]))[0], y[2])
    mirrored = [[7, 2, 1], *TREE[1:]]
    assert (encoder(torch.tensor([mirrored])) - y[:1]).abs().max() > 1e-3


def one_by_one(encoder: TreeEncoder, table: list[list[int]], row: int = 0) -> torch.Tensor:
    """The definition: a node's parts, put together from the left."""
    symbol, left, right = table[row]
    parts = [encoder.word(torch.tensor([symbol]))] if symbol else []
    parts += [one_by_one(encoder, table, child) for child in (left, right) if child >= 0]
    phrase = parts[0]
    for part in parts[1:]:
        phrase = encoder.compose(phrase, part)
    return phrase


@every_name
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_level_by_level_equals_node_by_node(name: str, norm: str) -> None:
    """In values and gradients; some nodes have no symbol, and some one child."""
    encoder = make(name, norm=norm)
    plain = [[0, 1, 2], [4, -1, -1], [8, 3, -1], [0, 4, -1], [9, 5, -1], [2, -1, -1]]
    tables = [TREE, plain, SHUFFLED, LEAF]
    fast = encoder(torch.tensor(tables))
    slow = torch.cat([one_by_one(encoder, table)[:, : encoder.size] for table in tables])
    torch.testing.assert_close(fast, slow)
    parameters = list(encoder.parameters())
    weights = torch.arange(fast.numel()).view(fast.shape)
    grads = [torch.autograd.grad((y * weights).sum(), parameters, allow_unused=True) for y in (fast, slow)]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


@every_name
def test_gradients_against_finite_differences(name: str) -> None:
    encoder, tables = make(name, size=2), torch.tensor([TREE, LEAF])
    parameters = dict(encoder.named_parameters())

    def y(*values: torch.Tensor) -> Any:
        return torch.func.functional_call(encoder, dict(zip(parameters, values, strict=True)), tables)

    assert torch.autograd.gradcheck(y, tuple(parameters.values()))


def test_recursive_by_hand() -> None:
    """One wide, W = (1, 2), w = 0.5, words 0.1 s: the tree [6; 1; 2] is g(g(.6, .1), .2)."""
    encoder = make("recursive", size=1)
    with torch.no_grad():
        encoder.words.weight.copy_(0.1 * torch.arange(10.0)[:, None])
        encoder.linear.weight.copy_(torch.tensor([[1.0, 2.0]]))
        encoder.linear.bias.fill_(0.5)
    y = encoder(torch.tensor([[[6, 1, 2], [1, -1, -1], [2, -1, -1]]]))
    first = np.tanh(0.6 + 2 * 0.1 + 0.5)
    np.testing.assert_allclose(y.item(), np.tanh(first + 2 * 0.2 + 0.5), rtol=1e-6)


def test_rntn_is_its_tensor() -> None:
    encoder = make("rntn")
    a, b = torch.randn(2, 5, 3, dtype=torch.double)
    parts = torch.cat([a, b], 1)
    torch.testing.assert_close(encoder.compose(a, b), (encoder.tensor(parts, parts) + encoder.linear(parts)).tanh())
    v, x = encoder.tensor.weight, parts[0]
    by_hand = [(x @ v[k] @ x + encoder.linear.weight[k] @ x + encoder.linear.bias[k]).tanh() for k in range(3)]
    torch.testing.assert_close(encoder.compose(a, b)[0], torch.stack(by_hand))


def test_mv_rnn_by_hand() -> None:
    """p = tanh(W [B a; A b] + w) and P = W_M [A; B], one node at a time."""
    encoder = make("mv_rnn")
    a, b = encoder.word(torch.tensor([1, 2])).split(1)
    (va, ma), (vb, mb) = ((x[0, :3], x[0, 3:].view(3, 3).T) for x in (a, b))
    p = encoder.compose(a, b)[0]
    changed = torch.cat([mb @ va, ma @ vb])
    torch.testing.assert_close(p[:3], (encoder.linear.weight @ changed + encoder.linear.bias).tanh())
    torch.testing.assert_close(p[3:].view(3, 3).T, encoder.matrices @ torch.cat([ma, mb]))
    off_diagonal = ma - torch.diag(encoder.diagonal.weight[1])
    assert torch.linalg.matrix_rank(off_diagonal) <= 3


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([EMPTY, [1, -1, -1], EMPTY], "tree 1 is empty: row 0, the root, has no symbol and no child"),
        (
            [[6, 1, 2], [1, -1, -1], EMPTY],
            "tree 1, row 0: its right child, row 2, is missing; allowed: a row from 0",
        ),
        (
            [[6, 1, 7], [1, -1, -1], EMPTY],
            "tree 1, row 0: its right child, row 7, is missing; allowed: a row from 0",
        ),
        (
            [[6, -1, 1], [1, -1, -1], EMPTY],
            "tree 1, row 0: its left child is missing; an only child must be the left one",
        ),
        ([[6, 1, 2], [6, 0, 2], [1, -1, -1]], "tree 1 has a cycle: row 0 is among its own descendants"),
        ([[6, 1, 2], [1, -1, -1], [6, 2, -1]], "tree 1 has a cycle: row 2 is among its own descendants"),
        ([[-2, -1, -1], EMPTY, EMPTY], "symbol -2 is not known"),
        ([[12, -1, -1], EMPTY, EMPTY], "symbol 12 is not known; allowed: 1 to 9, and 0 for none"),
    ],
)
def test_what_is_no_tree_is_one_line(table: list[list[int]], message: str) -> None:
    good = [[6, 1, 2], [1, -1, -1], [2, -1, -1]]
    with pytest.raises(UserError) as caught:
        make("rntn")(torch.tensor([good, table]))
    assert message in str(caught.value) and "\n" not in str(caught.value)
