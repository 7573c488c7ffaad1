"""main.py with a clock that the pictures of the page set, and with ids that are the same in each run."""

import itertools
import os
import sys
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils import ids
from utils.clock import SystemClock

SECOND_US = 1_000_000
CLOCK = Path(os.environ["PARLEY_STILL_CLOCK"])
"""A file with the time, in microseconds since the epoch; `tests.support.screenshots` replaces it as a whole."""

_started = time.monotonic_ns()
_numbers = itertools.count()


def now_us(_: SystemClock) -> int:
    """Return the time of the file, plus what has passed since the start: the numbers of messages must grow."""
    return int(CLOCK.read_text()) + (time.monotonic_ns() - _started) // 1000 % SECOND_US


def new_token(prefix: str, size: int = 12) -> str:
    """Return a token that only depends on how many were made: colours are drawn from ids."""
    digest = sha256(b"%d" % next(_numbers)).digest()[:size]
    return prefix + urlsafe_b64encode(digest).rstrip(b"=").decode()


if __name__ == "__main__":
    SystemClock.now_us = now_us  # type: ignore[method-assign, assignment] # what this file is for
    ids.new_token = new_token
    from server.cli import main  # modules that make tokens import the function

    sys.exit(main(sys.argv[1:]))
