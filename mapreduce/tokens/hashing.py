"""Feature hashing: a feature's id by SipHash-2-4 instead of a vocabulary, equal to tf.strings.to_hash_bucket_strong.

Hashing needs no counting pass and no vocabulary file; the price is that features may share an id and that no id can
be read back. Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012). Nothing is looked up here.
"""

from __future__ import annotations

import struct

KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
"""The key of the paper's test vectors; fixed, so that ids are the same on every node and in every model. Words that are
written to share an id spoil that id and cost no more than others."""

_MASK = 0xFFFFFFFFFFFFFFFF


def siphash(data: bytes, key: tuple[int, int] = KEY) -> int:
    """SipHash-2-4 of some bytes, 64 bits."""
    k0, k1 = key
    v0, v1, v2, v3 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573
    whole = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for (word,) in [*struct.iter_unpack("<Q", whole), (None,)]:
        if word is None:
            v2 ^= 0xFF
        else:
            v3 ^= word
        for _ in range(4 if word is None else 2):
            v0 = (v0 + v1) & _MASK
            v2 = (v2 + v3) & _MASK
            v1 = ((v1 << 13 | v1 >> 51) & _MASK) ^ v0
            v3 = ((v3 << 16 | v3 >> 48) & _MASK) ^ v2
            v0 = (v0 << 32 | v0 >> 32) & _MASK
            v2 = (v2 + v1) & _MASK
            v0 = (v0 + v3) & _MASK
            v1 = ((v1 << 17 | v1 >> 47) & _MASK) ^ v2
            v3 = ((v3 << 21 | v3 >> 43) & _MASK) ^ v0
            v2 = (v2 << 32 | v2 >> 32) & _MASK
        if word is not None:
            v0 ^= word
    return v0 ^ v1 ^ v2 ^ v3


def bucket(feature: bytes, buckets: int) -> int:
    """The bucket of a feature, from 0; tf.strings.to_hash_bucket_strong(feature, buckets, KEY) is the same.

    Example:
        >>> bucket(b"cat", 1000)
        916
    """
    return siphash(feature) % buckets
