"""A seeded pin-board world as a data set folder: the numbers of `world.py` put into words, in the engine's own format.

Words come from `vocabulary.toml` and show a pin's topic, never its taste. What was true of the world (topic and taste of
every pin) goes to `truth.csv`, which no table names and nothing that learns may read; it colours maps in reports.
"""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.datasets.folder_spec import FieldKind, TableName
from engine.datasets.readers.base import Converted
from engine.datasets.world import CORPORA, SUBJECTS, World, WorldConfig, build_world
from engine.files import atomic_file

TRUTH = "truth.csv"
PREFIX = ("pin", "ad", "product")
"""Of the ids, by corpus."""
BOARD_NAMES = ("{topic}", "{topic} ideas", "{Adjective} {topic}", "{name}'s {topic}", "{topic} someday", "My {noun}")
TITLES = (
    "{Adjective} {noun} with {detail}",
    "{Adjective} {noun}",
    "{Noun} with {detail} and {other}",
    "{Adjective} {noun} ideas",
    "{Noun} with {detail}",
)
AD_TITLES = ("{brand}: {adjective} {noun}", "{Adjective} {noun} by {brand}", "{brand} {noun} with {detail}")
PRODUCT_TITLES = ("{brand} {noun} with {detail}", "{brand} {adjective} {noun}", "{Noun} with {detail}, {brand}")
DESCRIPTIONS = (
    "Ideas for {topic}: {noun} with {detail}, {other} and more.",
    "{Adjective} {noun}, step by step. Works well with {detail}.",
    "Found this {noun} and kept it for {other}.",
    "From {domain}: {adjective} {noun}, {detail}, {other}.",
)


@dataclass(frozen=True, slots=True)
class Topic:
    """What pins of one topic are made of; its nouns are its `SUBJECTS` subjects."""

    name: str
    domain: str
    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of the world; topics in the order that `World` numbers them."""

    topics: tuple[Topic, ...]
    domains: tuple[str, ...]
    brands: tuple[str, ...]
    colours: tuple[str, ...]
    countries: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def domain_of_topic(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        """int32 `[topics]`."""
        return np.array([self.domains.index(topic.domain) for topic in self.topics], dtype=np.int32)


def load_vocabulary() -> Vocabulary:
    """The vocabulary that comes with the engine."""
    values = tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text(encoding="utf-8"))
    topics = tuple(
        Topic(t["name"], domain["name"], tuple(domain["adjectives"]), tuple(t["nouns"]), tuple(t["details"]))
        for domain in values["domain"]
        for t in domain["topics"]
    )
    lists = {key: tuple(values[key]) for key in ("brands", "colours", "countries", "names")}
    return Vocabulary(topics=topics, domains=tuple(domain["name"] for domain in values["domain"]), **lists)


@dataclass(frozen=True, slots=True)
class Generated:
    """A world in words.

    Attributes:
        world: the latent numbers behind it.
        main: everything up to the end of the world's span.
        arrivals: pins that come later, each with its first saves onto boards of `main`.
        truth: item_id, topic, domain, taste of every item, arrivals included.
    """

    world: World
    main: Converted
    arrivals: Converted
    truth: dict[str, list[Any]]


class _Writer:
    """Turns rows of the world into words; one stream of random numbers, drawn in row order."""

    def __init__(self, world: World, vocabulary: Vocabulary) -> None:
        self._world = world
        self._words = vocabulary
        self._rng = np.random.default_rng([world.config.seed, 100])
        self.item_ids = [f"{PREFIX[code]}-{row:07d}" for row, code in enumerate(world.item_corpus.tolist())]
        self.board_ids = [f"board-{row:06d}" for row in range(world.config.boards)]
        self.user_ids = [f"user-{row:06d}" for row in range(world.config.users)]

    def items(self) -> dict[str, list[Any]]:
        """The columns of the item table, arrivals last."""
        world, words, rng = self._world, self._words, self._rng
        total = len(world.item_topic)
        luck = rng.random((total, 6))
        picks = rng.integers(1 << 30, size=(total, 9)).tolist()
        price = np.exp(rng.normal(3.3, 0.9, total))
        aspect = np.round(np.exp(rng.normal(0.25, 0.2, total)), 2)
        corpora, domains = list(CORPORA), words.domains
        out: dict[str, list[Any]] = {
            name: [] for name in ("item_id", "corpus", "title", "description", "category", "colours", "price", "aspect")
        }
        kinds_of = zip(world.item_corpus.tolist(), world.item_topic.tolist(), world.item_subject.tolist(), strict=True)
        for row, (code, number, subject) in enumerate(kinds_of):
            topic, pick, chance = words.topics[number], picks[row], luck[row]
            parts = self._parts(topic, pick, subject)
            kinds = (TITLES, AD_TITLES, PRODUCT_TITLES)[code]
            about = domains[pick[7] % len(domains)] if chance[1] < 0.05 else topic.domain
            colours = list(
                dict.fromkeys(words.colours[(number + p) % len(words.colours)] for p in (pick[6] % 5, pick[8] % 5))
            )
            out["item_id"].append(self.item_ids[row])
            out["corpus"].append(corpora[code])
            out["title"].append(kinds[pick[4] % len(kinds)].format(**parts))
            out["description"].append(
                None if chance[0] < 0.15 else DESCRIPTIONS[pick[5] % len(DESCRIPTIONS)].format(**parts)
            )
            out["category"].append(None if chance[2] < 0.2 else about)
            out["colours"].append(None if chance[3] < 0.15 else "|".join(colours))
            out["price"].append(round(float(price[row]), 2) if code else None)
            out["aspect"].append(float(aspect[row]) if chance[4] >= 0.1 else None)
        return out

    def boards(self) -> dict[str, list[Any]]:
        world, words = self._world, self._words
        picks = self._rng.integers(1 << 30, size=(world.config.boards, 9)).tolist()
        owners = world.board_owner.tolist()
        titles = []
        for number, owner, pick in zip(world.board_topic.tolist(), owners, picks, strict=True):
            parts = self._parts(words.topics[number], pick, pick[1] % SUBJECTS)
            name = BOARD_NAMES[pick[4] % len(BOARD_NAMES)].format(**parts, name=self._first_name(owner))
            titles.append(name[0].upper() + name[1:])
        return {"context_id": self.board_ids, "owner_id": [self.user_ids[o] for o in owners], "title": titles}

    def users(self) -> dict[str, list[Any]]:
        users = self._world.config.users
        country = self._rng.integers(len(self._words.countries), size=users).tolist()
        known = self._rng.random(users) >= 0.1
        return {
            "user_id": self.user_ids,
            "name": [self._first_name(row) for row in range(users)],
            "country": [self._words.countries[c] if k else None for c, k in zip(country, known, strict=True)],
        }

    def _first_name(self, user: int) -> str:
        return self._words.names[(user * 17 + self._world.config.seed) % len(self._words.names)]

    def _parts(self, topic: Topic, pick: list[int], subject: int) -> dict[str, str]:
        adjective = topic.adjectives[pick[0] % len(topic.adjectives)]
        noun = topic.nouns[subject]
        at = pick[2] % len(topic.details)
        other = topic.details[(at + 1 + pick[3] % (len(topic.details) - 1)) % len(topic.details)]
        return {
            "adjective": adjective,
            "Adjective": adjective[0].upper() + adjective[1:],
            "noun": noun,
            "Noun": noun[0].upper() + noun[1:],
            "detail": topic.details[at],
            "other": other,
            "topic": topic.name.lower() if topic.name not in ("Japan", "Italy") else topic.name,
            "domain": topic.domain.lower(),
            "brand": self._words.brands[pick[8] % len(self._words.brands)],
        }


def generate(config: WorldConfig) -> Generated:
    """Draw a world and put it into words. The same configuration gives the same values, to the bit."""
    vocabulary = load_vocabulary()
    world = build_world(config, vocabulary.domain_of_topic)
    writer = _Writer(world, vocabulary)
    columns = writer.items()
    count = config.items

    def edges(kind: str, source_ids: list[str], target_ids: list[str], names: tuple[str, str]) -> dict[str, Any]:
        found = getattr(world, kind)
        return {
            names[0]: [source_ids[row] for row in found.source.tolist()],
            names[1]: [target_ids[row] for row in found.target.tolist()],
            "time": found.time.tolist(),
        }

    fields: dict[TableName, dict[str, FieldKind]] = {
        "items": {
            "title": "text",
            "description": "text",
            "category": "categorical",
            "colours": "categorical",
            "price": "numeric",
            "aspect": "numeric",
        },
        "contexts": {"title": "text"},
        "users": {"name": "text", "country": "categorical"},
    }
    main = Converted(
        tables={
            "items": {name: values[:count] for name, values in columns.items()},
            "contexts": writer.boards(),
            "users": writer.users(),
            "saves": edges("saves", writer.board_ids, writer.item_ids, ("context_id", "item_id")),
            "interactions": edges("views", writer.user_ids, writer.item_ids, ("user_id", "item_id")),
            "follows": edges("follows", writer.user_ids, writer.user_ids, ("user_id", "followed_id")),
        },
        fields=fields,
        vectors={"visual": world.visual[:count]},
    )
    arrivals = Converted(
        tables={
            "items": {name: values[count:] for name, values in columns.items()},
            "saves": edges("arrival_saves", writer.board_ids, writer.item_ids, ("context_id", "item_id")),
        },
        fields={"items": fields["items"]},
        vectors={"visual": world.visual[count:]},
    )
    topics = [vocabulary.topics[row] for row in world.item_topic.tolist()]
    truth = {
        "item_id": writer.item_ids,
        "topic": [topic.name for topic in topics],
        "domain": [topic.domain for topic in topics],
        "taste": world.item_taste.tolist(),
    }
    return Generated(world, main, arrivals, truth)


def write_world(folder: Path, config: WorldConfig) -> dict[str, int]:
    """Generate a world into a folder; see `write_generated`.

    Returns:
        Table -> rows, of the main data set.
    """
    generated = generate(config)
    write_generated(folder, generated)
    return generated.main.counts()


def write_generated(folder: Path, generated: Generated) -> None:
    """Write a world as a data set folder, with `truth.csv` and the data set `arrivals` inside; the same bytes again.

    Raises:
        InputError: `folder` is there and is no data set.
        DiskFullError: no space left.
    """
    name = f"world-{generated.world.config.items}-{generated.world.config.seed}"
    generated.main.write(folder, name)
    generated.arrivals.write(folder / "arrivals", f"{name}-arrivals")
    with atomic_file(folder / TRUTH) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(generated.truth)
        writer.writerows(zip(*generated.truth.values(), strict=True))


@dataclass(frozen=True, slots=True)
class Truth:
    """What a generated item really is."""

    topic: str
    domain: str
    taste: str


def read_truth(folder: Path) -> dict[str, Truth]:
    """Item id -> what the generator made it of; empty where a folder has no truth."""
    path = folder / TRUTH
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["item_id"]: Truth(row["topic"], row["domain"], row["taste"]) for row in csv.DictReader(stream)}
