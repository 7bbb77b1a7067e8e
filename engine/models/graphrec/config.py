"""GraphRec's settings: the network, and how it is trained. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from engine.errors import ConfigError
from engine.models.flat_settings import FlatSettings
from engine.models.friends import check_setting
from engine.sampling.friends import Friendship
from engine.training.config import LoopConfig


@dataclass(frozen=True, slots=True)
class GraphrecConfig:
    """The network (Fan et al., WWW'19, section 2). Raises ConfigError for a value out of range."""

    dim: int = 32
    """Width of every vector."""
    attention: bool = True
    """Weigh neighbours by attention; otherwise all alike."""
    social: bool = True
    """Read what a user's friends rated."""
    friendship: Friendship = "following"
    """Who is a friend: whom a user follows, who follows them (`followers`), or `both`."""
    weighted: bool = False
    """Let a friend count in proportion to the weight of the tie, beside attention where there is one. Not in the paper."""
    biases: bool = True
    """Start from the damped biases of user and item, and learn what they leave. Not in the paper. They are worked out from
    the ratings at hand, so those of a later user are too."""
    tastes: bool = True
    """Add what each rating of a user, less the biases, says of the item directly (`engine.models.graphrec.model.Tastes`). Not in
    the paper."""
    user_damping: float = 5.0
    """A user's bias is the sum of what their ratings leave over, divided by their number and this."""
    item_damping: float = 3.0
    """The same of an item."""

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ConfigError(f"graphrec: dim must be at least 1, not {self.dim}")
        check_setting("graphrec", self.friendship)
        if min(self.user_damping, self.item_damping) <= 0:
            raise ConfigError("graphrec: user_damping and item_damping must be positive")


@dataclass(frozen=True, slots=True)
class GraphrecTraining:
    """The steps. Raises ConfigError for a value out of range."""

    batch_size: int = 512
    """Ratings a step."""
    history: int = 50
    """Ratings of a user, or of an item, that a step reads; drawn anew in each step where there are more."""
    friends: int = 20
    """Friends of a user, likewise."""
    unseen: float = 0.05
    """Chance that a user's history is left out in a step, so that friends alone learn to answer."""
    hidden: float = 0.5
    """Share of all ratings that a step leaves out of what is read. With the target alone left out, the others' mean would
    give away on which side of it the target is."""
    taste_decay: float = 1.0
    """Weight decay of the tastes, in place of that of everything else."""
    dropout: float = 0.2
    """Chance that a number does not enter the last layers."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "history", "friends"):
            if getattr(self, name) < 1:
                raise ConfigError(f"graphrec: {name} must be at least 1, not {getattr(self, name)}")
        if self.taste_decay < 0:
            raise ConfigError(f"graphrec: taste_decay must not be negative, not {self.taste_decay}")
        for name in ("unseen", "hidden", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"graphrec: {name} must be at least 0 and less than 1, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class GraphrecSettings(FlatSettings):
    """Everything that a trained GraphRec depends on but the data and the seed."""

    method: ClassVar[str] = "graphrec"

    network: GraphrecConfig = field(default_factory=GraphrecConfig)
    training: GraphrecTraining = field(default_factory=GraphrecTraining)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=8, learning_rate=3e-3, average=0.95))
