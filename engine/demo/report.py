"""The demo's report: one self-contained HTML file. Knows what it shows (`Story`) and the pictures; asks nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.demo.second_act import SecondAct
from engine.files import atomic_file

TEMPLATE = "report.html.j2"


@dataclass(frozen=True, slots=True)
class Pin:
    """An item as a person sees it.

    Attributes:
        title: what it is called; the id where it has none.
        topic: what it is about, from the world's truth; empty where that is not known.
        likeness: "both" where it shares the query's topic and hidden taste, "topic", "taste", or "" for neither.
    """

    item_id: str
    title: str
    topic: str
    likeness: str = ""


@dataclass(frozen=True, slots=True)
class Related:
    """One query and what each method answered."""

    query: Pin
    boards: tuple[str, ...]
    """Titles of boards that hold it."""
    saves: int
    answers: Mapping[str, tuple[Pin, ...]]


@dataclass(frozen=True, slots=True)
class Home:
    """A user's feed: interests as (title, importance in [0, 1]) and the items they bring."""

    name: str
    boards: tuple[str, ...]
    interests: tuple[tuple[str, float], ...]
    feed: tuple[tuple[Pin, str], ...]
    """Items with the title of the interest that brought them."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """A pin that the graph has never seen and what is related to it by its content alone and with its first saves."""

    pin: Pin
    boards: tuple[str, ...]
    by_content: tuple[Pin, ...]
    with_saves: tuple[Pin, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """A query to look at the graph with: the command that runs it, its Cypher, and what it returned."""

    about: str
    command: str
    cypher: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Methods on held-out saves.

    Attributes:
        metrics: method -> "Hit@10", "Hit@100", "MRR" -> value; best first.
        pairs: how many held-out saves.
        served: the method that answers by default.
    """

    metrics: Mapping[str, Mapping[str, float]]
    pairs: int
    served: str

    @property
    def best(self) -> str:
        """The method with the highest Hit@10."""
        return next(iter(self.metrics))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the demo and what it took when it ran."""

    name: str
    told: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the report and the terminal show."""

    counts: Mapping[str, int]
    seed: int
    comparison: Comparison
    related: tuple[Related, ...]
    home: Home
    ads: Related
    fresh: Fresh
    second: SecondAct
    looks: tuple[Look, ...]
    steps: tuple[Step, ...]
    generation: str
    watermark: int


@dataclass(frozen=True, slots=True)
class Pictures:
    """Data URIs."""

    map: str
    bars: str
    degrees: str
    training: str


def render(story: Story, pictures: Pictures) -> str:
    """The report as HTML; nothing in it points outside the file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["figure"] = figure
    return environment.get_template(TEMPLATE).render(story=story, pictures=pictures, methods=_methods(story.related))


def write(path: Path, html: str) -> bool:
    """Write the report unless it is there already as it is.

    Returns:
        Whether anything was written.
    """
    if path.is_file() and path.read_text(encoding="utf-8") == html:
        return False
    with atomic_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return True


def figure(value: float) -> str:
    """A metric as people print it: .123"""
    return f"{value:.3f}".removeprefix("0")


def _methods(related: Sequence[Related]) -> list[str]:
    return list(related[0].answers) if related else []
