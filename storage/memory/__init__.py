"""The repository in memory. Only `storage.factory` imports it."""

from storage.memory.repository import MemoryRepository

__all__ = ["MemoryRepository"]
