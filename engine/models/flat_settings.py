"""Settings by name, without saying which part of a model they belong to. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar, Self

from engine.errors import ConfigError

NOT_SETTINGS = ("seed",)
"""What the data brings."""
_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}


def parts_of(model: str, defaults: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of some settings with values put in.

    Args:
        model: its name, for messages.
        defaults: a dataclass of dataclasses, the parts; no two of them have a setting of one name. What is a dataclass
            within a part is no setting: make it a part of its own.
        values: setting -> value.

    Returns:
        Part -> the dataclass.

    Raises:
        ConfigError: an unknown name, a value of the wrong type or out of range.
    """
    parts = {part.name: getattr(defaults, part.name) for part in fields(defaults)}
    owner = {
        known.name: (name, known)
        for name, part in parts.items()
        for known in fields(part)
        if known.name not in NOT_SETTINGS and not is_dataclass(getattr(part, known.name))
    }
    changes: dict[str, dict[str, Any]] = {name: {} for name in parts}
    for name, value in values.items():
        if name not in owner:
            raise ConfigError(f"{model}: unknown setting {name!r}", hint=f"Known: {', '.join(sorted(owner))}.")
        part, known = owner[name]
        wanted = _TYPES.get(str(known.type), (str,))
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise ConfigError(f"{model}: {name} must be {known.type}, not {value!r}")
        changes[part][name] = value
    return {name: replace(part, **changes[name]) for name, part in parts.items()}


class FlatSettings:
    """Everything that a trained model depends on but the data and the seed, for a dataclass of dataclasses to inherit.

    Attributes:
        method: the model's name, for messages.
    """

    __slots__ = ()
    method: ClassVar[str]

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> Self:
        """Read settings by name, whichever part they belong to.

        Raises:
            ConfigError: an unknown name, a value of the wrong type or out of range.
        """
        return cls(**parts_of(cls.method, cls(), values))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` made."""
        defaults: Any = cls()
        return cls(**{part.name: type(getattr(defaults, part.name))(**values[part.name]) for part in fields(defaults)})
