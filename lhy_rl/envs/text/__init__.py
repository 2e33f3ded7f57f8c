"""Environments in which a sentence is written token by token. Each is imported when it is made."""
