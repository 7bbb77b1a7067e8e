"""The TOML file of `engine evaluate`: a `[protocol]` section and one section a method or family. Knows no data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.evaluation.task import Sections
from engine.models.methods import METHODS, Settings
from engine.models.user_methods import USER_METHODS


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """What a caller may change.

    Attributes:
        numbers: of the protocol, by name.
        sections: method or family -> settings.
    """

    numbers: Mapping[str, Any] = field(default_factory=dict)
    sections: Sections = field(default_factory=dict)


def read_configs(paths: Sequence[Path]) -> EvaluationConfig:
    """Several files together, such as one of each search.

    Raises:
        ConfigError: a file is wrong, or two of them give one section different settings.
    """
    numbers: dict[str, Any] = {}
    sections: dict[str, Settings] = {}
    for path in paths:
        read = read_config(path)
        for name, section in {"protocol": read.numbers, **read.sections}.items():
            into = numbers if name == "protocol" else sections.setdefault(name, {})
            if into and section and into != section:
                raise ConfigError(f"{path}: the section [{name}] is in another file too, with other settings")
            if name == "protocol":
                numbers = {**numbers, **section}
            else:
                sections[name] = section or into
    return EvaluationConfig(numbers, sections)


def read_config(path: Path) -> EvaluationConfig:
    """Read and check the file.

    Raises:
        ConfigError: it is missing or not TOML, or has an unknown section.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    families = {method.family for method in METHODS.values()} | {method.family for method in USER_METHODS.values()}
    known = list(dict.fromkeys(["protocol", *METHODS, *USER_METHODS, *sorted(families - {""})]))
    for name, section in values.items():
        if name not in known:
            raise ConfigError(f"{path}: unknown section [{name}]", hint=f"Known: {', '.join(known)}.")
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name} must be a section, [{name}]")
    return EvaluationConfig(values.pop("protocol", {}), values)
