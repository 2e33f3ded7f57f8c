"""Hyperparameter search as environments."""
