"""Exec a program that dies when its parent does. Run by `python -I -S exec_bound.py SIGNAL UID GID PARENT PROGRAM...`.

A wrapper instead of `preexec_fn`: Python code between fork and exec may deadlock in a process that has threads, and
3.12 warns of it. SIGNAL is a number; UID and GID are numbers, or `-` to stay who we are; PARENT is the
pid that must still be ours. PR_SET_PDEATHSIG has to come
after setuid, which clears it. Where there is no prctl (macOS) the program simply runs.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    death_signal, uid, gid, expected_parent, program = arguments[0], *arguments[1:5]
    if gid != "-":
        os.setgroups([])
        os.setgid(int(gid))
    if uid != "-":
        os.setuid(int(uid))
    die_with_parent(int(death_signal), int(expected_parent))
    for ignored in (signal.SIGINT, signal.SIGHUP):  # by a shell, for what it runs in the background; by nohup
        signal.signal(ignored, signal.SIG_DFL)
    os.execvp(program, arguments[4:])  # noqa: S606 - the whole purpose


def die_with_parent(death_signal: int, expected_parent: int) -> None:
    """Get a signal when the parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != expected_parent:
            sys.exit()  # the parent died before prctl: nothing would stop the program


if __name__ == "__main__":
    main(sys.argv[1:])
