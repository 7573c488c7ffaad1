"""`main.py` of a node with a wrong clock, another version of the link, or another patience with a silent bus or owner.

CLOCK_SECONDS is the offset of its clock, ODD_LINK_VERSION its version of the link; ODD_LONELY_SECONDS and
ODD_DEAF_SECONDS are those of `chat.cluster.dead_end`. ODD_HUNG_SECONDS is how long an owner may hang until its edges
refuse commands, or take over.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from chat.cluster import dead_end, edge
from chat.link import envelope
from server.cli import main
from storage.postgres.connection import lease
from utils.clock import SystemClock

_now_us = SystemClock.now_us
_offset_us = int(float(os.environ.get("CLOCK_SECONDS", "0")) * 1_000_000)

if __name__ == "__main__":
    SystemClock.now_us = lambda self: _now_us(self) + _offset_us  # type: ignore[method-assign]
    envelope.LINK_VERSION = int(os.environ.get("ODD_LINK_VERSION", envelope.LINK_VERSION))
    dead_end.LONELY_SECONDS = float(os.environ.get("ODD_LONELY_SECONDS", dead_end.LONELY_SECONDS))
    dead_end.DEAF_SECONDS = float(os.environ.get("ODD_DEAF_SECONDS", dead_end.DEAF_SECONDS))
    if hung := float(os.environ.get("ODD_HUNG_SECONDS", "0")):
        edge.SILENT_SECONDS = hung
        lease.Pace.__new__.__defaults__ = lease.Pace(hung=hung)  # of all fields
    sys.exit(main())
