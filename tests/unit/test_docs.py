"""What the documents say of the product is what the product has."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from engine import Engine
from engine.models.user_methods import USER_METHODS
from engine.settings import GraphMapping, Settings

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()


def _leaves(model: type[BaseModel], prefix: str = "") -> list[str]:
    names = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += [] if field.annotation is GraphMapping else _leaves(field.annotation, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def test_every_setting_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z_.]+)` \|", CONFIGURATION, re.MULTILINE))
    assert documented - {"engine.toml"} == set(_leaves(Settings))


def test_the_mapping_example_is_valid() -> None:
    example = tomllib.loads(CONFIGURATION.split("```toml")[1].split("```")[0])
    mapping = GraphMapping.model_validate(example["graph"]["mapping"])
    assert set(example["graph"]["mapping"]) == set(GraphMapping.model_fields)
    assert mapping.owns.reverse


def _models() -> dict[str, list[str]]:
    """The README's table of models: name -> the cells of its row."""
    table = (ROOT / "README.md").read_text().split("## Which model for what")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| `")]
    return {name: cells for cells in rows for name in re.findall(r"`([a-z-]+)`", cells[0])}


def _anchors(page: Path) -> set[str]:
    """Of the page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _references() -> dict[str, str]:
    """The README's links by reference: label -> where it leads."""
    return dict(re.findall(r"^\[([^\]]+)\]: (\S+)$", (ROOT / "README.md").read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\(([^()\s]+)\)", page.read_text())
    links += list(_references().values()) if page.name == "README.md" else []
    for link in links:
        path, _, anchor = link.partition("#")
        if "://" not in link:
            to = page.parent / path if path else page
            assert to.exists(), link
            assert not anchor or anchor in _anchors(to), link


def test_the_readme_links_every_model_to_the_section_with_its_figures() -> None:
    to = _references()
    for name, cells in _models().items():
        linked = [to.get(label, "") for label in re.findall(r"\[([^\]]+)\]", cells[3])]
        assert linked, name
        assert all(link.startswith("docs/results.md#") for link in linked), name


def test_the_readme_says_of_every_model_which_calls_it_answers() -> None:
    calls = {name: cells[2] for name, cells in _models().items()}
    assert set(calls) == {"pinsage", *USER_METHODS}
    for name, method in USER_METHODS.items():
        assert ("`predict`" in calls[name]) == ("rating" in method.answers), name
        assert ("`next_items`" in calls[name]) == ("next" in method.answers), name
        assert ("`recommend_from_friends`" in calls[name]) == method.social, name
    assert all(hasattr(Engine, call) for told in calls.values() for call in re.findall(r"`([a-z_]+)`", told))
