"""The machine: what it is, which cores the server and the generator get, how many files may be open."""

import os
import platform
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from tests.load.record import Machine

SPARE_FILES = 128  # what a server or a generator holds open besides its connections


@dataclass(frozen=True)
class Cores:
    """Who runs where. `server` is None where processes cannot be pinned, or there is one core only."""

    server: int | None
    others: tuple[int, ...]

    @property
    def generator(self) -> tuple[int, ...]:
        """The core of the C generator, which has one thread."""
        return self.others[:1]

    def __str__(self) -> str:
        if self.server is None:
            return "not pinned: server and generator share what cores there are"
        return f"server on core {self.server}, generator on {', '.join(map(str, self.others))}"


def choose_cores() -> Cores:
    """Give the first core to the server, and all that share no silicon with it to everybody else."""
    if sys.platform != "linux":
        return Cores(None, ())
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        return Cores(None, tuple(mine))
    server, rest = mine[0], tuple(mine[1:])
    apart = tuple(core for core in rest if core not in siblings(server))
    return Cores(server, apart or rest)


def siblings(core: int) -> set[int]:
    """Return the hardware threads of one core, itself included; of Linux's list such as "0,4" or "0-1"."""
    try:
        text = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text()
    except OSError:
        return {core}
    return core_list(text)


def core_list(text: str) -> set[int]:
    """Read Linux's notation of a set of cores: "0-2,5" is {0, 1, 2, 5}."""
    found: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def pin(pid: int, cores: tuple[int, ...]) -> None:
    """Keep a process (0: this one) on `cores`. Its children inherit that. No cores: leave it."""
    if sys.platform == "linux" and cores:
        os.sched_setaffinity(pid, cores)


def raise_file_limit() -> int:
    """Allow this process, and so its children, as many open files as it may; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, 65536, 10240):  # macOS says "unlimited", and refuses it
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            continue
        return sys.maxsize if wanted == resource.RLIM_INFINITY else wanted
    return soft


def describe_machine(cores: Cores) -> Machine:
    """Return what figures depend on. No name, no address, no path of this machine."""
    try:
        event_loop = f"uvloop {version('uvloop')}"
    except PackageNotFoundError:
        event_loop = "asyncio"
    return Machine(
        cpu=cpu_model(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        python=platform.python_version(),
        event_loop=event_loop,
        placement=str(cores),
    )


def cpu_model() -> str:
    """Return the processor's name, as Linux or macOS tells it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    except OSError:
        done = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    return platform.processor() or platform.machine()
