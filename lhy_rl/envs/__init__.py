"""Environments: ``gymnasium.make`` and ``gymnasium.make_vec`` make them by id."""
