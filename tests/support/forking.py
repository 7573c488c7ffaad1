"""Start `main.py` by forking a process that has loaded it: a tenth of the CPU time of a new Python that imports it all.

Nothing else differs: the new process has its own session, environment, working directory and log, runs `main` with its
arguments, and ends as Python does. This file is also the program that is forked: `python forking.py ASKED ANSWERED`,
the numbers of two pipes. It is asked in lines of JSON, answers with a number each, and ends with the first pipe.
"""

import atexit
import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.exec_bound import die_with_parent
from tests.support.process import ROOT, inherited_environment, make_temp_folder, remove_temp_folder, spawn

MAIN = ROOT / "main.py"
# Where the kernel cannot name a process for good (macOS), each server is a new Python.
POSSIBLE = hasattr(os, "pidfd_open")
# What Python reads when it starts, so that it is the same for all.
OF_PYTHON = {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error", "PYTHONFAULTHANDLER": "1"}

# What servers import once they have read their settings.
_LATER = (
    "server.app",
    "server.bus.nats",
    "server.bus.sealing",
    "storage.memory.storage",
    "storage.postgres.accounts.storage",
    "storage.postgres.storage",
    "uvloop",
)


class Forked:
    """A forked process, with the methods of `subprocess.Popen` that `ServerProcess` uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._handle = os.pidfd_open(pid)
        weakref.finalize(self, os.close, self._handle)  # not at the end of the process: other threads may wait for it

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while the process runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once the process ends. Raises subprocess.TimeoutExpired."""
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(MAIN), timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            look = select.poll()
            look.register(self._handle, select.POLLIN)
            if look.poll(None if timeout is None else timeout * 1000):
                self.returncode = _parent().ask(ended=self.pid)
        return self.returncode


class _Parent:
    """The process that is forked."""

    def __init__(self) -> None:
        self._folder = make_temp_folder("forking")
        self._lock = threading.Lock()
        asked, asks = os.pipe()
        answers, answered = os.pipe()
        self._process = spawn(
            [sys.executable, "-P", __file__, str(asked), str(answered)],
            log=self._folder / "log",
            env={**inherited_environment(), **OF_PYTHON},
            cwd=self._folder,
            descriptors=(asked, answered),
        )
        os.close(asked)
        os.close(answered)
        self._asks, self._answers = os.fdopen(asks, "w"), os.fdopen(answers)

    def ask(self, **question: object) -> int:
        with self._lock:
            print(json.dumps(question), file=self._asks, flush=True)
            answer = self._answers.readline()
        assert answer, (self._folder / "log").read_text()
        return int(answer)

    def close(self) -> None:
        self._asks.close()
        self._process.wait()
        self._answers.close()
        remove_temp_folder(self._folder)


@cache
def _parent() -> _Parent:
    parent = _Parent()
    atexit.register(parent.close)
    return parent


def fork(arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> Forked:
    """Start `main.py` with these arguments and this environment; its output is appended to `log`."""
    asked = {"arguments": [str(MAIN), *arguments], "env": dict(env), "cwd": str(cwd), "log": str(log)}
    return Forked(_parent().ask(**asked))


# --- the program -----------------------------------------------------------------------------------------------------


def _serve(asked: int, answered: int) -> list[str]:
    """Fork as asked. Returns in each new process, with its arguments."""
    statuses: dict[int, int] = {}
    own = os.getpid()
    with os.fdopen(asked) as questions, os.fdopen(answered, "w") as answers:
        for line in iter(questions.readline, ""):
            question = json.loads(line)
            if "ended" in question:
                pid = question["ended"]
                if pid not in statuses:
                    statuses[pid] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                answer = statuses[pid]
            elif not (answer := os.fork()):
                break
            print(answer, file=answers, flush=True)
        else:
            sys.exit()
    die_with_parent(signal.SIGKILL, own)
    os.setsid()
    os.chdir(question["cwd"])
    os.environ.clear()
    os.environ.update(question["env"])
    log = os.open(question["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    return list(question["arguments"])


def _main() -> None:
    gc.disable()
    for module in _LATER:
        with suppress(ImportError):  # not on each platform
            import_module(module)
    from server.cli import main
    from server.web.client import installed

    installed()
    gc.freeze()
    sys.argv = _serve(int(sys.argv[1]), int(sys.argv[2]))
    gc.enable()
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    _main()
