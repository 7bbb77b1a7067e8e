from __future__ import annotations

import base64
import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from engine.demo import figures
from engine.demo.report import Comparison, Fresh, Home, Look, Pictures, Pin, Related, Step, Story, render, write
from engine.demo.second_act import Answered, SecondAct
from engine.demo.show import show

SVG = "{http://www.w3.org/2000/svg}svg"


class Page(HTMLParser):
    """What a browser would see: pictures, text, and anything that points outside the file."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pictures: dict[str, str] = {}
        self.outside: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        for name in ("src", "href"):
            if name in known and not known[name].startswith(("data:", "#")):
                self.outside.append(known[name])
        if tag == "img":
            self.pictures[known["data-picture"]] = known["src"]
            assert known["alt"]
        if tag in ("link", "script", "iframe"):
            self.outside.append(tag)
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check_picture(uri: str) -> None:
    """A picture that opens: a PNG of some size, or well-formed SVG."""
    head, body = uri.split(",", 1)
    raw = base64.b64decode(body)
    if head == "data:image/png;base64":
        import matplotlib.image

        assert matplotlib.image.imread(io.BytesIO(raw)).shape[0] > 100
    else:
        assert head == "data:image/svg+xml;base64"
        assert ElementTree.fromstring(raw).tag == SVG


@pytest.fixture(scope="module")
def story() -> Story:
    pins = tuple(
        Pin(f"pin-{n}", f"Cozy <nook> & lamp {n}", "Bedroom", kind) for n, kind in enumerate(("both", "topic", ""))
    )
    related = Related(pins[0], ("Cozy bedroom",), 12, {"pinsage": pins, "walks": pins[:1], "popularity": ()})
    metrics = {"pinsage": {"Hit@10": 0.3, "MRR": 0.1}, "popularity": {"Hit@10": 0.0, "MRR": 0.0}}
    return Story(
        counts={"items": 600, "contexts": 480, "users": 120, "saves": 5000},
        seed=7,
        comparison=Comparison(metrics, 90, served="pinsage"),
        related=(related,),
        home=Home("Ada", ("Cozy bedroom",), (("Lamp", 0.75), ("Curry", 0.25)), ((pins[0], "Lamp"),)),
        ads=replace(related, answers={"ads": pins}),
        fresh=Fresh(pins[1], ("Nooks",), pins, pins),
        second=SecondAct(
            query="Lamp <1>",
            newcomer="Newest lamp",
            board="Old board",
            boards=("Nooks",),
            before=Answered("g1", ("a", "b"), None),
            after=Answered("g2", ("Newest lamp", "a"), 1),
            undone=Answered("g1", ("a", "b"), None),
            last=Answered("g3", ("Newest lamp", "a"), 1),
            plan="look up",
            counts={},
            seconds=0.25,
            receipt={"number": 1, "state": "complete", "rev": 7, "digest": "d"},
            left={"the graph": 0, "g3": 0},
        ),
        looks=(Look("Around a pin", "engine cypher run inspect/x", "MATCH (i) RETURN i", ("a", "b"), (("1", "2"),)),),
        steps=(Step("World", "600 pins", 1.25),),
        generation="g1",
        watermark=9,
    )


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    rng = np.random.default_rng(0)
    return Pictures(
        map=figures.embedding_map(rng.normal(size=(60, 2)), ["Home", "Food", "Art"] * 20),
        bars=figures.method_bars({"a": {"Hit@10": 0.2}, "b": {"Hit@10": 0.0}}, ["Hit@10"]),
        degrees=figures.degree_distribution({"saves of a pin": np.array([0, 1, 1, 5, 40])}),
        training=figures.training_curve([2.0, 1.0], [0.1, 0.2]),
    )


def test_every_picture_opens(pictures: Pictures) -> None:
    for uri in (pictures.map, pictures.bars, pictures.degrees, pictures.training):
        check_picture(uri)


def test_a_name_on_the_map_stands_on_the_thickest_of_what_it_names() -> None:
    rng = np.random.default_rng(0)
    clusters = [rng.normal(0, 0.1, (count, 2)) + place for count, place in ((30, (9, 9)), (60, (-9, 2)), (20, (0, -9)))]
    assert np.linalg.norm(figures.thickest(np.concatenate(clusters), 1.0) - (-9, 2)) < 0.2


def test_a_group_of_one_and_a_metric_of_zero_can_be_drawn() -> None:
    check_picture(figures.embedding_map(np.zeros((1, 2)), ["Home"]))
    check_picture(figures.method_bars({"a": {"Hit@10": 0.0}}, ["Hit@10"]))
    check_picture(figures.training_curve([1.0], []))


def test_the_report_is_whole_html_with_its_pictures_inside_and_nothing_outside(
    story: Story, pictures: Pictures
) -> None:
    page = Page(render(story, pictures))
    assert page.open == []
    assert page.outside == []
    assert set(page.pictures) == {"map", "metrics", "degrees", "training"}
    for uri in page.pictures.values():
        check_picture(uri)
    for told in ("Cozy <nook> & lamp 0", "Hit@10", ".300", "600", "generation g1", "MATCH (i) RETURN i", "Ada"):
        assert told in page.text


def test_the_same_story_gives_the_same_bytes_and_is_not_written_twice(
    story: Story, pictures: Pictures, tmp_path: Path
) -> None:
    assert render(story, pictures) == render(story, pictures)
    assert write(tmp_path / "r.html", render(story, pictures))
    assert not write(tmp_path / "r.html", render(story, pictures))
    assert write(tmp_path / "r.html", render(replace(story, seed=8), pictures))


def test_the_terminal_shows_titles_metrics_and_where_the_report_is(story: Story) -> None:
    console = Console(record=True, width=110)
    show(story, Path("/somewhere/report.html"), console)
    text = console.export_text()
    for told in (
        "Cozy <nook> & lamp 0",
        "Hit@10",
        ".300",
        "Home feed of Ada",
        "/somewhere/report.html",
        "MATCH (i) RETURN i",
    ):
        assert told in text
