"""How many reduce tasks a step has, where nobody says. Which one a key goes to `mapreduce.shuffle.partition` says."""

from __future__ import annotations

BYTES = 64 << 20  # of input for each reduce task
MOST = 100


def default_reduces(input_bytes: int) -> int:
    """Number of reduce tasks where none is asked for: one for every 64 MiB of input, rounded up, 1 to 100.

    It depends on the input alone, so every runner and every machine writes the same parts.

    Example:
        >>> default_reduces(0), default_reduces(100_000_000)
        (1, 2)
    """
    return min(max(1, -(-input_bytes // BYTES)), MOST)
