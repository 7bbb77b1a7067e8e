"""PinSage's settings: the network, what it looks at and how it is trained. Knows no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engine.errors import ConfigError
from engine.features.config import FeatureConfig
from engine.models.flat_settings import parts_of
from engine.sampling.config import WalkConfig
from engine.training.config import LoopConfig


@dataclass(frozen=True, slots=True)
class PinSageConfig:
    """The network (Ying et al., KDD'18, section 3.2). Raises ConfigError for a value out of range."""

    layers: int = 2
    """Convolutions, K in the paper. 0 with `content_only`: the features alone."""
    hidden: int = 128
    """Width of Q's output and of the hidden layer of the head."""
    dim: int = 128
    """Width of the inputs h0, of every layer and of the embedding."""
    pooling: Literal["importance", "mean"] = "importance"
    """Weigh neighbours by visit counts (section 3.2), or all alike (the paper's mean-pooling ablation)."""
    content_only: bool = False
    """No convolution at all: the head over the features (the paper's content ablation)."""
    residual: bool = True
    """Add h0 to the head's output, so that a node's own features need not survive K layers. Not in the paper."""
    item_bias: bool = True
    """Learn one number an item that is added to its score as an answer. Not in the paper."""
    walk: WalkConfig = field(default_factory=lambda: WalkConfig(num_walks=200, top_t=20))
    """The walks that define neighbourhoods."""

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "dim"):
            if getattr(self, name) < 1:
                raise ConfigError(f"pinsage: {name} must be at least 1, not {getattr(self, name)}")
        if self.pooling not in ("importance", "mean"):
            raise ConfigError(f"pinsage: pooling must be importance or mean, not {self.pooling!r}")


@dataclass(frozen=True, slots=True)
class PinSageTraining:
    """The objective and the batches (sections 3.3 and 3.4). Raises ConfigError for a value out of range."""

    loss: Literal["sampled-softmax", "max-margin"] = "sampled-softmax"
    """InfoNCE with logQ correction, or the paper's max-margin loss (equation 1)."""
    batch_size: int = 2048
    """Pairs a batch."""
    negatives: int = 1024
    """Items drawn uniformly and shared by a batch; the softmax also takes the other pairs' answers."""
    hard_negatives: bool = True
    """With max-margin: n - 1 hard negatives a query in epoch n."""
    hard_rank_low: int = 2000
    """Hard negatives rank at least here in the query's personalised PageRank,"""
    hard_rank_high: int = 5000
    """and below this."""
    hard_most: int = 5
    """At most so many a query."""
    margin: float = 0.1
    """With max-margin: by how much an answer must beat a negative."""
    temperature: float = 0.07
    """With sampled softmax: where the learned temperature starts."""
    held_out: float = 0.4
    """Share of the saves that leave the graph in each fold to be answers."""
    folds: int = 5
    """How often in an epoch the saves to hold out are drawn anew. With one, a network learns the fold's pairs by heart."""
    group_power: float = 1.0
    """A context with n such answers gives pairs in proportion to n ** group_power: 0 treats contexts alike, 1 saves."""
    neighbour_dropout: float = 0.1
    """Chance that a node is computed without its neighbours while training, as a cold item is."""
    token_dropout: float = 0.3
    """Chance that a node is computed without one of its tokens while training, so that no rare token stands for the node."""
    window_minutes: float = 60.0
    """Two saves into a context that follow each other within this time are a pair, where saves have times."""
    bias_rate: float = 10.0
    """Learning rate of the items' biases over that of the rest."""
    token_rate: float = 3.0
    """Learning rate of the tokens' vectors over that of the rest."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "negatives", "hard_most", "folds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"pinsage: {name} must be at least 1, not {getattr(self, name)}")
        for name in ("margin", "temperature", "window_minutes", "bias_rate", "token_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"pinsage: {name} must be positive, not {getattr(self, name)}")
        for name in ("held_out", "neighbour_dropout", "token_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"pinsage: {name} must be at least 0 and less than 1, not {getattr(self, name)}")
        if self.loss not in ("sampled-softmax", "max-margin"):
            raise ConfigError(f"pinsage: loss must be sampled-softmax or max-margin, not {self.loss!r}")
        if not 0 <= self.hard_rank_low < self.hard_rank_high:
            raise ConfigError("pinsage: hard_rank_low must be below hard_rank_high, and not negative")


@dataclass(frozen=True, slots=True)
class PinSageSettings:
    """Everything that a trained PinSage depends on but the data and the seed."""

    network: PinSageConfig = field(default_factory=PinSageConfig)
    training: PinSageTraining = field(default_factory=PinSageTraining)
    loop: LoopConfig = field(default_factory=LoopConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)

    @staticmethod
    def from_flat(values: Mapping[str, Any]) -> PinSageSettings:
        """Read settings by name, whichever part they belong to: `loss`, `epochs`, `pooling`, `walk_length`, ...

        Raises:
            ConfigError: an unknown name, a value of the wrong type or out of range.
        """
        parts = parts_of("pinsage", _Parts(), values)
        network = replace(parts.pop("network"), walk=parts.pop("walk"))
        return PinSageSettings(network=network, **parts)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> PinSageSettings:
        """Read what `dataclasses.asdict` made."""
        network = dict(values["network"])
        return PinSageSettings(
            network=PinSageConfig(**{**network, "walk": WalkConfig(**network["walk"])}),
            training=PinSageTraining(**values["training"]),
            loop=LoopConfig(**values["loop"]),
            features=FeatureConfig(**values["features"]),
        )


@dataclass(frozen=True, slots=True)
class _Parts(PinSageSettings):
    """The same with the walks beside the network, where settings are given by name."""

    walk: WalkConfig = field(default_factory=lambda: PinSageConfig().walk)
