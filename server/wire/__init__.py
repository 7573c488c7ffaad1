"""From sockets to sessions: the port, the opening handshake, WebSocket connections."""
