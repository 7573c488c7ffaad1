"""A real server to attack, and its use of CPU, memory and log meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from tests.support.process import poll_until
from tests.support.server import ServerProcess

SECRET = "a secret of the tests, long enough for HS256"
MB = 1 << 20


class Victim(ServerProcess):
    """One server process whose CPU time, memory and log are read from outside."""

    def cpu(self) -> float:
        """Return the CPU time used so far, in seconds."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    def memory(self) -> float:
        """Return the resident memory in MB."""
        return float(psutil.Process(self.pid).memory_info().rss / MB)

    def log_lines(self) -> int:
        """Return the number of lines logged so far."""
        return len(self.log_text().splitlines())

    def connections(self) -> int:
        """Return the number of open TCP connections, without the listening sockets."""
        found = psutil.Process(self.pid).net_connections(kind="tcp")
        return sum(connection.status != psutil.CONN_LISTEN for connection in found)

    def settles_below(self, megabytes: float, seconds: float = 15) -> None:
        """Wait until its memory is below a bound. Raises NotReadyError after `seconds`."""
        poll_until(lambda: self.memory() < megabytes, timeout=seconds, what=f"less than {megabytes:.0f} MB of memory")

    def pin(self, core: int) -> None:
        """Restrict it to one core."""
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
