"""Pieces in lanes: where they lie."""

import torch

from lhy_rl.nn.backbones.episode_packing import PackedEpisodes


def test_by_hand():
    """Two sequences of 6 steps, one of pieces 0-1, 2-3 and 4-5, one whole: that has a lane of its own."""
    start = torch.zeros(6, 2, dtype=torch.bool)
    start[[2, 4], 0] = True
    lanes = PackedEpisodes.deal(start)
    count = len(lanes.begins)
    places = [divmod(row, count) for row in lanes.rows.view(6, 2)[:, 0].tolist()]
    assert [row % count for row in lanes.rows.view(6, 2)[:, 1].tolist()] == [1] * 6  # in order, from the first place on
    assert lanes.begins.tolist()[:2] == [0, 1] and lanes.ends.tolist()[1] == 1
    assert places[0] == (0, 0) and places[1] == (1, 0)  # the first piece begins its lane
    last = places[4:]
    assert last[0][1] == last[1][1] == lanes.ends[0]


def test_every_step_has_one_place_and_between_pieces_is_a_pause():
    torch.manual_seed(0)
    for density in (0.02, 0.2, 0.9):
        start = torch.rand(40, 3) < density
        lanes = PackedEpisodes.deal(start)
        count = len(lanes.begins)
        rows = lanes.rows.view(40, 3)
        assert len(set(rows.flatten().tolist())) == 120
        free = lanes.orders.sum(1) == 0
        assert int(free.sum()) == 120 and bool(free[lanes.rows].all())
        begins = set(range(count))
        for column in range(3):
            for t in range(40):
                row = int(rows[t, column])
                if t and not start[t, column]:
                    assert row == int(rows[t - 1, column]) + count  # the step behind the one before
                elif row >= count:
                    assert lanes.orders[row - count].tolist() == [1.0, 0.0]  # a pause before a piece inside a lane
                    assert t  # only a later piece of a sequence lies there
            end = int(rows[-1, column])
            behind = lanes.orders[end + count :: count]
            assert lanes.ends[column] == end % count in begins
            assert behind.tolist() == [[0.0, 1.0]] * len(behind)  # nothing but keeping behind a sequence's end


def test_many_starts_make_lanes_short():
    start = torch.zeros(128, 2, dtype=torch.bool)
    start[::16] = True
    lanes = PackedEpisodes.deal(start)
    assert len(lanes.begins) >= 8 and len(lanes.orders) // len(lanes.begins) <= 2 * 16 + 1


def test_a_long_piece_gets_no_idle_neighbours():
    """No lane is shorter than the longest piece, so that a third one would stay empty: two, and a step or two more."""
    start = torch.zeros(128, 2, dtype=torch.bool)
    start[120, 0] = True
    lanes = PackedEpisodes.deal(start)
    assert len(lanes.begins) == 2 and 128 <= len(lanes.orders) // 2 <= 137


def test_long_first_and_long_last_pieces_do_not_share_a_lane():
    """Two sequences, one cut at 120, one at 8: 120 steps with 8 make two lanes of 129, the shortest that two can be."""
    start = torch.zeros(128, 2, dtype=torch.bool)
    start[120, 0] = start[8, 1] = True
    lanes = PackedEpisodes.deal(start)
    assert len(lanes.begins) == 2 and len(lanes.orders) // 2 == 129
    assert lanes.begins.tolist() == [0, 1]
    start[0, 1] = True
    assert PackedEpisodes.deal(start).begins.tolist() == [0, 2]  # the second begins without a memory
