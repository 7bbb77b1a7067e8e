"""Results as tables for people. Knows results and rich; finds nothing out."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from engine.serving import results, results_users
from engine.serving.explain import cypher_literal
from engine.serving.show_operations import certificate_in_words, render_operations
from engine.serving.tables import cell, fitted, new_table, shown_time

WIDTH = 120


def as_text(result: Any) -> str:
    """The result as plain text, at most `WIDTH` columns wide."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDTH, no_color=True, highlight=False, legacy_windows=False)
    render(result, console)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def render(result: Any, console: Console) -> None:
    """Print a result on a console."""
    match result:
        case results.Answer():
            _answer(result, console)
        case results.UserClusters():
            _clusters(result, console)
        case results_users.Prediction():
            _prediction(result, console)
        case results_users.FromFriends():
            _from_friends(result, console)
        case results_users.AlikeUsers():
            _alike(result, console)
        case _:
            render_operations(result, console)


def _answer(answer: results.Answer, console: Console) -> None:
    with_interest = bool(answer.interests)
    columns = ["", "score", "item", "title"] + (["interest"] if with_interest else [])
    table = new_table(columns, right=(0, 1))
    for place, item in enumerate(answer.items, start=1):
        cells = [str(place), f"{item.score:.4f}", item.item_id, item.title or ""]
        table.add_row(*map(cell, cells + ([item.interest or ""] if with_interest else [])))
    when = "" if answer.at is None else f" at {shown_time(datetime.fromtimestamp(answer.at / 1000, UTC))}"
    console.print(cell(f"{answer.subject}{when}: {len(answer.items)} of {answer.corpus}, by {answer.method}", 200))
    for interest in answer.interests:
        console.print(
            cell(
                f"  interest {interest.medoid} {interest.title or ''}: {interest.importance:.0%}, {interest.size} items",
                200,
            )
        )
    if answer.items:
        console.print(fitted(table, ("title",)))
    if answer.reason:
        console.print(cell(answer.reason, 400))
    for item in answer.items:
        if item.explanation is not None:
            _explanation(item, item.explanation, console)
    _evidence(answer.evidence, console)
    console.print(cell(_origin(answer), 200))


def _explanation(item: results.ScoredItem, why: results.Explanation, console: Console) -> None:
    console.print(cell(f"why {item.item_id}: {why.shared_contexts} shared contexts", 200))
    if not why.paths:
        console.print("  no path over two contexts: their features and wider neighbourhoods are alike")
    for path in why.paths:
        console.print(cell("  " + " - ".join(f"{node.kind} {_name(node)}" for node in path), 400))
    console.print(Text("  " + why.cypher.replace("\n", "\n  ")))


def _evidence(why: results.Evidence | None, console: Console) -> None:
    if why is None:
        return
    for part in why.parts:
        share = "" if part.share is None else f" ({part.share:.1%} of what is gained)"
        console.print(cell(f"{part.name}{share}: the largest of {part.of:,}", 200))
        for node in part.nodes:
            console.print(cell(f"  {node.weight:6.1%}  {node.kind} {_name(node)}", 200))
    console.print(Text("  " + f":params {cypher_literal(why.parameters)}"))
    console.print(Text("  " + why.cypher.replace("\n", "\n  ")))


def _name(node: results.NodeRef | results.WeighedNode) -> str:
    return f"{node.id} ({node.title})" if node.title else node.id


def _clusters(found: results.UserClusters, console: Console) -> None:
    table = new_table(["", "users", "interest", "typical items", "such as"], right=(0, 1))
    for cluster in found.clusters:
        items = "; ".join(item.title or item.item_id for item in cluster.top_items[:3])
        table.add_row(
            *map(cell, (str(cluster.number), f"{cluster.size:,}", cluster.label, items, ", ".join(cluster.users[:3])))
        )
    console.print(fitted(table, ("typical items", "such as")))
    if found.left_out:
        console.print(f"{found.left_out:,} users took up nothing yet and are in no cluster.")
    console.print(cell(_origin(found), 200))


def _prediction(found: results_users.Prediction, console: Console) -> None:
    console.print(cell(f"{found.user} would rate {found.item} {found.rating:.2f}, by {found.model}", 200))
    for level, chance in (found.distribution or {}).items():
        console.print(f"  {level:g}  {chance:6.1%}  {'#' * round(40 * chance)}")
    console.print(cell(f"it rests on {found.rests_on}", 200))
    _evidence(found.evidence, console)
    console.print(cell(_origin(found), 200))


def _from_friends(found: results_users.FromFriends, console: Console) -> None:
    told = f"from {found.friends:,} of {found.of:,} friends of {found.user}: {len(found)} of {found.corpus}"
    console.print(cell(f"{told}, by {found.method}", 200))
    table = new_table(["", "score", "item", "title", "friends"], right=(0, 1))
    for place, item in enumerate(found, start=1):
        names = ", ".join(friend.user_id for friend in item.friends[:3])
        more = f" and {len(item.friends) - 3:,} more" if len(item.friends) > 3 else ""
        table.add_row(*map(cell, (str(place), f"{item.score:.4f}", item.item_id, item.title or "", names + more)))
    if found.items:
        console.print(fitted(table, ("title", "friends")))
    if found.reason:
        console.print(cell(found.reason, 400))
    if found.rests_on:
        console.print(cell(f"of the user {found.method} reads {found.rests_on}", 200))
    _evidence(found.evidence, console)
    model = "" if found.generation is None else f", generation {found.generation}, watermark {found.watermark}"
    console.print(cell(f"the graph as of {shown_time(found.as_of)}{model}", 200))


def _alike(found: results_users.AlikeUsers, console: Console) -> None:
    console.print(cell(f"users like {found.user}: {len(found)}, by {found.method}", 200))
    table = new_table(["", "score", "user"], right=(0, 1))
    for place, one in enumerate(found.users, start=1):
        table.add_row(*map(cell, (str(place), f"{one.score:.4f}", one.user_id)))
    if found.users:
        console.print(table)
    console.print(cell(_origin(found), 200))


def _origin(result: Any) -> str:
    told = f"generation {result.generation}, watermark {result.watermark}, as of {shown_time(result.as_of)}"
    certified = certificate_in_words(getattr(result, "certificate", None))
    return f"{told}, {certified}" if certified else told
