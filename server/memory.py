"""Giving memory that was freed back to the system.

glibc keeps what is freed below the last piece in use, and after a few large pieces nearly all of it: input that was
held for a moment would stay as resident memory for ever. A lower M_MMAP_THRESHOLD gives less of it back and costs
system calls for each larger read; trimming costs nothing until there is much to give (measured).
"""

from __future__ import annotations

import ctypes
import resource
import time
from pathlib import Path

# How often it is looked at, and how many bytes above those at the start are worth it.
EVERY_SECONDS = 5.0
SPARE_BYTES = 32 << 20
# The largest share of the time that may go into it: a gigabyte takes some 50 ms.
SHARE = 0.01

_STATM = Path("/proc/self/statm")
_PAGE = resource.getpagesize()
# Of glibc alone. Others (musl, macOS) give back by themselves.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


class Memory:
    """Looks after the memory of this process.

    Args:
        now: the time on a clock that never goes back, in seconds.
    """

    def __init__(self, now: float) -> None:
        self._least = resident()
        self._next = now + EVERY_SECONDS

    def give_back(self, now: float) -> None:
        """Give back what is free, when it is time and there may be much of it."""
        if now < self._next or _trim is None:
            return
        began = time.thread_time()
        if resident() > self._least + SPARE_BYTES:
            _trim(0)
        self._next = now + max(EVERY_SECONDS, (time.thread_time() - began) / SHARE)


def resident() -> int:
    """Bytes of this process that are in memory; 0 where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE
    except OSError:
        return 0
