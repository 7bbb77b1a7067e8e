"""From a snapshot to a trained model, its blend and all embeddings, and on to a published generation.

Knows the models, the evaluation's split and the build; torch is loaded here and below only.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import DataError, NotReadyError, UnknownNameError
from engine.files import atomic_folder, open_folder
from engine.graph.snapshot import Snapshot
from engine.hashing import digest
from engine.index.hnsw import HnswConfig
from engine.models.base import ItemScorer, RelatedData
from engine.models.ranking import stand_all
from engine.models.user_methods import USER_METHODS
from engine.progress import progress
from engine.refresh.build import Parts, make_generation
from engine.refresh.content import contexts_of
from engine.refresh.gate import GateConfig, figure_name
from engine.registry import Generation, Registry
from engine.serving import layout
from engine.serving.blend import Blend
from engine.settings import Settings
from engine.threads import threads_taken

if TYPE_CHECKING:
    from engine.models.blend.scorer import BlendScorer
    from engine.models.pinsage.scorer import PinSageScorer
    from engine.refresh.advance import Network
    from engine.serving.embed_new import Embedder
    from engine.serving.view import View

MODELS = ("pinsage",)
FORMAT = 1
MODEL, TRAINING = "model", "training.json"
INDEX = HnswConfig()
FOUND_K = 10


def untrained(model: str, config: Mapping[str, Any]) -> PinSageScorer:
    """A model of these settings.

    Raises:
        UnknownNameError: no such model.
        ConfigError: an unknown setting or a wrong value.
    """
    if model not in MODELS:
        raise UnknownNameError(
            f"there is no model {model!r} to train", hint=f"Known: {', '.join([*MODELS, *USER_METHODS])}."
        )
    from engine.models.pinsage.scorer import PinSageScorer

    return PinSageScorer.from_settings(config)


def train(registry: Registry, snapshot: Snapshot, settings: Settings, model: str, config: Mapping[str, Any]) -> Path:
    """Train a model on a snapshot and learn how to blend it; see `engine.client.Engine.train`.

    The folder holds `model`, `blend` and `training.json` (settings, losses, validation figures). The registry gets a
    row for each training; a result that is found again has none of its own.
    """
    scorer = untrained(model, config)
    assert snapshot.path is not None
    key = digest([FORMAT, snapshot.path.name, model, dict(config), settings.seed])
    folder = settings.home / "models" / f"{snapshot.path.name}-{key[:12]}"
    if folder.is_dir():
        open_folder(folder, what="trained model")
        return folder
    told: dict[str, Any] = {
        "model": model,
        "config": dict(config),
        "seed": settings.seed,
        "watermark": snapshot.watermark,
    }
    with registry.trainings.record(folder, **told) as metrics:
        metrics.update(_named(_train_into(folder, scorer, snapshot, settings.seed)["validation"]))
    return folder


def _train_into(folder: Path, scorer: PinSageScorer, snapshot: Snapshot, seed: int) -> dict[str, Any]:
    work = folder.with_name(f"{folder.name}.work")
    data = _training_data(snapshot, seed, work)
    scorer.fit(data)
    parts = _others(data)
    blend = _blend(scorer, parts, data)
    figures = _validate({"pinsage": scorer, **parts, "blend": blend}, data)
    with atomic_folder(folder, {"kind": "trained model", "format": FORMAT}) as temporary:
        scorer.save(temporary / MODEL)
        Blend(blend.weights, scorer.scale, scorer.bias, scorer.new_bias).save(temporary / layout.BLEND)
        report = {**scorer.report(), "threads": threads_taken(), "validation": figures, "blend": blend.report()}
        (temporary / TRAINING).write_text(json.dumps(report, indent=2), encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)
    return report


def build(
    registry: Registry,
    snapshot: Snapshot,
    as_of: datetime,
    settings: Settings,
    model: str,
    config: Mapping[str, Any],
) -> Generation:
    """Train, embed, index and gate; see `engine.client.Engine.build`. The generation is ready, and does not serve yet."""
    from engine.refresh.advance import begin

    trained = train(registry, snapshot, settings, model, config)
    learned = registry.trainings.find(trained)
    report = json.loads((trained / TRAINING).read_text(encoding="utf-8"))
    figures = report["validation"]
    with scratch(settings.home) as work:
        begun = begin(snapshot, network_of(trained / MODEL, settings.threads), work)
        parts = Parts(
            snapshot=snapshot,
            as_of=as_of,
            vectors=begun.vectors,
            folders={layout.MODEL: trained / MODEL, layout.BLEND: trained / layout.BLEND},
            write_state=begun.write,
            config={
                "model": model,
                "seed": settings.seed,
                "settings": report["settings"],
                "training": report["training"],
            },
            metrics=_named(figures),
            default_method=best_method(figures),
            training=None if learned is None else learned.number,
        )
        index = replace(INDEX, threads=settings.threads)
        return make_generation(registry, settings.home / "generations", parts, index=index, gate=gate_of(settings))


@contextmanager
def scratch(home: Path) -> Iterator[Path]:
    """An empty folder beside the generations that is gone afterwards; what a killed process leaves goes with the garbage."""
    folder = home / "generations"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=".work.tmp") as work:
        yield Path(work)


def gate_of(settings: Settings) -> GateConfig:
    """The bars as they are configured."""
    return GateConfig(ann_recall=settings.gate.ann_recall, metric_drop=settings.gate.metric_drop)


def _named(figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    return {figure_name(method, figure): value for method, by in figures.items() for figure, value in by.items()}


def best_method(figures: Mapping[str, Mapping[str, float]]) -> str:
    """The better one on validation pairs of the two methods that have an answer for every item, the blend on a tie."""
    if "blend" not in figures:
        return "pinsage"
    return "blend" if figures["blend"]["MRR"] >= figures["pinsage"]["MRR"] else "pinsage"


def network_of(folder: Path, threads: int) -> Network:
    """A trained model, ready to embed.

    Raises:
        CorruptFileError: the model is damaged.
    """
    from engine.models.pinsage.files import load_model
    from engine.refresh.advance import Network

    model, encoder, _ = load_model(folder)
    return Network(model, encoder, threads)


def load_network(view: View, threads: int) -> Network:
    """The model of a generation, ready to embed.

    Raises:
        NotReadyError: the generation was published without a model.
        CorruptFileError: the model is damaged.
    """
    return network_of(_model_folder(view), threads)


def load_embedder(view: View) -> Embedder:
    """The model of a generation, ready for items that it has not seen.

    Raises:
        NotReadyError: the generation was published without a model.
        CorruptFileError: the model is damaged.
    """
    from engine.models.pinsage.embed import NewItemEmbedder
    from engine.models.pinsage.files import load_model

    model, encoder, _ = load_model(_model_folder(view))
    contexts = contexts_of(view.snapshot)
    return NewItemEmbedder(model, encoder, encoder.content(view.items, view.graph, contexts), view.graph, contexts)


def _model_folder(view: View) -> Path:
    folder = view.folder / layout.MODEL
    if not folder.is_dir():
        raise NotReadyError(
            f"generation {view.origin.generation} holds no model to embed with",
            hint="`engine build` makes one that does.",
        )
    return folder


def _training_data(snapshot: Snapshot, seed: int, work: Path) -> RelatedData:
    """All but the validation pairs; all, where the boards are too small to spare any."""
    from engine.evaluation.related_split import training_data

    try:
        return training_data(snapshot, seed, workdir=work)
    except DataError:
        graph = snapshot.walk_graph()
        return RelatedData(graph, snapshot.items, seed=seed, workdir=work, contexts=contexts_of(snapshot))


def _others(data: RelatedData) -> dict[str, ItemScorer]:
    from engine.models.content import ContentScorer
    from engine.models.walks import WalkScorer

    parts: dict[str, ItemScorer] = {"walks": WalkScorer(), "content": ContentScorer()}
    for part in parts.values():
        part.fit(data)
    return parts


def _blend(scorer: ItemScorer, parts: dict[str, ItemScorer], data: RelatedData) -> BlendScorer:
    from engine.models.blend.scorer import BlendScorer

    blend = BlendScorer(scorer, parts["walks"], parts["content"])
    blend.fit(data)
    return blend


def _validate(scorers: Mapping[str, ItemScorer], data: RelatedData) -> dict[str, dict[str, float]]:
    if not len(data.validation):
        return {}
    figures = {}
    with progress("Comparing methods", len(scorers) * len(data.validation)) as advance:
        for name, scorer in scorers.items():
            standing = stand_all(scorer.score, data.validation, advance=advance)
            figures[name] = {
                f"Hit@{FOUND_K}": float(standing.hit(FOUND_K).mean()),
                "MRR": float(standing.reciprocal_rank().mean()),
            }
    return figures
