"""The GC-MC network: messages by rating level, dense layers, bilinear decoder. Knows tensors, no data and no loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.gcmc.config import GcmcConfig
from engine.models.gcmc.sparse import Pattern, edge_dots, matmul
from engine.types import FloatArray

USERS, ITEMS = 0, 1


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the parameters' shapes depend on.

    Attributes:
        nodes: how many users, how many items.
        levels: rating levels.
        features: width of the users' fields, of the items'; 0 where none are read.
    """

    nodes: tuple[int, int]
    levels: int
    features: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class SparseRows:
    """Some rows of a sparse matrix, `[n, width]`."""

    pattern: Pattern
    weight: FloatArray


class Gcmc(nn.Module):
    """Graph convolutional matrix completion (van den Berg, Kipf and Welling, 2017).

    Every node starts from a one-hot vector, so that what it sends at a level is a row of `table`; it receives the mean of
    its neighbours' messages (equation 2), passed through a ReLU, and beside it its fields' f = ReLU(W x + b) (equation 10).
    A linear layer makes z of both (equation 3), and level r gets the logit z_u^T Q_r z_i with Q_r = sum_s a_rs P_s
    (equations 4 and 12). As in the authors' code, users and items share the linear layer unless fields are read. The a_rs
    start from polynomials in the level (`_first_mix`), not at random as theirs.

    Shapes:
        - table: `[levels x nodes, width]`, row level x nodes + node, users before items
        - forms: `[bases, dim, dim]`; mix: `[bases, levels]`
    """

    def __init__(self, config: GcmcConfig, sizes: Sizes) -> None:
        super().__init__()
        self.config, self.sizes = config, sizes
        stacked = config.accumulation == "stack"
        width = max(1, config.hidden // sizes.levels) if stacked else config.hidden
        self.hidden = width * sizes.levels if stacked else width
        self.table = nn.Parameter(_glorot(sum(sizes.nodes), self.hidden, sizes.levels * sum(sizes.nodes), width))
        self.field_weight, self.field_bias = nn.ParameterDict(), nn.ParameterDict()
        self.dense = nn.ParameterList()
        for side, wide in enumerate(sizes.features):
            if wide:
                self.field_weight[str(side)] = nn.Parameter(_glorot(wide, config.feature_hidden))
                self.field_bias[str(side)] = nn.Parameter(torch.full((config.feature_hidden,), 0.1))
            if not self.dense or any(sizes.features):
                joined = self.hidden + (config.feature_hidden if wide else 0)
                self.dense.append(nn.Parameter(_glorot(joined, config.dim)))
        self.forms = nn.Parameter(torch.empty(config.bases, config.dim, config.dim))
        for form in self.forms:
            nn.init.orthogonal_(form)
        self.mix = nn.Parameter(_first_mix(config.bases, sizes.levels))
        count = sizes.nodes if config.biases else ()
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(nodes, sizes.levels)) for nodes in count)

    def receive(self, pattern: Pattern, weight: FloatArray) -> Tensor:
        """What all nodes receive, `[nodes, hidden]`.

        Args:
            pattern: as in `graph.Messages`.
            weight: float32, a factor for each message; 0 for one that is not sent.
        """
        table: Tensor = self.table
        if self.config.accumulation == "sum":  # ordinal weight sharing: W_r = T_1 + ... + T_r
            table = table.view(self.sizes.levels, -1, table.shape[1]).cumsum(0).flatten(0, 1)
        return F.relu(matmul(pattern, weight, table)).view(-1, self.hidden)

    def joined(self, side: int, received: Tensor, fields: SparseRows | None) -> Tensor:
        """What enters the dense layer: what nodes received, beside their fields' hidden layer."""
        if fields is None:
            return received
        inner = matmul(fields.pattern, fields.weight, self.field_weight[str(side)]) + self.field_bias[str(side)]
        return torch.cat([received, F.relu(inner)], dim=1)

    def embed(self, side: int, joined: Tensor) -> Tensor:
        """z of some users or items, `[n, dim]`."""
        weight: Tensor = self.dense[min(side, len(self.dense) - 1)]
        return joined @ weight

    def forms_of(self, users: Tensor) -> Tensor:
        """z_u^T P_s of some users, `[bases, n, dim]`."""
        return users @ self.forms

    def logits(self, pattern: Pattern, users: Tensor, items: Tensor) -> Tensor:
        """The logits of the levels of some pairs, `[levels, E]`, without biases.

        Args:
            pattern: the pairs; rows are rows of `users`, columns rows of `items`.
        """
        return self.mix.T @ edge_dots(pattern, self.forms_of(users), items)


def _first_mix(bases: int, levels: int) -> Tensor:
    """What the forms say of the levels before training, `[bases, levels]`, as long as what Glorot would draw.

    Form s raises the logits by the orthogonal polynomial of degree s in the level: the first from the lowest to the
    highest, the second at both ends against the middle, and so on. Logits quadratic in the level are those of a normal
    distribution cut into levels, so two forms reach every mean and spread from the first step. Drawn ones may reach
    neither, and turn so slowly (they are few, and long beside a step) that training stands still until they have.
    Forms for which there is no polynomial left are drawn.
    """
    mix = _glorot(bases, levels)
    level = torch.arange(levels, dtype=torch.float64)
    powers = torch.vander(level - level.mean(), min(bases + 1, levels), increasing=True)
    orthogonal, triangle = torch.linalg.qr(powers)
    polynomials = (orthogonal * triangle.diagonal().sign()).T[1:]
    mix[: len(polynomials)] = polynomials * (levels * 2 / (bases + levels)) ** 0.5
    return mix


def _glorot(into: int, out: int, rows: int | None = None, columns: int | None = None) -> Tensor:
    """Uniform within sqrt(6 / (into + out)) (Glorot and Bengio, 2010)."""
    bound = (6 / (into + out)) ** 0.5
    return torch.empty(rows or into, columns or out).uniform_(-bound, bound)
