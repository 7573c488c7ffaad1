"""What characters look like: the table of Unicode TS 39."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("confusables.txt")  # .ci/confusables.py makes it, and its head says what is in it


@cache
def prototypes() -> dict[int, str]:
    """For `str.translate` of decomposed text: each character that looks like another one, as what it looks like.

    Read when it is first needed, in some 2 ms.
    """
    table: dict[int, str] = {}
    for line in _FILE.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            prototype, *codes = line.split()
            looks = "".join(chr(int(code, 16)) for code in prototype.split("."))
            table.update((int(code, 16), looks) for code in codes)
    return table
