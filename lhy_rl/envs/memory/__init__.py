"""Environments that show what a memory, or an eye, buys. Each is imported when it is made."""
