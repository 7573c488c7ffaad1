"""The chat itself: hub, rooms, sessions, the pipeline to storage, a handler per command. It sees ports, no library."""
