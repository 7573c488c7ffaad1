"""Sentences for logs."""

from __future__ import annotations


def counted(number: int, one: str, many: str) -> str:
    """A number and what it counts: ``1 write was``, ``2 writes were``."""
    return f"{number} {one if number == 1 else many}"
