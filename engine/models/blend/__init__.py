"""Blends of other methods' scores."""
