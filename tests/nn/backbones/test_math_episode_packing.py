"""Where the pieces of sequences lie in their tracks."""

import torch

from lhy_rl.nn.backbones.episode_packing import PackedEpisodes


def test_by_hand():
    """Two sequences of 6 steps, one of pieces 0-1, 2-3 and 4-5, one whole: that has a track of its own."""
    start = torch.zeros(6, 2, dtype=torch.bool)
    start[[2, 4], 0] = True
    packed = PackedEpisodes.pack(start)
    count = len(packed.begins)
    places = [divmod(row, count) for row in packed.rows.view(6, 2)[:, 0].tolist()]
    assert [row % count for row in packed.rows.view(6, 2)[:, 1].tolist()] == [
        1
    ] * 6  # in order, from the first place on
    assert packed.begins.tolist()[:2] == [0, 1] and packed.ends.tolist()[1] == 1
    assert places[0] == (0, 0) and places[1] == (1, 0)  # the first piece begins its track
    last = places[4:]
    assert last[0][1] == last[1][1] == packed.ends[0]


def test_every_step_has_one_place_and_between_pieces_is_a_pause():
    torch.manual_seed(0)
    for density in (0.02, 0.2, 0.9):
        start = torch.rand(40, 3) < density
        packed = PackedEpisodes.pack(start)
        count = len(packed.begins)
        rows = packed.rows.view(40, 3)
        assert len(set(rows.flatten().tolist())) == 120
        free = packed.gate_inputs.sum(1) == 0
        assert int(free.sum()) == 120 and bool(free[packed.rows].all())
        begins = set(range(count))
        for column in range(3):
            for t in range(40):
                row = int(rows[t, column])
                if t and not start[t, column]:
                    assert row == int(rows[t - 1, column]) + count  # the step behind the one before
                elif row >= count:
                    assert packed.gate_inputs[row - count].tolist() == [
                        1.0,
                        0.0,
                    ]  # a pause before a piece inside a track
                    assert t  # only a later piece of a sequence lies there
            end = int(rows[-1, column])
            behind = packed.gate_inputs[end + count :: count]
            assert packed.ends[column] == end % count in begins
            assert behind.tolist() == [[0.0, 1.0]] * len(behind)  # nothing but keeping behind a sequence's end


def test_many_starts_make_lanes_short():
    start = torch.zeros(128, 2, dtype=torch.bool)
    start[::16] = True
    packed = PackedEpisodes.pack(start)
    assert len(packed.begins) >= 8 and len(packed.gate_inputs) // len(packed.begins) <= 2 * 16 + 1


def test_a_long_piece_gets_no_idle_neighbours():
    """No track is shorter than the longest piece, so that a third one would stay empty: two, and a step or two more."""
    start = torch.zeros(128, 2, dtype=torch.bool)
    start[120, 0] = True
    packed = PackedEpisodes.pack(start)
    assert len(packed.begins) == 2 and 128 <= len(packed.gate_inputs) // 2 <= 137


def test_long_first_and_long_last_pieces_do_not_share_a_track():
    """Two sequences, split at 120 and at 8: 120 steps with 8 make two tracks of 129, the shortest that two can be."""
    start = torch.zeros(128, 2, dtype=torch.bool)
    start[120, 0] = start[8, 1] = True
    packed = PackedEpisodes.pack(start)
    assert len(packed.begins) == 2 and len(packed.gate_inputs) // 2 == 129
    assert packed.begins.tolist() == [0, 1]
    start[0, 1] = True
    assert PackedEpisodes.pack(start).begins.tolist() == [0, 2]  # the second begins without a memory
