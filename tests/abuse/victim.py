"""A real server that is about to be abused, with what it uses and writes while that happens."""

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
        """Seconds of CPU time it has used so far."""
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system

    def memory(self) -> float:
        """Resident memory in MB."""
        return float(psutil.Process(self.pid).memory_info().rss / MB)

    def log_lines(self) -> int:
        """Lines it has logged so far."""
        return len(self.log_text().splitlines())

    def connections(self) -> int:
        """Open TCP connections, other than the listening sockets."""
        found = psutil.Process(self.pid).net_connections(kind="tcp")
        return sum(connection.status != psutil.CONN_LISTEN for connection in found)

    def settles_below(self, megabytes: float, seconds: float = 15) -> None:
        """Wait until its memory is below a bound. Raises NotReadyError after `seconds`."""
        poll_until(lambda: self.memory() < megabytes, timeout=seconds, what=f"less than {megabytes:.0f} MB of memory")

    def pin(self, core: int) -> None:
        """Let it run on one core only."""
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
