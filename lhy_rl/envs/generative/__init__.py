"""Tasks whose action is a sample of a distribution: points in a plane."""
