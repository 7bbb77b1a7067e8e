"""Simple methods about users and items that every table shows: they so often win."""
