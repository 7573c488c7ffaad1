"""Say on standard error how far a long command is, and what it did."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from storage.ports.transfer import Record, kind_of

# Seconds between two lines.
_PAUSE = 5.0
# One record of a kind, and several, where adding an s to the kind does not say it.
_WORDS = {
    "secret": ("the secret of the servers", ""),
    "login": ("1 session", "sessions"),
    "alias": ("1 guest that became an account", "guests that became accounts"),
    "key": ("1 API key", "API keys"),
    "user": ("1 added user", "added users"),
    "link": ("1 invite link", "invite links"),
    "work": ("1 piece of unfinished work", "pieces of unfinished work"),
    "audit": ("1 entry of the audit log", "entries of the audit log"),
}


class Progress:
    """Counts records, and says how many there are.

    Attributes:
        counts: the records so far, by kind.

    Args:
        verb: what is done with them: ``exported``.
    """

    def __init__(self, verb: str) -> None:
        self.counts: Counter[str] = Counter()
        self._verb = verb
        self._next = time.monotonic() + _PAUSE

    def of(self, batches: Iterable[Sequence[Record]]) -> Iterator[Sequence[Record]]:
        """Yield the same batches; each counts when the next one is asked for."""
        for batch in batches:
            yield batch
            self.count(batch)

    def count(self, batch: Sequence[Record]) -> None:
        """Count records that are done."""
        for record in batch:
            self.counts[kind_of(record)] += 1
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _PAUSE
            say(f"{self._verb} {in_words(self.counts)} so far")


def say(line: str) -> None:
    """Print a line on standard error, which is shown at once."""
    # What a file says must not move the cursor of the terminal.
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
    print(shown, file=sys.stderr, flush=True)


def in_words(counts: Counter[str]) -> str:
    """Return ``12 rooms, 340 messages``; ``nothing`` if there is nothing."""
    return ", ".join(_counted(kind, count) for kind, count in counts.items() if count) or "nothing"


def _counted(kind: str, count: int) -> str:
    one, many = _WORDS.get(kind, (f"1 {kind}", f"{kind}s"))
    return one if count == 1 else f"{count:,} {many}"
