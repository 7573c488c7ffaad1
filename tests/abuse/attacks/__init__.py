"""What one client or address may try, a function each. `tests/abuse/test_bars.py` runs every one against a real server.

    python -m tests.abuse.attacks NAME PORT

An attack goes on until it is killed. It starts against a fresh server; what the server must hold for it (a long room)
it makes itself before it prints ``ready``.
"""

from tests.abuse.attacks import http, rooms, text
from tests.abuse.attacks.table import ATTACKS, Attack

__all__ = ["ATTACKS", "Attack", "http", "rooms", "text"]
