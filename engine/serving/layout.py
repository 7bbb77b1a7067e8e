"""Which file of a generation's folder holds what. Knows names only.

```
g0007/
  manifest.json    facts, sizes and checksums (files.atomic_folder)
  vectors.npy      float32 [N, d], unit length, in the snapshot's item order
  item_keys.npy    uint64 [N], the snapshot's item keys: vectors of another snapshot are refused
  index/0, 1, ...  one index a corpus, in the order of the manifest's `corpora`
  model/           the checkpoint that made the vectors, where there is one
  blend/           what the blend of methods learned, where it was learned
```
"""

from __future__ import annotations

from pathlib import Path

FORMAT = 1
VECTORS = "vectors.npy"
ITEM_KEYS = "item_keys.npy"
MODEL = "model"
BLEND = "blend"


def index_folder(generation: Path, corpus: int) -> Path:
    """Where the index of one corpus is."""
    return generation / "index" / str(corpus)
