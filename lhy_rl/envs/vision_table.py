"""The environments in which something is seen or drawn: their rows of the table."""

from __future__ import annotations

from lhy_rl.envs.table_row import Row

VISION: tuple[Row, ...] = (
    Row(
        "lhy_rl/DigitsTransfer-v0",
        "lhy_rl.envs.vision.digits_transfer:DigitsTransferEnv",
        "lhy_rl.envs.vision.digits_transfer:DigitsTransfer",
        "draw photographed digits as clean ones; which drawing belongs to which photograph nobody says",
        small={"photographs": 160},
        held_out={"split": "test"},
    ),
    Row(
        "lhy_rl/GlyphTransfer-v0",
        "lhy_rl.envs.vision.glyph_transfer:GlyphTransferEnv",
        "lhy_rl.envs.vision.glyph_transfer:GlyphTransfer",
        "draw photographed letters in another font; which letter is which nobody says",
        small={"photographs": 160},
    ),
)
