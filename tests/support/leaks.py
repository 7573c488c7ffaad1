"""Find what a test left behind: asyncio tasks and sockets. Cheap enough to run after every test."""

import asyncio
import os
import socket
import stat
from pathlib import Path

_OPEN = Path("/proc/self/fd")
_HAS_PROC = _OPEN.is_dir()


def open_sockets() -> dict[str, int]:
    """Return this process's open sockets as {"socket:[inode]": file descriptor}; empty where there is no /proc."""
    if not _HAS_PROC:
        return {}
    sockets = {}
    with os.scandir(_OPEN) as entries:  # a pathlib.Path for each takes five times as long
        for entry in entries:
            try:
                found = os.fstat(int(entry.name))
            except OSError:
                continue  # another thread has closed it
            if stat.S_ISSOCK(found.st_mode):
                sockets[f"socket:[{found.st_ino}]"] = int(entry.name)
    return sockets


def describe_socket(descriptor: int) -> str:
    """Return a line about an open socket, to help find the code that opened it."""
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        try:
            peer = str(copy.getpeername())
        except OSError:
            peer = "nobody"
        return f"{copy.family.name} {copy.type.name} {copy.getsockname()} to {peer}"


async def tasks_left(before: set["asyncio.Task[object]"], rounds: int = 10) -> list[str]:
    """Return the tasks that were started since `before` and do not end within a few rounds of the loop.

    Playwright's own tasks, in the loop that browser tests share, do not count.
    """
    left: set[asyncio.Task[object]] = set()
    for _ in range(rounds):
        left = {
            task
            for task in asyncio.all_tasks() - before - {asyncio.current_task()}
            if "/playwright/" not in _file_of(task)
        }
        if not left:
            break
        await asyncio.sleep(0)  # a task that was just cancelled needs a round to end
    return sorted(str(task) for task in left)


def _file_of(task: "asyncio.Task[object]") -> str:
    code = getattr(task.get_coro(), "cr_code", None)
    return str(code.co_filename) if code else ""
