"""What commands print: tables for people, JSON for programs."""

import re
from collections.abc import Iterable, Mapping, Sequence

from utils.encoding import to_json

Row = Mapping[str, object]

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{6}Z")


class Output:
    """Prints the results of a command.

    Args:
        json: print one JSON object a line.
    """

    def __init__(self, *, json: bool) -> None:
        self._json = json

    def rows(self, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Print a list: these columns of it in a table, or all of each row in JSON."""
        if self._json:
            for row in rows:
                self._print_json(row)
            return
        table = [[_shown(row.get(column)) for column in columns] for row in rows]
        table.insert(0, [column.upper().replace("_", " ") for column in columns])
        widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
        for line in table:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def done(self, text: str, row: Row) -> None:
        """Print what was done, in words or as a record."""
        if self._json:
            self._print_json(row)
        else:
            print(text)

    def _print_json(self, row: Row) -> None:
        print(to_json(row).decode())


def _shown(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if (time := _TIME.fullmatch(text)) is not None:
        return f"{time[1]}Z"
    # A name must not move the cursor of the terminal.
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
