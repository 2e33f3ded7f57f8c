"""Sources: the subject of an episode, read once at its start, attended to and copied from."""

from lhy_rl.nn.sources.base import Reading, SourceEncoder, source_encoders

__all__ = ["Reading", "SourceEncoder", "source_encoders"]
