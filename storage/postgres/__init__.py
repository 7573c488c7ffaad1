"""Storage in PostgreSQL 15 or newer. Only `storage.factory` imports it."""
