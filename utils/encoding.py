"""JSON, encoded in one way everywhere."""

from __future__ import annotations

import msgspec

to_json = msgspec.json.Encoder().encode
"""Encode a record, or anything else that `msgspec` knows, as JSON in UTF-8."""
