"""Generators of samples: tasks of one step, whose action is the sample."""
