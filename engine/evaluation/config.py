"""The TOML file of `engine evaluate`: a `[protocol]` section and one section a method or family. Knows no data."""

from __future__ import annotations

import tomllib
from pathlib import Path

from engine.errors import ConfigError
from engine.evaluation.protocol import RelatedProtocol
from engine.evaluation.related import RelatedConfig
from engine.models.methods import METHODS


def read_config(path: Path) -> RelatedConfig:
    """Read and check the file.

    Raises:
        ConfigError: it is missing or not TOML, or has an unknown section or setting.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    known = ["protocol", *METHODS]
    for name, section in values.items():
        if name not in known:
            raise ConfigError(f"{path}: unknown section [{name}]", hint=f"Known: {', '.join(known)}.")
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name} must be a section, [{name}]")
    return RelatedConfig(RelatedProtocol.from_mapping(values.pop("protocol", {})), values)
