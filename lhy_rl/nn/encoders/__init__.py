"""Encoders: from observations of a space to vectors."""

from lhy_rl.nn.encoders.base import Encoder, EncoderOptions
from lhy_rl.nn.encoders.select import encoders

__all__ = ["Encoder", "EncoderOptions", "encoders"]
