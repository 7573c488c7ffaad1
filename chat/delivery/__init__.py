"""Delivering frames: sessions, audiences, and what limits one connection."""
