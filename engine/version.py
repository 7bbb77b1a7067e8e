"""The engine's version, for files and reports that say what wrote them."""

__version__ = "0.1.0"
