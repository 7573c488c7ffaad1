"""Delivering frames: sessions, audiences, and the limits of one connection."""
