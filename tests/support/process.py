"""Start programs that cannot outlive pytest, find free ports, wait for conditions, and manage temporary folders.

Linux ties a child's PR_SET_PDEATHSIG to the *thread* that forked it, not to the process. Everything is therefore
started from one thread that lives as long as pytest, so that tests may call `start()` from `asyncio.to_thread`.
"""

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TypeVar

import psutil

ROOT = Path(__file__).resolve().parents[2]
EXEC_BOUND = Path(__file__).with_name("exec_bound.py")
TEMP_PREFIX = "parley-test-"
# Seconds: a deadline of what nothing but a success ends. However busy the machine is, only what hangs reaches it. Where
# the server itself gives up after a while, so that a wait may end by that, the deadline must be shorter.
PATIENCE = 60.0
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - of Linux; mkdtemp makes folders there that no other user can replace

T = TypeVar("T")

_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawn")
# Its lock says whether the owner of a temp folder lives; held open until the process ends.
_owned_folders: list[IO[str]] = []
_given: deque[int] = deque(maxlen=100)  # the last results of `free_port`


class NotReadyError(AssertionError):
    """A condition did not become true before its deadline; the text says which, and the last value."""


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: tuple[int, int] | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    descriptors: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start `command` with its output appended to `log`, in a session of its own (Ctrl-C reaches pytest only).

    `user` is (uid, gid) to become, for programs that refuse root. The program gets `death_signal` when pytest dies,
    even by SIGKILL, and inherits `descriptors`. May be called from any thread.
    """
    wrapped = bound(command, user=user, death_signal=death_signal)

    def start() -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            return subprocess.Popen(
                wrapped,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
                pass_fds=descriptors,
            )

    return _spawner.submit(start).result()


def bound(
    command: Sequence[str | Path],
    *,
    user: tuple[int, int] | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> list[str]:
    """Return the command of a program that ends with pytest, and that takes signals as usual, however it is run."""
    uid, gid = ("-", "-") if user is None else (str(user[0]), str(user[1]))
    wrapper = [sys.executable, "-I", "-S", str(EXEC_BOUND), str(int(death_signal)), uid, gid, str(os.getpid())]
    return [*wrapper, *map(str, command)]


def inherited_environment() -> dict[str, str]:
    """Return the environment of a server, without the settings of the user who runs the tests."""
    names = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
    return {name: os.environ[name] for name in names if name in os.environ}


def free_port() -> int:
    """Return a TCP port free on 127.0.0.1, below the range from which the kernel picks for outgoing connections.

    So a server that is stopped and started again on its port does not find it in use by a client. For the same reason,
    parallel test processes choose from different ranges, and none of the last hundred is returned again: its server may
    not listen yet.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    port = 0
    for _ in range(200):
        port = 20000 + 1500 * process + random.randrange(1500)
        if port not in _given and is_free(port):
            _given.append(port)
            return port
    raise NotReadyError(f"no free TCP port in 200 tries, the last one was {port}")


def is_free(port: int) -> bool:
    """Return whether a server could listen on a TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def poll_until(condition: Callable[[], T | None], *, timeout: float = PATIENCE, what: str, every: float = 0.02) -> T:
    """Call `condition` until it returns something true and return that; NotReadyError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        if result := condition():
            return result
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what}: not within {timeout:g} s")
        time.sleep(every)  # the pause between two looks at a condition outside this process; never the condition itself


def has_ended(pid: int) -> bool:
    """Whether a process has ended. A zombie counts as ended: if pid 1 is not an init, orphans stay zombies."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def make_temp_folder(name: str, *, memory_mb: int = 0) -> Path:
    """Create a folder under the system's temp folder, which a later test run removes if this one dies before it can.

    Others may enter it (mode 0755), because PostgreSQL runs as another user if we are root. With `memory_mb`, the
    folder is in memory instead if there is that much space.
    """
    in_memory = memory_mb and IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free >= memory_mb << 20
    folder = Path(tempfile.mkdtemp(prefix=f"{TEMP_PREFIX}{name}-", dir=IN_MEMORY if in_memory else None))
    folder.chmod(0o755)
    owner = (folder / "owner.lock").open("w")
    fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _owned_folders.append(owner)
    return folder


def remove_temp_folder(folder: Path) -> None:
    """Remove what make_temp_folder made. Missing files are fine: a dying server may still be removing its own."""
    for owner in [held for held in _owned_folders if Path(held.name).parent == folder]:
        _owned_folders.remove(owner)
        owner.close()
    shutil.rmtree(folder, ignore_errors=True)


def remove_own_temp_folders() -> None:
    """Remove every folder this run made and did not remove yet: at the end of the run."""
    for owner in _owned_folders.copy():
        remove_temp_folder(Path(owner.name).parent)


def remove_stale_temp_folders() -> None:
    """Remove the temp folders of earlier test runs that were killed: those without a held lock."""
    places = {Path(tempfile.gettempdir()), IN_MEMORY}
    for folder in (found for place in places for found in place.glob(f"{TEMP_PREFIX}*")):
        if not folder.is_dir() or folder.stat().st_uid != os.getuid():
            continue
        try:
            with (folder / "owner.lock").open("r+") as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its test run is alive
        except FileNotFoundError:
            if time.time() - folder.stat().st_mtime < 60:
                continue  # another run is just making it
        shutil.rmtree(folder, ignore_errors=True)
