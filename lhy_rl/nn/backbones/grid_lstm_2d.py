"""A grid LSTM over both axes of a picture that is written pixel by pixel (Kalchbrenner et al. 2016, section 3).

The pixels come row by row, as the tokens of a sentence. At each pixel x two LSTM cells read the pixel and the hidden
states from the left and from above, H = [h_row, h_column]:

    (h_row', m_row')       = LSTM_row(H, x, m_row)              to the pixel on the right
    (h_column', m_column') = LSTM_column(H, x, m_column)        to the pixel below

The next pixel is predicted from its three neighbours already written, to the left, above, and above to the right, so
that pixels far apart in the sentence but near in the picture are two steps away (van den Oord et al. 2016, figure 4,
for pictures whose rows are shifted). States beyond the border are 0. Both cells also read the pixel's position.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.core import validation
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.backbones.cells import Layer, Layered


class PictureLayer(Layer):
    """The cells of all pixels; its state is that of the last W pixels.

    ``h`` (B, W, 2H), hidden states along row and column of the last W pixels; ``m_column`` (B, W, H), their memories
    along the columns; ``m_row`` (B, H); ``place`` (B,) int64, the number of tokens read.
    """

    def __init__(self, input_size: int, hidden_size: int, columns: int, rows: int) -> None:
        super().__init__()
        self.output_size, self.columns = hidden_size, columns
        self.places = nn.Embedding(columns * rows, input_size)
        self.input = nn.Linear(input_size, 8 * hidden_size)
        self.recurrent = nn.Linear(2 * hidden_size, 8 * hidden_size, bias=False)
        self.output = nn.Linear(6 * hidden_size + input_size, hidden_size)
        # input, forget and output gates, then candidates; each for the row and the column
        nn.init.ones_(self.input.bias.data.view(4, -1)[1])

    def initial_state(self, batch_size: int) -> State:
        new = self.input.weight.new_zeros
        wide, h = self.columns, self.output_size
        place = torch.zeros(batch_size, dtype=torch.int64, device=self.input.weight.device)
        return new(batch_size, wide, 2 * h), new(batch_size, wide, h), new(batch_size, h), place

    def run(self, x: Tensor, state: State, start: Tensor, begins: list[bool]) -> tuple[Tensor, State]:
        (h_before, m_before, m_row, place), wide = state, self.columns
        places = places_of(place, start)  # (T, B): the pixel to come; the last one that is read is one before
        x = x + self.places(places % self.places.num_embeddings)
        known = [(places > 0) & ((places - 1) % wide != 0), places >= wide]  # on the left and above the one read
        mask = torch.stack(known, -1)[..., None].to(x.dtype)  # (T, B, 2, 1)
        h, m_column = list(h_before.unbind(1)), list(m_before.unbind(1))
        for t, (given, inside) in enumerate(zip(self.input(x), mask, strict=True)):
            (h_left, _), (_, h_up) = h[-1].chunk(2, -1), h[t].chunk(2, -1)
            read = (torch.stack([h_left, h_up], 1) * inside).flatten(1)  # (B, 2H)
            remembered = (torch.stack([m_row, m_column[t]], 1) * inside).flatten(1)
            gates = given + self.recurrent(read)
            enter, keep, leave = gates[:, : 3 * read.shape[1]].sigmoid().chunk(3, -1)
            memory = keep * remembered + enter * gates[:, 3 * read.shape[1] :].tanh()
            m_row, column = memory.chunk(2, -1)
            h.append(leave * memory.tanh())
            m_column.append(column)
        all_h = torch.stack(h)  # (W + T, B, 2H)
        left, above, right = all_h[wide:], all_h[1 : len(x) + 1], all_h[2 : len(x) + 2]
        column = places % wide
        near = [
            left * ((column != 0) | (places == 0))[..., None],  # before the first pixel, the start token's state
            above * (places >= wide - 1)[..., None],
            right * ((places >= wide - 2) & (column != wide - 1))[..., None],
        ]
        y = self.output(torch.cat([*near, x], -1)).tanh()
        place = places[-1] + 1
        age = torch.arange(wide, 0, -1, device=place.device)  # states older than the episode are set to 0
        kept = (age <= place[:, None])[..., None]
        last_h, last_m = all_h[-wide:].transpose(0, 1), torch.stack(m_column[-wide:], 1)
        return y, (last_h * kept, last_m * kept, m_row, place)


def places_of(place: Tensor, start: Tensor) -> Tensor:
    """(T, B) number of earlier steps of its episode at each step; ``place`` (B,) is that at the first step."""
    steps = torch.arange(len(start), device=start.device)[:, None].expand_as(start)
    begun = torch.where(start, steps, -1).cummax(0).values
    return torch.where(begun >= 0, steps - begun, place + steps)


class GridLSTM2D(Layered):
    """A grid LSTM over the columns and rows of a picture whose pixels are the steps.

    Args:
        input_size: E, width of the inputs.
        hidden_size: H, width of the two hidden states, of their memories and of the output.
        num_layers: Grids on top of each other.
        columns: W, pixels of a row, at least 3.
        rows: Rows of the picture; steps after it are read as another picture of this size.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, *, columns: int = 8, rows: int = 8
    ) -> None:
        validation.integer("columns", columns, 3)
        validation.integer("rows", rows, 1)
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        super().__init__(PictureLayer(size, hidden_size, columns, rows) for size in sizes)
