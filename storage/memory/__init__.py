"""Storage in memory. Only `storage.factory` imports it."""
