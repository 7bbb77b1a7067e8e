"""Nearest-neighbour search over item vectors. Knows labels (int64) and vectors; nothing of ids, items or the graph."""
