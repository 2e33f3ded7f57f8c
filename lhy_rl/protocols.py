"""A former name of :mod:`lhy_rl.core.protocols`, which the documentation has shown."""

from lhy_rl.core.protocols import KnownDensity, Phased, ScriptedExpert, Snapshot, Tabular, TextTask, TokenSequences

__all__ = ["KnownDensity", "Phased", "ScriptedExpert", "Snapshot", "Tabular", "TextTask", "TokenSequences"]
