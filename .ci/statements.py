"""Print how many logical lines the product has: statements of the syntax tree, docstrings excluded."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ["model", "storage", "chat", "server", "utils", "main.py"]


def statements(path: Path) -> int:
    """Count the statements of one file."""
    docstrings = 0
    count = 0
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        count += isinstance(node, ast.stmt)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstrings += ast.get_docstring(node) is not None
    return count - docstrings


def main() -> None:
    """Print one line per package, or with ``--files`` per file, and the sum."""
    total = 0
    for name in PRODUCT:
        paths = sorted((ROOT / name).rglob("*.py")) if (ROOT / name).is_dir() else [ROOT / name]
        counts = {path: statements(path) for path in paths}
        if "--files" in sys.argv[1:]:
            for path, count in counts.items():
                print(f"{count:7,}  {path.relative_to(ROOT)}")
        total += sum(counts.values())
        print(f"{sum(counts.values()):7,}  {name}")
    print(f"{total:7,}  in all")


if __name__ == "__main__":
    main()
