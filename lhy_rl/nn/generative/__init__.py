"""Generative models: networks that read pictures, draw them and tell them apart."""
