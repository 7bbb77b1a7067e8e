"""DiffNet++'s settings: the network, how it is trained, what it reads of the fields. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from engine.errors import ConfigError
from engine.features.config import FeatureConfig
from engine.models.flat_settings import FlatSettings
from engine.models.friends import check_setting
from engine.sampling.friends import Friendship
from engine.training.config import LoopConfig


@dataclass(frozen=True, slots=True)
class DiffnetConfig:
    """The network (Wu et al., TKDE'20, section 4). Raises ConfigError for a value out of range."""

    dim: int = 64
    """Numbers a vector and layer; what is published is those of all layers side by side."""
    layers: int = 3
    """Steps along the graph."""
    social: bool = True
    """Let a user's friends influence them."""
    friendship: Friendship = "following"
    """Who is a friend: whom a user follows, who follows them (`followers`), or `both`."""
    weighted: bool = False
    """Let a friend count in proportion to the weight of the tie, beside attention where there is one. Not in the paper."""
    attention: bool = True
    """Weigh the neighbours of a node by attention; otherwise all alike."""
    graph_attention: bool = True
    """Weigh interest against influence by attention; otherwise both alike."""
    normalisation: Literal["symmetric", "mean"] = "symmetric"
    """`mean`: what a node gains is its neighbours' weighed mean, as in the paper; `symmetric`: that mean scaled by degrees as
    LightGCN's is, so that many neighbours say more than few and popular ones less, and what friends say is added to what items
    say. Not in the paper."""
    popularity: float = 0.05
    """Where the loss is over cosines, an item's score is multiplied by its number of users to this power. Not in the paper."""
    features: bool = False
    """Add to a node's first vector what is learned of its fields."""

    def __post_init__(self) -> None:
        for name in ("dim", "layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"diffnet: {name} must be at least 1, not {getattr(self, name)}")
        check_setting("diffnet", self.friendship)
        if self.popularity < 0:
            raise ConfigError(f"diffnet: popularity must not be negative, not {self.popularity}")
        if self.normalisation not in ("symmetric", "mean"):
            raise ConfigError(f"diffnet: normalisation must be symmetric or mean, not {self.normalisation!r}")


@dataclass(frozen=True, slots=True)
class DiffnetTraining:
    """The steps. Raises ConfigError for a value out of range."""

    loss: Literal["softmax", "bpr", "squared"] = "softmax"
    """`softmax` over cosines, as LightGCN is trained here; `bpr` as in the paper; `squared` on a sigmoid, as in its code."""
    batch_size: int = 4096
    """Users a step, each with all their items."""
    candidates: int = 2048
    """Items that a step's softmax is over, drawn evenly; 0 takes all."""
    temperature: float = 0.2
    """Of the softmax."""
    negatives: int = 8
    """Items drawn for each edge by the other losses."""
    user_weight: float = 1.0
    """A user counts as much as their number of edges to this power: 1 counts edges alike, 0 users."""
    hidden: float = 0.0
    """Share of all edges that a step leaves out of what is read and predicts; with 0 it predicts edges that it reads."""
    neighbours: int = 0
    """Neighbours of each kind that a step reads of a node, drawn anew where there are more; 0 reads the whole graph."""

    def __post_init__(self) -> None:
        if self.loss not in ("softmax", "bpr", "squared"):
            raise ConfigError(f"diffnet: loss must be softmax, bpr or squared, not {self.loss!r}")
        for name in ("batch_size", "negatives"):
            if getattr(self, name) < 1:
                raise ConfigError(f"diffnet: {name} must be at least 1, not {getattr(self, name)}")
        for name in ("candidates", "neighbours", "user_weight"):
            if getattr(self, name) < 0:
                raise ConfigError(f"diffnet: {name} must not be negative, but is {getattr(self, name)}")
        if not 0 <= self.hidden < 1:
            raise ConfigError(f"diffnet: hidden must be at least 0 and less than 1, not {self.hidden}")
        if not self.temperature > 0:
            raise ConfigError(f"diffnet: temperature must be positive, not {self.temperature}")


def _loop() -> LoopConfig:
    return LoopConfig(epochs=40, learning_rate=0.1, decay=0.97, average=0.9, check_every=10)


@dataclass(frozen=True, slots=True)
class DiffnetSettings(FlatSettings):
    """Everything that a trained DiffNet++ depends on but the data and the seed."""

    method: ClassVar[str] = "diffnet"

    network: DiffnetConfig = field(default_factory=DiffnetConfig)
    training: DiffnetTraining = field(default_factory=DiffnetTraining)
    loop: LoopConfig = field(default_factory=_loop)
    fields: FeatureConfig = field(default_factory=lambda: FeatureConfig(min_items=5, components=1))
