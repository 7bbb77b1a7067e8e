"""The demo's story on a terminal. Knows what it shows and rich; asks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from engine.demo.report import Comparison, Fresh, Home, Look, Pin, Related, Story, figure
from engine.demo.second_act import SecondAct

DOTS = {
    "both": ("●", "bold dark_orange3"),
    "topic": ("◐", "light_salmon1"),
    "taste": ("○", "grey50"),
    "": ("○", "grey50"),
}
SHOWN = 5


def show(story: Story, report: Path, console: Console) -> None:
    """Print the whole story."""
    _comparison(story.comparison, console)
    _heading("Related pins, side by side", console)
    console.print(
        Text.assemble(
            ("● ", DOTS["both"][1]), "same topic and hidden taste   ",
            ("◐ ", DOTS["topic"][1]), "same topic   ",
            ("○ ", DOTS[""][1]), "another topic",
        )
    )  # fmt: skip
    for related in story.related:
        _related(related, console)
    _home(story.home, console)
    _ads(story.ads, console)
    _fresh(story.fresh, console)
    _second(story.second, console)
    _looks(story.looks, console)
    _heading("Report", console)
    console.print(Text(str(report), style="bold"), soft_wrap=True)


def _heading(text: str, console: Console) -> None:
    console.print()
    console.print(Rule(Text(text, style="bold"), align="left", style="grey50"))


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", border_style="grey50", expand=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _comparison(comparison: Comparison, console: Console) -> None:
    _heading(f"Who finds the save that was kept back? ({comparison.pairs:,} of them)", console)
    names = list(next(iter(comparison.metrics.values())))
    table = _table("method")
    for name in names:
        table.add_column(name, justify="right")
    for method, metrics in comparison.metrics.items():
        best = method == comparison.best
        cells = [method, *(figure(metrics[name]) for name in names)]
        table.add_row(*cells, style="bold dark_orange3" if best else "")
    console.print(table)


def _pin(pin: Pin) -> Text:
    dot, style = DOTS[pin.likeness]
    return Text.assemble((f"{dot} ", style), pin.title)


def _related(related: Related, console: Console) -> None:
    console.print()
    console.print(
        Text.assemble(
            (related.query.title, "bold"),
            (f"   {related.query.item_id}, {related.query.topic}, {related.saves} saves", "grey50"),
        )
    )
    table = _table(*related.answers)
    columns = [found[:SHOWN] for found in related.answers.values()]
    for place in range(max(map(len, columns), default=0)):
        table.add_row(*(_pin(found[place]) if place < len(found) else "" for found in columns))
    console.print(table)


def _list(pins: Sequence[Pin], console: Console) -> None:
    for pin in pins[:SHOWN]:
        console.print(Padding(_pin(pin), (0, 0, 0, 2)))


def _home(home: Home, console: Console) -> None:
    _heading(f"Home feed of {home.name}", console)
    console.print(Text.assemble(("boards     ", "grey50"), ", ".join(home.boards[:6])))
    told = "; ".join(f"{title} ({importance:.0%})" for title, importance in home.interests)
    console.print(Text.assemble(("interests  ", "grey50"), told))
    table = _table("pin", "topic", "because of")
    for pin, interest in home.feed:
        table.add_row(pin.title, Text(pin.topic, style="grey50"), Text(interest, style="grey50"))
    console.print(table)


def _ads(ads: Related, console: Console) -> None:
    _heading("The same query against the ads", console)
    console.print(Text.assemble((ads.query.title, "bold"), (f"   {ads.query.topic}", "grey50")))
    for found in ads.answers.values():
        _list(found, console)


def _fresh(fresh: Fresh, console: Console) -> None:
    _heading("A pin that the graph has never seen", console)
    console.print(Text.assemble((fresh.pin.title, "bold"), (f"   {fresh.pin.topic}", "grey50")))
    console.print(Text("by its words and picture alone", style="grey50"))
    _list(fresh.by_content, console)
    console.print(Text(f"with its first {len(fresh.boards)} saves: {', '.join(fresh.boards)}", style="grey50"))
    _list(fresh.with_saves, console)


def _second(told: SecondAct, console: Console) -> None:
    _heading("The graph changes, and the answers follow", console)
    quiet = "grey50"
    console.print(
        Text.assemble(("written    ", quiet), told.newcomer, (f"   saved to {', '.join(told.boards)}", quiet))
    )
    console.print(Text.assemble(("refreshed  ", quiet), f"{told.seconds:.1f} s from the change to the answer"))
    console.print(Text(f"           {told.plan}", style=quiet))
    console.print(
        Text.assemble(
            ("forgotten  ", quiet),
            f"the board {told.board}",
            (
                f"   receipt {told.receipt['number']} ({told.receipt['state']}): gone at rev {told.receipt['rev']}; ",
                quiet,
            ),
            (", ".join(f"{count} left in {where}" for where, count in told.left.items()), quiet),
        )
    )
    times = (
        ("before", told.before),
        ("refreshed", told.after),
        ("rolled back", told.undone),
        ("board forgotten", told.last),
    )
    table = _table(*(f"{name}, {answer.generation}" for name, answer in times))
    for place in range(SHOWN):
        cells = []
        for _, answer in times:
            title = answer.titles[place] if place < len(answer.titles) else ""
            cells.append(Text(title, style="bold dark_orange3" if answer.place == place + 1 else ""))
        table.add_row(*cells)
    console.print(Text.assemble(("related to ", quiet), (told.query, "bold")))
    console.print(table)
    stands = "; ".join(f"{name}: {_stands(answer.place)}" for name, answer in times)
    console.print(Text(f"the new pin stands {stands}", style=quiet))


def _stands(place: int | None) -> str:
    return "nowhere" if place is None else f"at {place}"


def _looks(looks: Sequence[Look], console: Console) -> None:
    _heading("Look at the graph yourself", console)
    for look in looks:
        console.print(Text.assemble((f"{look.about}\n", "grey50"), "$ ", (look.command, "bold")), soft_wrap=True)
        console.print(Padding(Text(look.cypher, style="cyan"), (0, 0, 1, 2)))
