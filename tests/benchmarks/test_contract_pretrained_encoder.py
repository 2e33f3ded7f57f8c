"""The benchmark of encoders that have learned runs in small, and counts the frames that they learned from."""

from benchmarks.pretrained_encoder import LEARNERS, QUICK
from tests.benchmarks.quick import quick


def test_pretrained_encoder(tmp_path):
    rows = quick("pretrained_encoder", tmp_path)
    values = {(row.variant, row.metric): row.value for row in rows}
    for variant in ("cnn, from scratch", "the same network, from scratch"):
        assert values[variant, "steps"] == QUICK.steps
    for kind in LEARNERS:
        for how in ("frozen", "tuned"):
            variant = f"{kind}, {how}"
            assert values[variant, "steps"] == QUICK.fewer + QUICK.frames
            assert values[variant, "loss on the ball"] > 0 and 0 < values[variant, "left or right"] < 1
    assert {row.task for row in rows} == {"lhy_rl/Catch-v0"}
