"""Dialogue: two who talk to reach something, as games and as environments against a named partner."""
