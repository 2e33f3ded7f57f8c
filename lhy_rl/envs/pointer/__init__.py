"""Actions that point: the elements of an episode's source are chosen one after the other."""
