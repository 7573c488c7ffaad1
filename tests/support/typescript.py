"""Check the JSDoc types of the browser client with TypeScript's compiler: `python3 dev.py types`.

The compiler is an npm package, unpacked into the virtual environment; Playwright's Node.js runs it.
"""

import subprocess
import sys
from pathlib import Path

from tests.support.chromium import ChromiumMissingError, find_node
from tests.support.npm import Package, fetch, unpack
from tests.support.programs import ROOT, SetupError, say

# The last version that is JavaScript: later ones are programs, a package for each platform.
TYPESCRIPT = Package(
    "typescript",
    "6.0.3",
    "sha512-y2TvuxSZPDyQakkFRPZHKFm+KKVqIisdg9/CZwm9ftvKXLP8NRWj38/ODjNbr43SsoXqNuAisEf1GdCxqWcdBw==",
)
CONFIGURATIONS = ("tsconfig.json", "tsconfig.worker.json")


def ensure() -> Path:
    """Return the compiler, fetched if it is not there. Raises SetupError."""
    folder = Path(sys.prefix) / "parley-typescript" / TYPESCRIPT.version
    if not folder.is_dir():
        say("installing TypeScript from npm")
        unpack(fetch(TYPESCRIPT), folder)
    return folder / "lib" / "tsc.js"


def check(arguments: list[str]) -> int:
    """Run the compiler with each of `CONFIGURATIONS`; return the highest exit status."""
    command = [str(find_node()), str(ensure()), *arguments]
    return max(subprocess.run([*command, "-p", name], cwd=ROOT, check=False).returncode for name in CONFIGURATIONS)


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["--ensure"]:
            ensure()
        else:
            sys.exit(check(sys.argv[1:]))
    except (ChromiumMissingError, SetupError) as error:
        print(f"dev.py: {error}", file=sys.stderr)  # noqa: T201 - dev.py's user reads it
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
