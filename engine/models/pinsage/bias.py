"""What is added to an item's score as an answer, and what items get that were never one. Knows no network and no loss."""

from __future__ import annotations

import numpy as np

from engine.models.base import RelatedData, RelatedPairs
from engine.models.pinsage.embed import score_items
from engine.models.pinsage.model import PinSage
from engine.models.ranking import stand_all
from engine.types import FloatArray, ItemContextGraph

QUANTILES = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Where among the learned biases that of a cold item may stand."""
USUAL = 0.75
"""Where it stands when there are no validation pairs to tell by."""
WORTH = np.array([1.0, 0.2])
"""What warm and cold Hit@10 count for, each over its best. Most answers have edges: with equal shares it would pay to put
every cold item on top, because each answer of a cold pair is cold."""
HOPELESS = 0.1
"""Where cold pairs are answered less than so many times as well as the others, they say nothing and do not count."""
K = 10


def answer_bias(model: PinSage, graph: ItemContextGraph, quantile: float = USUAL) -> FloatArray:
    """The bias of every item, float32 `[N]`; zeros where the model learns none.

    Args:
        quantile: of the learned biases, given to items without edges: they were never an answer, so theirs was not learned.
    """
    if model.bias is None:
        return np.zeros(graph.num_items, dtype=np.float32)
    bias: FloatArray = model.bias.detach().numpy().copy()
    connected = graph.item_to_context.degrees() > 0
    bias[~connected] = np.quantile(bias[connected], quantile) if connected.any() else 0
    return bias


def learn_bias(model: PinSage, data: RelatedData, vectors: FloatArray, scale: float) -> FloatArray:
    """`answer_bias` with the quantile that validation likes best, warm and cold pairs counted as `WORTH` says."""
    if model.bias is None or not len(data.validation) or not len(data.validation_cold):
        return answer_bias(model, data.graph)
    tried = [answer_bias(model, data.graph, quantile) for quantile in QUANTILES]

    def hits(pairs: RelatedPairs, bias: FloatArray) -> float:
        return float(stand_all(lambda q: score_items(vectors, q, scale, bias), pairs).hit(K).mean())

    found = np.array([[hits(pairs, bias) for pairs in (data.validation, data.validation_cold)] for bias in tried])
    warm, cold = found[QUANTILES.index(USUAL)]
    worth = WORTH if cold > HOPELESS * warm else WORTH * [1, 0]
    return tried[int(np.argmax((found / np.maximum(found.max(axis=0), 1e-9)) @ worth))]


def new_bias(bias: FloatArray, graph: ItemContextGraph) -> float:
    """The bias for an item that comes later: that of the items without edges, or what would be theirs.

    Args:
        bias: float32 `[N]`, from `learn_bias`.
    """
    cold = bias[graph.item_to_context.degrees() == 0]
    return float(cold[0]) if len(cold) else float(np.quantile(bias, USUAL)) if len(bias) else 0.0
