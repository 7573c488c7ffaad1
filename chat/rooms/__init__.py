"""Rooms: their members, what each user may do there, and their newest messages."""
