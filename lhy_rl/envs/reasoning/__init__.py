"""Environments that require reasoning: the value of a tree, an answer from a story. Each is imported when it is
made."""
