"""The registry: which generations exist and which one serves. SQLAlchemy is imported here alone."""

from engine.registry.store import Generation, GenerationState, Registry

__all__ = ["Generation", "GenerationState", "Registry"]
