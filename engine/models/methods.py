"""The retrieval methods by name, and how each is made. Knows no data and no protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import UnknownNameError
from engine.models.base import ItemScorer

Settings = Mapping[str, Any]
Parts = Mapping[str, ItemScorer]


@dataclass(frozen=True, slots=True)
class Method:
    """One named method.

    Attributes:
        name: what a caller asks for.
        about: one line on what it does.
        make: makes an unfitted scorer from settings and from the fitted scorers that `parts` names.
        parts: methods that must be fitted on the same data first.
        settings: what this method changes in the settings of its family.
        family: whose section of a configuration it reads, beside its own.
    """

    name: str
    about: str
    make: Callable[[Settings, Parts], ItemScorer]
    parts: tuple[str, ...] = ()
    settings: Settings | None = None
    family: str = ""

    def configuration(self, sections: Mapping[str, Settings]) -> dict[str, Any]:
        """The settings in force: the family's section, then what the method is about, then its own section."""
        return {**sections.get(self.family, {}), **(self.settings or {}), **sections.get(self.name, {})}


def find_method(name: str) -> Method:
    """Look a method up.

    Raises:
        UnknownNameError: there is no such method; lists those there are.
    """
    if name not in METHODS:
        raise UnknownNameError(f"there is no method {name!r}", hint=f"Methods: {', '.join(METHODS)}.")
    return METHODS[name]


def with_parts(names: list[str]) -> list[str]:
    """The methods that must be fitted for `names`, each after its parts, without repeats."""
    ordered: list[str] = []
    for name in names:
        for needed in (*with_parts(list(find_method(name).parts)), name):
            if needed not in ordered:
                ordered.append(needed)
    return ordered


def _popularity(_settings: Settings, _parts: Parts) -> ItemScorer:
    from engine.models.popularity import PopularityScorer

    return PopularityScorer()


def _content(_settings: Settings, _parts: Parts) -> ItemScorer:
    from engine.models.content import ContentScorer

    return ContentScorer()


def _item_knn(_settings: Settings, _parts: Parts) -> ItemScorer:
    from engine.models.item_knn import ItemKnnScorer

    return ItemKnnScorer()


def _walks(_settings: Settings, _parts: Parts) -> ItemScorer:
    from engine.models.walks import WalkScorer

    return WalkScorer()


def _blend_walks_content(_settings: Settings, parts: Parts) -> ItemScorer:
    from engine.models.blend.plain import WalksContentScorer

    return WalksContentScorer(parts["walks"], parts["content"])


def _blend(_settings: Settings, parts: Parts) -> ItemScorer:
    from engine.models.blend.scorer import BlendScorer

    return BlendScorer(parts["pinsage"], parts["walks"], parts["content"])


def _pinsage(settings: Settings, _parts: Parts) -> ItemScorer:
    from engine.models.pinsage.scorer import PinSageScorer

    return PinSageScorer.from_settings(settings)


def _ablation(name: str, about: str, **settings: Any) -> Method:
    return Method(name, about, _pinsage, settings=settings, family="pinsage")


_LISTED = (
    Method("popularity", "the items that most contexts hold", _popularity),
    Method("content", "TF-IDF cosine of fields and of the contexts' words", _content),
    Method("item-knn", "cosine of the sets of contexts", _item_knn),
    Method("walks", "exact walk of two two-hop steps", _walks),
    Method("blend-walks-content", "log(walk) + content", _blend_walks_content, parts=("walks", "content")),
    _ablation("pinsage", "PinSage, sampled softmax"),
    _ablation("pinsage-max-margin", "PinSage with the paper's loss", loss="max-margin"),
    _ablation("pinsage-mean", "PinSage, neighbours all alike", pooling="mean"),
    _ablation("pinsage-no-hard", "the paper's loss without hard negatives", loss="max-margin", hard_negatives=False),
    _ablation("pinsage-content-only", "PinSage without the graph's convolutions", content_only=True),
    Method("blend", "PinSage, walks and content, cold-safe", _blend, parts=("pinsage", "walks", "content")),
)
METHODS: dict[str, Method] = {method.name: method for method in _LISTED}
