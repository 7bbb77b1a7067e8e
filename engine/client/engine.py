"""Engine: the one object people use. It holds the settings and what is open, and lists its calls; it does no work itself."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from engine.client import (
    forgetting,
    indexes,
    inspect,
    inspection,
    models,
    operations,
    questions,
    refreshing,
    scheduling,
    shadow,
    upkeep,
    user_models,
    writes,
)
from engine.client.opened import Opened
from engine.settings import Settings, load_settings

if TYPE_CHECKING:
    from engine.graph.connection import Graph
    from engine.registry import Registry


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
        self.opened = Opened(self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A local graph server keeps running for the next command."""
        self.opened.close()

    @property
    def graph(self) -> Graph:
        """The graph server; the local one is started where no URI is set."""
        return self.opened.graph

    @property
    def registry(self) -> Registry:
        """The generations."""
        return self.opened.registry

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the serving generation answers by."""
        return self.opened.live.recommender().methods

    @property
    def default_method(self) -> str:
        """The method that answers where none is named."""
        return self.opened.live.recommender().default

    # The graph
    ingest = writes.ingest
    add_items = writes.add_items
    add_contexts = writes.add_contexts
    add_users = writes.add_users
    add_saves = writes.add_saves
    add_interactions = writes.add_interactions
    add_follows = writes.add_follows
    remove_items = writes.remove_items
    remove_contexts = writes.remove_contexts
    remove_users = writes.remove_users
    remove_saves = writes.remove_saves
    remove_interactions = writes.remove_interactions
    remove_follows = writes.remove_follows

    # Models
    snapshot = models.snapshot
    train = models.train
    build = models.build
    evaluate = models.evaluate

    # Refreshes
    refresh = refreshing.refresh
    refresh_models = refreshing.refresh_models
    rehearse_refresh = refreshing.rehearse_refresh
    rehearse_models = refreshing.rehearse_models
    verify = refreshing.verify
    verify_models = refreshing.verify_models

    # Indexes
    check_indexes = indexes.check_indexes
    compact = indexes.compact

    # Jobs
    run_scheduler = scheduling.run_scheduler
    scheduler_status = scheduling.scheduler_status
    pause_job = scheduling.pause_job
    resume_job = scheduling.resume_job
    run_job_now = scheduling.run_job_now

    # Questions
    related = questions.related
    home = questions.home
    new_item = questions.new_item
    user_clusters = questions.user_clusters
    recommend = user_models.recommend
    recommend_all = user_models.recommend_all
    next_items = user_models.next_items
    recommend_from_friends = user_models.recommend_from_friends
    predict = user_models.predict
    similar_users = user_models.similar_users
    published_models = user_models.published_models

    # Generations
    generations = operations.generations
    generation = operations.generation
    compare_generations = operations.compare_generations
    rollback = operations.rollback
    collect_garbage = operations.collect_garbage
    start_shadow = shadow.start_shadow
    shadow_status = shadow.shadow_status
    promote_shadow = shadow.promote_shadow
    stop_shadow = shadow.stop_shadow

    # The right to be forgotten
    forget = forgetting.forget
    receipts = forgetting.receipts
    receipt = forgetting.receipt
    close_receipts = forgetting.close_receipts

    # What serves, shown in the graph
    publish_inspection = inspection.publish_inspection
    keep_inspection = inspection.keep_inspection
    drop_inspection = inspection.drop_inspection
    inspection_status = inspection.inspection_status

    # The change feed's upkeep
    reconcile = upkeep.reconcile
    compact_changes = upkeep.compact_changes

    # What there is
    cypher = inspect.cypher
    changes = inspect.changes
    view = inspect.view
    status = inspect.status
