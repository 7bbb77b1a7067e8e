"""64-bit keys stand for ids everywhere, so their values must never change."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.hashing import digest, key64, keys64


def test_keys_are_the_first_eight_bytes_of_blake2b() -> None:
    assert key64("pin-1") == int.from_bytes(hashlib.blake2b(b"pin-1", digest_size=8).digest(), "little")


@given(st.lists(st.text()))
def test_many_keys_equal_single_keys(ids: list[str]) -> None:
    keys = keys64(ids)
    assert keys.dtype == np.uint64
    assert keys.tolist() == [key64(i) for i in ids]


def test_a_digest_ignores_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1}) != digest({"a": 1, "b": [2, 1]})
