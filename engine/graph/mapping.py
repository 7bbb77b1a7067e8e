"""A team's own labels, relationship types and property names, and how they stand in Cypher text.

Turns the engine's words (`items`, `saves`, `items.id`) into validated, back-quoted identifiers. Values never come
this way: they are always parameters. Knows no server and no files.
"""

from __future__ import annotations

import re
import unicodedata

from engine.errors import ConfigError, UnknownNameError
from engine.hashing import digest
from engine.settings import EdgeMapping, GraphMapping, NodeMapping

NODES = ("items", "contexts", "users")
EDGES = ("saves", "interactions", "follows", "owns")
ENDS = {
    "saves": ("contexts", "items"),
    "interactions": ("users", "items"),
    "follows": ("users", "users"),
    "owns": ("users", "contexts"),
}
"""Edge word -> (source node word, target node word), in the engine's direction."""
RESERVED = frozenset({"rev"})
"""Properties the engine writes itself."""
ROLES = {
    **{word: {"node": word, "node_label": "item_label" if word == "items" else word} for word in NODES},
    **{word: {"edge": word, "source": source, "target": target} for word, (source, target) in ENDS.items()},
}
"""What the words of a query that is there once for each kind stand for, by kind."""

_ESCAPE = re.compile(r"\\u", re.IGNORECASE)
_ROLE = re.compile(r"\b(node_label|node|edge|source|target)\b")
_NAME = re.compile(r"[a-z]+(?:\.[a-z]+)?|item_label")
_ARROW = re.compile(r"(<?)-\[\s*([A-Za-z_]\w*)?\s*:\s*([a-z]+)\s*\]-(>?)")
_CORPUS = re.compile(r"corpus\(\s*([A-Za-z_]\w*)\s*\)")
_PROPERTIES = re.compile(r"properties\(\s*([a-z]+)\s*,\s*([^,]+?)\s*,\s*([^,]+?)\s*\)")
_VALUE = re.compile(r"value\(\s*([A-Za-z_]\w*)\s*:\s*([a-z]+)\s*\)")


class PlaceholderError(ValueError):
    """A placeholder that means nothing; its reader adds the file and the line."""


def quote(identifier: str) -> str:
    """A label, type or property name between back-quotes; a back-tick inside is doubled.

    Raises:
        ConfigError: the name is empty, holds a control character, or a `\\u` escape (which Neo4j would turn into the
            character it names, a back-tick for one, before it reads the query).
    """
    if not identifier:
        raise ConfigError("graph.mapping: a label, type or property name is empty")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in identifier):
        raise ConfigError(f"graph.mapping: the name {identifier!r} holds a control character")
    if _ESCAPE.search(identifier):
        raise ConfigError(f"graph.mapping: the name {identifier!r} holds a \\u escape", hint="Write the character.")
    return "`" + identifier.replace("`", "``") + "`"


def string_literal(text: str) -> str:
    """A Cypher string literal, for the corpus names of the configuration.

    Raises:
        ConfigError: it holds a backslash or a control character.
    """
    if "\\" in text or any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise ConfigError(f"graph.mapping: the corpus name {text!r} holds a backslash or a control character")
    return "'" + text.replace("'", "\\'") + "'"


def mapping_digest(mapping: GraphMapping) -> str:
    """Equal for mappings that name the same things."""
    return digest(mapping.model_dump(mode="json"))


def item_labels(mapping: GraphMapping) -> tuple[str, ...]:
    """Every label that items wear, unquoted and in a fixed order."""
    labels = mapping.items.corpus_labels
    return tuple(dict.fromkeys(labels[name] for name in sorted(labels))) if labels else (mapping.items.label,)


def item_label(mapping: GraphMapping, corpus: str) -> str:
    """The unquoted label of one corpus.

    Raises:
        UnknownNameError: the mapping has a label a corpus and none for this one.
    """
    labels = mapping.items.corpus_labels
    if not labels:
        return mapping.items.label
    if corpus not in labels:
        raise UnknownNameError(
            f"corpus {corpus!r} has no label in graph.mapping.items.corpus_labels", hint=f"Known: {', '.join(labels)}."
        )
    return labels[corpus]


def check_mapping(mapping: GraphMapping) -> None:
    """Refuse names that cannot be quoted and names that stand for two things.

    Raises:
        ConfigError: naming the field.
    """
    for word in NODES:
        for identifier in _node(mapping, word).model_dump(include={"label", "id", "corpus"}).values():
            quote(identifier)
        if _node(mapping, word).id in RESERVED:
            raise ConfigError(f"graph.mapping.{word}.id: {_node(mapping, word).id!r} is a property of the engine's own")
    for label in item_labels(mapping):
        quote(label)
    for word in EDGES:
        edge = _edge(mapping, word)
        for identifier in (edge.type, edge.time, edge.value):
            if identifier is not None:
                quote(identifier)
    labels = [*item_labels(mapping), mapping.contexts.label, mapping.users.label]
    if len(set(labels)) != len(labels):
        raise ConfigError("graph.mapping: items, contexts and users need labels of their own", hint=f"Now: {labels}.")
    corpora = mapping.items.corpus_labels
    for name in (mapping.items.default_corpus, *corpora):
        string_literal(name)
    if len(set(corpora.values())) != len(corpora):
        raise ConfigError("graph.mapping.items.corpus_labels: two corpora share a label")


def with_roles(placeholder: str, kind: str) -> str:
    """A placeholder of a query that is there once for each kind, for one of them: `edge.time` as `saves.time`."""
    return _ROLE.sub(lambda found: ROLES[kind].get(found[1], found[1]), placeholder)


def fill(placeholder: str, mapping: GraphMapping, corpus: str | None = None) -> str:
    """The Cypher text of what stands between `{{` and `}}`; the language is described in cypher/README.md.

    Args:
        corpus: whose label `item_label` is.

    Raises:
        PlaceholderError: it means nothing.
        ConfigError: a mapped name cannot be quoted.
    """
    text = placeholder.strip()
    if arrow := _ARROW.fullmatch(text):
        return _fill_arrow(arrow, mapping)
    if found := _CORPUS.fullmatch(text):
        return _fill_corpus(found[1], mapping)
    if found := _VALUE.fullmatch(text):
        value = _edge(mapping, found[2]).value
        return "null" if value is None else f"{found[1]}.{quote(value)}"
    if found := _PROPERTIES.fullmatch(text):
        return _fill_properties(_edge(mapping, found[1]), found[2], found[3])
    if text == "item_label":
        return quote(item_label(mapping, mapping.items.default_corpus if corpus is None else corpus))
    if not _NAME.fullmatch(text):
        raise PlaceholderError(f"cannot read the placeholder {{{{{text}}}}}")
    word, _, part = text.partition(".")
    if word in NODES:
        return _fill_node(word, part, mapping)
    if word in EDGES and part == "time":
        return quote(_edge(mapping, word).time)
    if word in EDGES and not part:
        return quote(_edge(mapping, word).type)
    raise PlaceholderError(f"unknown placeholder {{{{{text}}}}}")


def _fill_node(word: str, part: str, mapping: GraphMapping) -> str:
    if part == "id":
        return quote(_node(mapping, word).id)
    if part:
        raise PlaceholderError(f"unknown placeholder {{{{{word}.{part}}}}}")
    return "|".join(map(quote, item_labels(mapping))) if word == "items" else quote(_node(mapping, word).label)


def _fill_arrow(arrow: re.Match[str], mapping: GraphMapping) -> str:
    left, variable, word, right = arrow.groups()
    if bool(left) == bool(right):
        raise PlaceholderError(f"the arrow {{{{{arrow[0]}}}}} needs one head")
    edge = _edge(mapping, word)
    inside = f"[{variable or ''}:{quote(edge.type)}]"
    return f"-{inside}->" if bool(right) != edge.reverse else f"<-{inside}-"


def _fill_corpus(variable: str, mapping: GraphMapping) -> str:
    items = mapping.items
    default = string_literal(items.default_corpus)
    if not items.corpus_labels:
        return f"coalesce({variable}.{quote(items.corpus)}, {default})"
    cases = " ".join(
        f"WHEN {variable}:{quote(label)} THEN {string_literal(name)}"
        for name, label in sorted(items.corpus_labels.items())
    )
    return f"CASE {cases} ELSE {default} END"


def _fill_properties(edge: EdgeMapping, time: str, value: str) -> str:
    pairs = [(edge.time, time)] if edge.value is None else [(edge.time, time), (edge.value, value)]
    return "{" + ", ".join(f"{quote(name)}: {expression}" for name, expression in pairs) + "}"


def _node(mapping: GraphMapping, word: str) -> NodeMapping:
    node: NodeMapping = getattr(mapping, word)
    return node


def _edge(mapping: GraphMapping, word: str) -> EdgeMapping:
    if word not in EDGES:
        raise PlaceholderError(f"{word!r} is no edge; known: {', '.join(EDGES)}")
    edge: EdgeMapping = getattr(mapping, word)
    return edge
