"""Rooms: who is in them, what each may do there, and their last messages."""
