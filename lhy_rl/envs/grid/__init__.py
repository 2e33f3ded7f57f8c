"""Grids to walk on, written down as tables: for planning and for inverse reinforcement learning."""
