"""The network: a table of embeddings, and averages of it along the graph. Knows arrays and tensors only."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from engine.models.gcmc.sparse import Pattern, matmul
from engine.models.lightgcn.config import LightGcnConfig


class LightGcn(nn.Module):
    """e^(k+1)_u = sum over the user's items i of e^(k)_i / sqrt(d_u d_i), and the same for items (He et al., SIGIR'20,
    equation 3); final embeddings are the mean of e^(0) .. e^(K) (equation 4).

    Args:
        edges: float32 `[users, items]`, entries 1; each user and each item has at least one.
    """

    def __init__(self, config: LightGcnConfig, edges: csr_array) -> None:
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
