"""Driving, seen from the driver's seat."""
