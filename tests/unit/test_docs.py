"""What the documents say of the product is what the product has."""

import re
import tomllib
from pathlib import Path

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


def test_the_readme_says_of_every_model_which_calls_it_answers() -> None:
    table = (ROOT / "README.md").read_text().split("## Which model for what")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| `")]
    calls = {name: cells[2] for cells in rows for name in re.findall(r"`([a-z-]+)`", cells[0])}
    assert set(calls) == {"pinsage", *USER_METHODS}
    for name, method in USER_METHODS.items():
        assert ("`predict`" in calls[name]) == ("rating" in method.answers), name
        assert ("`next_items`" in calls[name]) == ("next" in method.answers), name
        assert ("`recommend_from_friends`" in calls[name]) == method.social, name
    assert all(hasattr(Engine, call) for told in calls.values() for call in re.findall(r"`([a-z_]+)`", told))
