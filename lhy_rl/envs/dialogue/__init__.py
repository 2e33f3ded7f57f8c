"""Dialogue: games of two who talk to reach something, a user whose wish is found out, questions, and replies."""
