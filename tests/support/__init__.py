"""Shared by several tests: real servers and browsers, which end together with pytest."""
