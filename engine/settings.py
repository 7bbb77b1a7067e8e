"""Settings, read once at the entry: defaults < engine.toml < ENGINE_* variables < arguments.

`engine.toml` is looked for in the working folder, or where ENGINE_CONFIG points. Knows no graph and no files but that one.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from engine.errors import ConfigError

Identifier = Annotated[str, Field(min_length=1, max_length=200)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeMapping(_Section):
    """One kind of node in a team's own graph."""

    label: Identifier
    id: Identifier
    """The property that holds the external id (a string)."""


class ItemMapping(NodeMapping):
    """The items. One label for all corpora, or a label a corpus."""

    corpus: Identifier = "corpus"
    """The property that names the corpus; items without it are in `default_corpus`."""
    default_corpus: str = "organic"
    corpus_labels: dict[str, Identifier] = Field(default_factory=dict)
    """Corpus name -> label, for a graph in which every corpus has a label of its own."""


class EdgeMapping(_Section):
    """One kind of relationship in a team's own graph."""

    type: Identifier
    reverse: bool = False
    """True when the team's relationship points the other way (item -> context, ...)."""
    time: Identifier = "time"
    """The property that holds the time in epoch ms; edges may lack it."""
    value: Identifier | None = None
    """The property that holds a rating or a weight."""


class GraphMapping(_Section):
    """How the engine's words map onto the labels and relationship types of the graph."""

    items: ItemMapping = ItemMapping(label="Item", id="item_id")
    contexts: NodeMapping = NodeMapping(label="Context", id="context_id")
    users: NodeMapping = NodeMapping(label="User", id="user_id")
    saves: EdgeMapping = EdgeMapping(type="SAVED")
    """context -> item"""
    interactions: EdgeMapping = EdgeMapping(type="INTERACTED", value="rating")
    """user -> item"""
    follows: EdgeMapping = EdgeMapping(type="FOLLOWS", value="weight")
    """user -> user"""
    owns: EdgeMapping = EdgeMapping(type="OWNS")
    """user -> context"""
    fields: dict[str, Literal["text", "numeric", "categorical", "vector"]] | None = None
    """Item properties that serve as features and filters. None: what ingest recorded in the graph."""


class LocalServerSettings(_Section):
    """The Neo4j that the engine runs itself when no URI is given."""

    port: int = Field(default=0, ge=0, le=65535)
    """Bolt port on 127.0.0.1; 0 picks a free one."""
    heap_mb: int = Field(default=1024, ge=256)
    page_cache_mb: int = Field(default=256, ge=32)
    start_timeout_s: float = Field(default=120.0, gt=0)


class GraphSettings(_Section):
    """Where the graph is."""

    uri: str | None = None
    user: str = "neo4j"
    password: SecretStr = SecretStr("")
    database: str = "neo4j"
    mapping: GraphMapping = GraphMapping()
    local: LocalServerSettings = LocalServerSettings()


class JobSettings(_Section):
    """When a job runs: at an interval, by cron, or, with neither, only when asked for."""

    every_s: float | None = Field(default=None, gt=0)
    cron: str | None = None
    """Five fields: minute, hour, day of month, month, day of week (mon-sun), in `scheduler.timezone`."""
    jitter_s: float = Field(default=0.0, ge=0)
    """Each run is late by up to this, drawn anew, so that many schedulers do not all ask at once."""

    @model_validator(mode="after")
    def _one_of_both(self) -> JobSettings:
        if self.every_s is not None and self.cron is not None:
            raise ValueError("every_s and cron exclude each other")
        return self

    @property
    def words(self) -> str:
        """The schedule as a person reads it."""
        if self.cron is not None:
            return f"cron {self.cron}"
        return "when asked for" if self.every_s is None else f"every {self.every_s:g} s"


class SchedulerSettings(_Section):
    """What `engine scheduler run` does when."""

    refresh: JobSettings = JobSettings(every_s=10, jitter_s=1)
    """Bring what serves up to date with the graph."""
    reconcile: JobSettings = JobSettings(every_s=3600, jitter_s=60)
    """Find what other programs changed without a stamp."""
    canary: JobSettings = JobSettings(every_s=300, jitter_s=10)
    """Compare the indexes with exact search, and build anew those that need it."""
    models: JobSettings = JobSettings(every_s=600, jitter_s=30)
    """Bring the published models about users and items up to date, without training."""
    retrain: JobSettings = JobSettings(cron="30 3 * * sun")
    """Train on the graph as it is, build a full generation and publish it."""
    gc: JobSettings = JobSettings(every_s=3600, jitter_s=60)
    """Delete generations that are not kept."""
    receipts: JobSettings = JobSettings(every_s=600, jitter_s=30)
    """Look again that what was forgotten is gone, and close its receipts."""
    inspect: JobSettings = JobSettings(every_s=60, jitter_s=5)
    """Bring what `engine inspect publish` wrote into the graph up to what serves."""
    timezone: str = "UTC"
    """Of the cron fields: a name of the IANA database."""
    misfire_grace_s: float = Field(default=3600.0, gt=0)
    """A run that is late by more than this is left out; several late ones are one."""
    retrain_growth: float = Field(default=0.2, gt=0)
    """Retrain once the items are more, or fewer, than the model was trained with by this share."""
    retrain_pause_s: float = Field(default=21600.0, ge=0)
    """No retraining for such a reason within this time after the last."""
    poll_s: float = Field(default=1.0, gt=0, le=60)
    """How often to look for what people asked for, and for the lease when standing by."""
    lease_ttl_s: float = Field(default=30.0, ge=1)
    """How long the scheduler may be silent before another one takes over."""
    stop_grace_s: float = Field(default=10.0, ge=0)
    """How long jobs may go on when the scheduler is told to stop; they are interrupted then."""

    def of(self, job: str) -> JobSettings:
        """The settings of one job."""
        settings: JobSettings = getattr(self, job)
        return settings


class GateSettings(_Section):
    """What a generation must pass before it may serve."""

    ann_recall: float = Field(default=0.95, gt=0, le=1)
    """The least share of the exact nearest items that its index finds."""
    metric_drop: float = Field(default=0.2, ge=0, le=1)
    """By which share a validation figure of a full build may be below that of what serves; 1 lets any pass."""


class GenerationSettings(_Section):
    """Which generations are kept for a rollback beside what serves."""

    keep: int = Field(default=5, ge=1)
    """The newest ones, whatever their kind."""
    keep_full: int = Field(default=2, ge=0)
    """The newest ones that were built whole, so that many quick refreshes do not push out what they were made from."""


def _default_home() -> Path:
    from platformdirs import user_data_path

    return user_data_path("graph-recommender-engine", appauthor=False)


class Settings(BaseSettings):
    """All settings. ENGINE_HOME, ENGINE_GRAPH_URI, ENGINE_GRAPH_PASSWORD, ... override the file."""

    model_config = SettingsConfigDict(
        env_prefix="ENGINE_", env_nested_delimiter="_", env_nested_max_split=1, extra="ignore", frozen=True
    )

    home: Path = Field(default_factory=_default_home)
    """Everything the engine writes: the local graph, snapshots, generations, the registry."""
    registry_url: str | None = None
    """SQLAlchemy URL of the registry; None is SQLite inside `home`."""
    graph: GraphSettings = GraphSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    gate: GateSettings = GateSettings()
    generations: GenerationSettings = GenerationSettings()
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    seed: int = 0

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        from pydantic_settings import InitSettingsSource

        return init_settings, env_settings, InitSettingsSource(settings_cls, _read_config())

    @property
    def resolved_registry_url(self) -> str:
        return self.registry_url or f"sqlite:///{self.home / 'registry.sqlite'}"


def _read_config() -> dict[str, Any]:
    named = os.environ.get("ENGINE_CONFIG")
    path = Path(named) if named else Path("engine.toml")
    if not path.is_file():
        if named:
            raise ConfigError(f"ENGINE_CONFIG names {named}, which is not a file")
        return {}
    try:
        values = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    unknown = sorted(set(values) - set(Settings.model_fields))
    if unknown:
        raise ConfigError(
            f"{path}: unknown setting {unknown[0]!r}", hint=f"Known: {', '.join(sorted(Settings.model_fields))}."
        )
    return values


def load_settings(**overrides: Any) -> Settings:
    """Read the settings once.

    Raises:
        ConfigError: a file that is not TOML, an unknown name or a value out of range, naming the field.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "settings"
        raise ConfigError(f"setting {field}: {first['msg']}", hint="See docs/configuration.md.") from error
