"""Actions that point: the elements of what an episode is about are chosen one after the other."""
