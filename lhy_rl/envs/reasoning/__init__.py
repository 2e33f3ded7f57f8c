"""Environments that ask for a conclusion: the value of a tree, an answer from a story. Each is imported when made."""
