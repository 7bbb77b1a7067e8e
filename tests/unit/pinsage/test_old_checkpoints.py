"""What an older engine trained is still served: a folder of each format version stays in tests/fixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from board_world import world

from engine.models.pinsage.embed import embed_items
from engine.models.pinsage.files import load_model
from engine.serving.blend import Blend

FORMATS = Path(__file__).resolve().parents[2] / "fixtures" / "formats"


def test_a_model_of_format_1_embeds_as_it_did_when_it_was_saved() -> None:
    data = world()
    model, encoder, settings = load_model(FORMATS / "model_1" / "model")
    assert settings.network.dim == 16
    vectors = embed_items(model, encoder.content(data.items, data.graph, None), data.graph, threads=1)
    np.testing.assert_allclose(vectors, np.load(FORMATS / "model_1" / "vectors.npy"), atol=1e-5)


def test_a_blend_of_format_1_still_weighs_the_methods() -> None:
    blend = Blend.load(FORMATS / "model_1" / "blend")
    assert blend.bias.shape == (80,)
    one = np.ones((1, 2), np.float32)
    linked = np.array([[True, False]])
    assert np.isfinite(blend.weights.combine(blend.scale * one, one, one, linked)).all()
