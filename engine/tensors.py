"""Tensors as arrays, and arrays as tensors that repeat to the last bit. Knows nothing of what is in them."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.types import FloatArray


def tensor(values: NDArray[Any]) -> Tensor:
    """A copy in memory that torch has laid out.

    Small products of matrices are rounded by where in memory their operands begin. NumPy's arrays begin at any multiple of 16
    bytes, torch's at 64, so that a sum that a kernel made would make the same training end differently from run to run.
    """
    return torch.from_numpy(values).clone()


def array(tensor: Tensor) -> FloatArray:
    """What a kernel reads of a tensor: the same numbers without gaps, float32, and no gradient."""
    found: FloatArray = tensor.detach().contiguous().numpy()
    return found
