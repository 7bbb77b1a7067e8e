"""Which file of a generation's folder holds what. Knows names only.

```
g0007/
  manifest.json    facts, sizes and checksums (files.atomic_folder)
  vectors.*        float32 [N, d], of PinSage unit length, one row an item of the snapshot; zeros for a dead row (engine.arrays)
  item_keys.*      uint64 [N], the snapshot's item keys: vectors of another snapshot are refused (engine.arrays)
  index/0, 1, ...  one index a corpus, in the order of the manifest's `corpora` (index.layered)
  model/           the checkpoint that made the vectors, where there is one
  blend/           what the blend of methods learned, where it was learned
  state/           what the next refresh starts from, where there is any; nothing that answers is in it
```

A generation of a model about users and items (in a slot of its own) has `model/` where the method keeps anything. Where its
scores are inner products it has `vectors`, the items' as the model has them, with zeros for an item that nothing is known of,
`user_vectors.*`, float32 [users, d], the users' likewise, and an index a corpus of the items that something is known of; where
they are not, it has neither.

A delta shares with its parent, by hard links, every file that is the same. Format 1, which is still read, has `vectors.npy`
and `item_keys.npy` and a bare HNSW index a corpus.
"""

from __future__ import annotations

from pathlib import Path

FORMAT = 2
VECTORS = "vectors"
ITEM_KEYS = "item_keys"
USER_VECTORS = "user_vectors"
MODEL = "model"
BLEND = "blend"
STATE = "state"


def index_folder(generation: Path, corpus: int) -> Path:
    """Where the index of one corpus is."""
    return generation / "index" / str(corpus)
