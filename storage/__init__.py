"""Memory that outlives a connection: the repository port, its adapters, and the function that chooses between them."""

from __future__ import annotations

from storage.factory import open_repository
from storage.repository import (
    STORED,
    BatchRefused,
    ChangeMessage,
    Duplicate,
    InsertMessage,
    InsertRoom,
    Outcome,
    Posted,
    Refused,
    Repository,
    StorageError,
    StorageUnavailable,
    Stored,
    Write,
    Writer,
)

__all__ = [
    "STORED",
    "BatchRefused",
    "ChangeMessage",
    "Duplicate",
    "InsertMessage",
    "InsertRoom",
    "Outcome",
    "Posted",
    "Refused",
    "Repository",
    "StorageError",
    "StorageUnavailable",
    "Stored",
    "Write",
    "Writer",
    "open_repository",
]
