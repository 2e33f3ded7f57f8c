"""The rows of the table for the environments of vision and generation."""

from __future__ import annotations

from lhy_rl.envs.table_row import Row

VISION: tuple[Row, ...] = (
    Row(
        "lhy_rl/DigitsTransfer-v0",
        "lhy_rl.envs.vision.digits_transfer:DigitsTransferEnv",
        "lhy_rl.envs.vision.digits_transfer:DigitsTransfer",
        "draw photographed digits as clean ones, learned from unpaired photographs and drawings",
        small={"photographs": 160},
        held_out={"split": "test"},
    ),
    Row(
        "lhy_rl/GlyphTransfer-v0",
        "lhy_rl.envs.vision.glyph_transfer:GlyphTransferEnv",
        "lhy_rl.envs.vision.glyph_transfer:GlyphTransfer",
        "draw photographed letters in another font, learned from unpaired photographs and drawings",
        small={"photographs": 160},
    ),
    Row(
        "lhy_rl/Ring-v0",
        "lhy_rl.envs.generative.ring:RingEnv",
        "lhy_rl.envs.generative.ring:Ring",
        "draw points of eight Gaussians on a circle, all equally often",
        small={"points": 500},
    ),
    Row(
        "lhy_rl/Grid25-v0",
        "lhy_rl.envs.generative.grid25:Grid25Env",
        "lhy_rl.envs.generative.grid25:Grid25",
        "draw points of 25 Gaussians on a grid, all equally often",
        small={"points": 500},
    ),
    Row(
        "lhy_rl/Digits-v0",
        "lhy_rl.envs.vision.digits:DigitsEnv",
        "lhy_rl.envs.vision.digits:Digits",
        "draw pictures like those of a dataset: handwritten digits, of a given class or any, or your own pictures",
        small={"pictures": "optical"},
    ),
    Row(
        "lhy_rl/SceneCaption-v0",
        "lhy_rl.envs.vision.scene_caption:SceneCaptionEnv",
        "lhy_rl.envs.vision.scene_caption:SceneCaption",
        "caption a picture, word by word; some combinations of colour and shape are only in the test split",
        small={"objects": 1, "captions": 60},
        held_out={"split": "test"},
    ),
    Row(
        "lhy_rl/CaptionToImage-v0",
        "lhy_rl.envs.vision.caption_to_image:CaptionToImageEnv",
        "lhy_rl.envs.vision.caption_to_image:CaptionToImage",
        "draw what a caption describes: a coloured shape at a place",
        small={"pictures": 160},
    ),
    Row(
        "lhy_rl/SketchToImage-v0",
        "lhy_rl.envs.vision.sketch_to_image:SketchToImageEnv",
        "lhy_rl.envs.vision.sketch_to_image:SketchToImage",
        "fill the outline of a shape with either of its two colours; the grey between them is wrong",
        small={"pictures": 160},
    ),
    Row(
        "lhy_rl/PixelDigits-v0",
        "lhy_rl.envs.vision.pixel_digits:PixelDigitsEnv",
        "lhy_rl.envs.vision.pixel_digits:PixelDigits",
        "draw handwritten digits pixel by pixel: pictures as sentences of two words",
        small={"rows": 1},
    ),
    Row(
        "lhy_rl/GlyphGlimpse-v0",
        "lhy_rl.envs.vision.glyph_glimpse:GlyphGlimpseEnv",
        "lhy_rl.envs.vision.glyph_glimpse:GlyphGlimpse",
        "classify a handwritten digit that is rotated, shifted and blurred, after glimpses at chosen places",
        small={"places": 2, "looks": 1},
        held_out={"split": "test"},
    ),
)
