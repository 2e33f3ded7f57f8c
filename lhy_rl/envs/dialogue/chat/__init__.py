"""Rewards of a reply by name, and their parts."""
