"""Environments that show the use of memory, or of a CNN. Each is imported when it is made."""
