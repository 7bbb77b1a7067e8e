"""Engine: the one object people use. It opens what a call needs, when it needs it, and hands the work to its owner."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from engine.settings import Settings, load_settings

if TYPE_CHECKING:
    from engine.evaluation.related import RelatedReport
    from engine.graph.connection import Graph
    from engine.graph.ingest import IngestReport
    from engine.graph.snapshot import Snapshot
    from engine.graph.write import GraphWriter, WriteResult
    from engine.graph.write_rows import Row
    from engine.registry import Generation, Registry
    from engine.serving.filters import Where
    from engine.serving.live import Live
    from engine.serving.new_items import NewItems
    from engine.serving.query import Related
    from engine.serving.recommend import Recommender
    from engine.serving.results import Answer, GenerationList, Status, UserClusters
    from engine.serving.view import View


class Engine:
    """A recommender over a graph in Neo4j.

    ```python
    with Engine() as engine:
        engine.ingest("my-data")
        engine.build()
        print(engine.related("item-1", k=10))
    ```

    Args:
        settings: read from engine.toml and ENGINE_* variables when None.
        overrides: single settings, such as `home=...`, that win over both.

    Raises:
        ConfigError: a setting is wrong.
    """

    def __init__(self, settings: Settings | None = None, **overrides: Any) -> None:
        self.settings = load_settings(**overrides) if settings is None else settings.model_copy(update=overrides)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A local graph server keeps running for the next command."""
        for name in ("graph", "registry"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()

    @functools.cached_property
    def graph(self) -> Graph:
        """The graph server; the local one is started where no URI is set."""
        from engine.graph.connection import Graph

        return Graph.connect(self.settings)

    @functools.cached_property
    def registry(self) -> Registry:
        """The generations."""
        from engine.registry import Registry

        return Registry.open(self.settings.resolved_registry_url)

    @functools.cached_property
    def _writer(self) -> GraphWriter:
        from engine.graph.write import GraphWriter

        return GraphWriter(self.graph, self.settings.graph.mapping)

    @functools.cached_property
    def _live(self) -> Live:
        from engine.serving.live import Live

        return Live(self.registry, self._recommender_of)

    @functools.cached_property
    def _new_items(self) -> NewItems:
        from engine.refresh.model import load_embedder
        from engine.serving.new_items import NewItems

        return NewItems(lambda: self.graph, self.settings.graph.mapping, load_embedder)

    def _recommender_of(self, view: View) -> Recommender:
        from engine.serving.methods import methods_of
        from engine.serving.recommend import Recommender

        mapping, new = self.settings.graph.mapping, self._new_items
        fresh = new.carry_over(view)
        return Recommender(
            view,
            mapping,
            methods_of(view, self.settings.seed),
            default=view.facts["default_method"],
            fresh=fresh,
            find_new=lambda item: new.find(view, item),
        )

    # The graph

    def ingest(self, folder: Path | str, *, max_rejects: int = 0, rejects_path: Path | None = None) -> IngestReport:
        """Load a data set folder; see `engine.graph.ingest.ingest`."""
        from engine.graph.ingest import ingest

        return ingest(self.graph, self.settings, folder, max_rejects=max_rejects, rejects_path=rejects_path)

    def add_items(self, rows: Iterable[Row]) -> WriteResult:
        """Create or change items; see `engine.graph.write.GraphWriter`, as for all of `add_` and `remove_`."""
        return self._writer.add_items(rows)

    def add_contexts(self, rows: Iterable[Row]) -> WriteResult:
        """Create or change contexts and who owns them."""
        return self._writer.add_contexts(rows)

    def add_users(self, rows: Iterable[Row]) -> WriteResult:
        """Create or change users."""
        return self._writer.add_users(rows)

    def add_saves(self, rows: Iterable[Row]) -> WriteResult:
        """Save items into contexts."""
        return self._writer.add_saves(rows)

    def add_interactions(self, rows: Iterable[Row]) -> WriteResult:
        """Record what users took up."""
        return self._writer.add_interactions(rows)

    def add_follows(self, rows: Iterable[Row]) -> WriteResult:
        """Record who follows whom."""
        return self._writer.add_follows(rows)

    def remove_items(self, ids: Iterable[str]) -> WriteResult:
        """Remove items and their edges."""
        return self._writer.remove_items(ids)

    def remove_contexts(self, ids: Iterable[str]) -> WriteResult:
        """Remove contexts and their edges."""
        return self._writer.remove_contexts(ids)

    def remove_users(self, ids: Iterable[str]) -> WriteResult:
        """Remove users and their edges."""
        return self._writer.remove_users(ids)

    def remove_saves(self, rows: Iterable[Row]) -> WriteResult:
        """Take items out of contexts."""
        return self._writer.remove_saves(rows)

    def remove_interactions(self, rows: Iterable[Row]) -> WriteResult:
        """Take interactions back."""
        return self._writer.remove_interactions(rows)

    def remove_follows(self, rows: Iterable[Row]) -> WriteResult:
        """End follows."""
        return self._writer.remove_follows(rows)

    def cypher(self, name: str, **params: Any) -> list[dict[str, Any]]:
        """Run a named query; `engine cypher list` shows them."""
        from engine.graph.queries import run

        return run(self.graph, name, mapping=self.settings.graph.mapping, **params)

    # Models

    def snapshot(self) -> Snapshot:
        """Export the graph as it is now, or open the export that is true already."""
        from engine.graph.migrate import migrate
        from engine.graph.snapshot_export import export_snapshot

        migrate(self.graph, self.settings.graph.mapping)
        return export_snapshot(self.graph, self.settings)

    def train(self, model: str = "pinsage", config: Mapping[str, Any] | None = None) -> Path:
        """Train a model on the graph as it is now; a training that was interrupted goes on where it was.

        Args:
            config: the model's settings that differ from its defaults.

        Returns:
            The folder of what was trained; the same graph and settings find it again without training.

        Raises:
            UnknownNameError: no such model.
            TrainingError: the graph holds nothing to learn from.
        """
        from engine.refresh.model import train

        return train(self.snapshot(), self.settings, model, config or {})

    def build(self, model: str = "pinsage", config: Mapping[str, Any] | None = None) -> Generation:
        """Snapshot, train, embed, index, check and publish a new generation. What serves keeps serving until then.

        Raises:
            EmptyGraphError: the graph has no items or no edges.
            TrainingError: training failed, or the result does not pass the gate.
        """
        from engine.refresh.model import build

        as_of = datetime.now(UTC)
        built = build(self.registry, self.snapshot(), as_of, self.settings, model, config or {})
        self._live.look_again()
        return built

    # Questions

    def related(
        self,
        item: Related,
        k: int = 10,
        *,
        corpus: str | None = None,
        where: Where | None = None,
        exclude: Iterable[str] | None = None,
        user: str | None = None,
        method: str | None = None,
        diversity: float = 0.0,
        explain: bool = False,
    ) -> Answer:
        """Items related to one item or to several.

        Args:
            item: an item id, or item ids with weights above 0.
            k: how many; fewer come with a reason.
            corpus: where to look; the (weightiest) item's own corpus when None.
            where: a filter by fields, such as `{"genre": ["jazz", "rock"], "year": {">=": 1990}}`.
            exclude: ids that must not come up; an id that no item has does no harm.
            user: leave out what this user took up already.
            method: see `methods`; what is best on validation pairs when None.
            diversity: from 0, the best items, to 1, the most different ones among the best.
            explain: add the paths that connect the query and each answer.

        Raises:
            NotReadyError: nothing is published yet, or not with this method.
            UnknownNodeError: an item or user that is not there.
            UnknownNameError: a corpus, field or method that is not there.
            InputError: k, a weight, the filter or the diversity is wrong.
        """
        return self._live.recommender().related(
            item,
            k,
            corpus=corpus,
            where=where,
            exclude=exclude,
            user=user,
            method=method,
            diversity=diversity,
            explain=explain,
        )

    def home(
        self,
        user: str,
        k: int = 10,
        *,
        corpus: str | None = None,
        where: Where | None = None,
        exclude: Iterable[str] | None = None,
        diversity: float = 0.0,
    ) -> Answer:
        """A feed for a user: the nearest items to each of their interests. What they took up already is left out.

        Args and errors: see `related`. The corpus is the default one when None.
        """
        from engine.serving.home import home_feed

        return home_feed(
            self._live.recommender(), user, k, corpus=corpus, where=where, exclude=exclude, diversity=diversity
        )

    def new_item(
        self,
        item_id: str,
        fields: Mapping[str, Any] | None = None,
        *,
        contexts: Sequence[str] = (),
        corpus: str | None = None,
        k: int = 10,
        where: Where | None = None,
        exclude: Iterable[str] | None = None,
    ) -> Answer:
        """Items related to a brand-new one, from its features and its first saves; no retraining, no rebuild.

        From now on the new item comes up in this client's answers too. It is not written to the graph: `add_items` and
        `add_saves` do that, and an item that is in the graph needs no description here.

        Args:
            fields: field name -> value, as in `add_items`.
            contexts: ids of what it was saved into, in that order.
            corpus: the default one when None.

        Raises:
            UnknownNameError: a field or corpus that is not there.
            UnknownNodeError: a context that is not there.
            InputError: a wrong value; or the item is in the generation already.
        """
        recommender = self._live.recommender()
        self._new_items.describe(recommender, item_id, fields or {}, tuple(contexts), corpus)
        return recommender.related(item_id, k, where=where, exclude=exclude, method="pinsage")

    def user_clusters(self, clusters: int = 8) -> UserClusters:
        """All users, grouped by interest."""
        from engine.serving.clusters import user_clusters

        return user_clusters(self.view(), clusters, seed=self.settings.seed)

    # What there is

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the serving generation answers by."""
        return self._live.recommender().methods

    @property
    def default_method(self) -> str:
        """The method that answers where none is named."""
        return self._live.recommender().default

    def view(self) -> View:
        """The serving generation: its snapshot, vectors and indexes."""
        return self._live.recommender().view

    def generations(self) -> GenerationList:
        """All generations, newest first."""
        from engine.serving.status import generation_list

        return generation_list(self.registry)

    def status(self) -> Status:
        """What serves, from which graph, and how far it is behind."""
        from engine.serving.status import status

        return status(self.settings, self.registry, lambda: self.graph, self._live)

    def evaluate_related(self, data: Path | str, methods: Sequence[str], **options: Any) -> RelatedReport:
        """Score methods on a data set folder; see `engine.evaluation.related.evaluate_related`."""
        from engine.evaluation.related import evaluate_related

        return evaluate_related(Path(data), methods, **options)
