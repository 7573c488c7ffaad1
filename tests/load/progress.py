"""How far it is: a bar on a terminal, plain lines elsewhere. Both on stderr; the table is alone on stdout."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Steps:
    """A number of runs, told one by one. `total` may grow: disturbed runs are repeated."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._done = 0
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if sys.stderr.isatty():
            self._bar = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=total)

    def start(self, what: str) -> None:
        """A run begins."""
        if self._bar:
            self._bar.update(self._task, description=what)
        else:
            print(f"[{self._done + 1}/{self.total}] {what}", file=sys.stderr, flush=True)

    def done(self) -> None:
        """It is over."""
        self._done += 1
        if self._bar:
            self._bar.update(self._task, completed=self._done)

    def more(self, runs: int) -> None:
        """There are more to do than thought."""
        self.total += runs
        if self._bar:
            self._bar.update(self._task, total=self.total)

    def say(self, line: str) -> None:
        """Print a line that stays."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
