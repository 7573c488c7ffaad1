"""Characters that look alike: the table of Unicode TS 39."""

from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("confusables.txt")  # made by .ci/confusables.py; its header describes it

# The license of the table wants this to be with it.
NOTICE = " ".join(line[2:] for line in _FILE.read_text(encoding="ascii").splitlines()[:3])


@cache
def prototypes() -> dict[int, str]:
    """Return a table for `str.translate` of decomposed text, from each look-alike character to what it looks like.

    Read on first use, in about 2 ms.
    """
    table: dict[int, str] = {}
    for line in _FILE.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            prototype, *codes = line.split()
            looks = "".join(chr(int(code, 16)) for code in prototype.split("."))
            table.update((int(code, 16), looks) for code in codes)
    return table
