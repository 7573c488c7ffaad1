"""Bytes and JSON: WebSocket frames, response headers, decoding with named errors."""
