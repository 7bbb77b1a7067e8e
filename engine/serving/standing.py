"""How a model knows whom and what an answer is about, in words where it was not trained on them. Knows no method and no server."""

from __future__ import annotations

from engine.models.standing import Standing

_HOW: dict[Standing, str] = {
    "folded in": "folded in from the edges there are",
    "cold": "cold, no edge tells of it",
}


def standing_told(model: str, about: str, standing: Standing | None) -> str | None:
    """That a model was not trained on a node; None where it was, or cannot tell.

    Args:
        about: the node, in words.
    """
    how = None if standing is None else _HOW.get(standing)
    return None if how is None else f"{model} was not trained on {about}: {how}"
