"""Return freed memory to the system.

glibc keeps the memory that is freed below the last block in use, and after a few large blocks nearly all of it: input
that was held for a moment would stay resident permanently. A lower M_MMAP_THRESHOLD returns less of it and costs system
calls for each larger read; trimming costs nothing until there is much to return (measured).
"""

import ctypes
import resource
import time
from pathlib import Path

# How often to check, and how many bytes above those at the start are worth trimming.
EVERY_SECONDS = 5.0
SPARE_BYTES = 32 << 20
# The largest share of the time that trimming may take: a gigabyte takes some 50 ms.
SHARE = 0.01

_STATM = Path("/proc/self/statm")
_PAGE = resource.getpagesize()
# Only glibc has it. Others (musl, macOS) return memory by themselves.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


class Memory:
    """Trims the memory of this process.

    Args:
        now: the time on a clock that never goes back, in seconds.
    """

    def __init__(self, now: float) -> None:
        self._least = resident()
        self._next = now + EVERY_SECONDS

    def give_back(self, now: float) -> None:
        """Return free memory to the system, when it is time and there may be much of it."""
        if now < self._next or _trim is None:
            return
        began = time.thread_time()
        if resident() > self._least + SPARE_BYTES:
            _trim(0)
        self._next = now + max(EVERY_SECONDS, (time.thread_time() - began) / SHARE)


def resident() -> int:
    """Return the resident bytes of this process; 0 where the system does not report them."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE
    except OSError:
        return 0
