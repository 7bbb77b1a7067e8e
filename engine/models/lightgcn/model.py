"""The network: a table of embeddings, and averages of it along the graph. Knows arrays and tensors only."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from engine.models.gcmc.sparse import Pattern, matmul
from engine.models.lightgcn.config import LightGcnConfig
from engine.models.linear.spectrum import right_singular


class LightGcn(nn.Module):
    """e^(k+1)_u = sum over the user's items i of e^(k)_i / sqrt(d_u d_i), and the same for items (He et al., SIGIR'20,
    equation 3); final embeddings are the mean of e^(0) .. e^(K) (equation 4).

    Training starts from the graph's largest singular vectors, each times the root of its value, rows scaled to length 1 in the
    quadratic mean: drawn numbers take hundreds of steps to become as good. Where the graph has fewer vectors than `dim`, the rest is drawn.

    Args:
        edges: float32 `[users, items]`, entries 1; each user and each item has at least one.
        seed: of the decomposition.
    """

    def __init__(self, config: LightGcnConfig, edges: csr_array, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        users, items = edges.shape
        self.users = nn.Parameter(torch.randn(users, config.dim) * 0.1)
        self.items = nn.Parameter(torch.randn(items, config.dim) * 0.1)
        self.user_degree = np.diff(edges.indptr).astype(np.float32)
        self.item_degree = np.bincount(edges.indices, minlength=items).astype(np.float32)
        owner = np.repeat(np.arange(users), np.diff(edges.indptr))
        self.to_users = Pattern.of(owner, edges.indices, (users, items))
        turned = self.to_users.turned
        self.to_items = Pattern(
            indptr=self.to_users.turned_indptr,
            indices=self.to_users.turned_indices,
            turned_indptr=self.to_users.indptr,
            turned_indices=self.to_users.indices,
            turned=np.argsort(turned, kind="stable"),
        )
        self.share = 1 / np.sqrt(self.user_degree[owner] * self.item_degree[edges.indices])
        self.turned_share = self.share[turned]
        graph = csr_array((self.share.astype(np.float32), edges.indices, edges.indptr), shape=edges.shape)
        values, right = right_singular(graph, config.dim, seed)
        with torch.no_grad():
            for table, vectors in (
                (self.users, graph @ right.T / np.sqrt(values)),
                (self.items, right.T * np.sqrt(values)),
            ):
                length = np.sqrt(np.square(vectors).sum(axis=1).mean())
                table[:, : len(values)] = torch.from_numpy(vectors / length)

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """e^(0) .. e^(K), each of users float `[users, dim]` and items `[items, dim]`."""
        found: list[tuple[Tensor, Tensor]] = [(self.users, self.items)]
        for _ in range(self.config.layers):
            users, items = found[-1]
            found.append((matmul(self.to_users, self.share, items), matmul(self.to_items, self.turned_share, users)))
        return found

    def forward(self) -> tuple[Tensor, Tensor]:
        """The final embeddings of users and of items."""
        users, items = zip(*self.layers(), strict=True)
        return torch.stack(users).mean(dim=0), torch.stack(items).mean(dim=0)
