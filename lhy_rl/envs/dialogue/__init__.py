"""Dialogue: games in which two players talk, finding out a user's wish, asking questions, and replying."""
