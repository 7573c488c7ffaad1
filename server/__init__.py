"""The server: settings, one port for HTTP and WebSocket, dialects, tokens, health, static files. No SQL."""
