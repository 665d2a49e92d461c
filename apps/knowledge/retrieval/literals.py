"""Vectors as PostgreSQL reads them."""

from collections.abc import Sequence


def halfvec_literal(vector: Sequence[float]) -> str:
    """A vector as text; five decimals are finer than a half float near 0.1."""
    return "[" + ",".join(f"{value:.5f}" for value in vector) + "]"
