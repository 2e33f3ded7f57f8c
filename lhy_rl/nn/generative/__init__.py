"""Generative models: networks that encode, generate and discriminate pictures."""
