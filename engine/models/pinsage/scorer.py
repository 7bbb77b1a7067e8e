"""PinSage as a retrieval method: fit on a graph, then score all items for a query. Knows no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.features.encoder import Content, FeatureEncoder, fit_features
from engine.models.base import RelatedData
from engine.models.pinsage.bias import learn_bias, new_bias
from engine.models.pinsage.config import PinSageSettings
from engine.models.pinsage.embed import embed_content, score_items
from engine.models.pinsage.files import save_model
from engine.models.pinsage.model import PinSage
from engine.models.pinsage.task import PinSageTask
from engine.training.checkpoint import Checkpoints, run_digest
from engine.training.loop import Progress, train
from engine.types import FloatArray, IndexArray


class PinSageScorer:
    """Trains a PinSage and scores by scale x cosine + bias of the answer.

    Attributes:
        vectors: float32 `[N, dim]`, the embeddings, rows of length 1.
        bias: float32 `[N]`; `scale`: what the cosine is multiplied by. Both as learned; 0 and 1 under max-margin.
        new_bias: the bias of an item that comes later.
        model, encoder, content: what was trained, and the items' content under it.
    """

    name = "pinsage"

    def __init__(self, settings: PinSageSettings | None = None) -> None:
        self.settings = settings or PinSageSettings()
        self.vectors: FloatArray
        self.bias: FloatArray
        self.scale, self.new_bias = 1.0, 0.0
        self.model: PinSage
        self.encoder: FeatureEncoder
        self.content: Content
        self.progress = Progress()

    @staticmethod
    def from_settings(settings: Mapping[str, Any]) -> PinSageScorer:
        """Make one from settings by name; see `PinSageSettings.from_flat`.

        Raises:
            ConfigError: an unknown name, a value of the wrong type or out of range.
        """
        return PinSageScorer(PinSageSettings.from_flat(settings))

    def fit(self, data: RelatedData) -> None:
        """Fit the features, train, embed. With `data.workdir` an interrupted training goes on where it was.

        Raises:
            TrainingError: there are no positive pairs, or the loss is not finite.
            DataError: a feature that is not finite, naming the item and the field.
            CorruptFileError: a checkpoint in `data.workdir` is damaged or of other data.
        """
        settings = self.settings = replace(self.settings, loop=replace(self.settings.loop, seed=data.seed))
        graph = data.graph
        self.encoder = fit_features(data.items, settings.features, graph, data.contexts)
        self.model = new_model(settings, self.encoder, data)
        task = PinSageTask(self.model, data, self.encoder, settings)
        checkpoints = None
        if data.workdir is not None:
            checkpoints = Checkpoints(data.workdir / "checkpoints", _run_digest(data, settings))
        self.progress = train(task, settings.loop, checkpoints)
        self.content = task.content
        self.vectors = embed_content(self.model, task.content, task.neighbours)
        if settings.training.loss == "sampled-softmax":
            self.scale = float(self.model.log_scale.detach().exp())
            self.bias = learn_bias(self.model, data, self.vectors, self.scale)
            self.new_bias = new_bias(self.bias, graph)
        else:
            self.bias = np.zeros(graph.num_items, dtype=np.float32)

    def score(self, queries: IndexArray) -> FloatArray:
        """float32 `[B, N]`, scale x cosine + bias."""
        return score_items(self.vectors, queries, self.scale, self.bias)

    def report(self) -> dict[str, Any]:
        """Settings in force, epochs run, losses and validation figures."""
        return {"settings": asdict(self.settings), "training": asdict(self.progress)}

    def save(self, folder: Path) -> None:
        """Write the model as a sealed folder that `files.load_model` reads; `folder` must not exist.

        Raises:
            DiskFullError: no space left.
        """
        save_model(folder, self.model, self.encoder, self.settings)


def new_model(settings: PinSageSettings, encoder: FeatureEncoder, data: RelatedData) -> PinSage:
    """An untrained network for some data: seeded weights, token vectors from the SVD of the token weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.loop.seed)
        model = PinSage(
            settings.network, vocabulary=len(encoder.tokens), dense=encoder.dense_width, items=data.num_items
        )
    if len(encoder.tokens):
        weights = encoder.content(data.items, data.graph, data.contexts).tokens
        lengths = np.linalg.norm(weights @ encoder.basis, axis=1)
        if (lengths > 0).any():
            model.content.start_from(encoder.basis, float(lengths[lengths > 0].mean()))
    with torch.no_grad():
        model.log_scale.fill_(-np.log(settings.training.temperature))
    return model


def _run_digest(data: RelatedData, settings: PinSageSettings) -> str:
    """What a training run depends on: settings, seed, edges and items."""
    edges = data.graph.context_to_item
    arrays = (data.items.key, data.graph.context_key, edges.indptr, edges.indices)
    return run_digest([asdict(settings), data.seed], *arrays)
