"""Attacks by one client or address, one function each. `tests/abuse/test_bars.py` runs all of them on a real server.

    python -m tests.abuse.attacks NAME PORT

An attack runs until it is killed. It starts with a new server, and creates what it needs there (a long room) before it
prints ``ready``.
"""

from tests.abuse.attacks import http, rooms, text
from tests.abuse.attacks.table import ATTACKS, Attack

__all__ = ["ATTACKS", "Attack", "http", "rooms", "text"]
