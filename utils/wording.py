"""Wording of log messages."""


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun: ``1 write was``, ``2 writes were``."""
    return f"{number} {one if number == 1 else many}"
