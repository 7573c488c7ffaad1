"""Buses between nodes: the adapters of `chat.link.bus.Bus`."""
