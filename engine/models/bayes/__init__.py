"""A factorisation machine sampled from its posterior: ratings from who, what, what else they rated, and their friends."""
