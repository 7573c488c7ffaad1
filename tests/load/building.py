"""The C programs, built where there is a compiler."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


class BuildError(Exception):
    """There is no such program here; the text says why, in one line."""


def build(name: str) -> Path:
    """Return the program made of `name`.c, from a cache that the sources' hash names.

    Raises BuildError: there is no compiler, or the source does not compile here (wsload is for Linux).
    """
    compiler = next(
        (found for word in (os.environ.get("CC"), "cc", "gcc", "clang") if word and (found := shutil.which(word))), ""
    )
    if not compiler:
        raise BuildError("there is no C compiler")
    digest = hashlib.sha256(compiler.encode())
    for source in sorted(HERE.glob(f"{name}*.[ch]")):
        digest.update(source.read_bytes())
    # Of this user alone: in a folder that others can write to, somebody else's program could lie in wait.
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parley-load"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        program = folder / f"{name}-{digest.hexdigest()[:16]}"
        if not program.exists():
            _compile(compiler, HERE / f"{name}.c", program)
    except OSError as error:
        raise BuildError(f"{name}.c cannot be built in {folder}: {error.strerror}") from error
    return program


def _compile(compiler: str, source: Path, program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        draft = Path(folder, "program")
        command = [compiler, "-O2", "-o", str(draft), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            why = next((line for line in done.stderr.splitlines() if "error" in line), f"status {done.returncode}")
            raise BuildError(f"{source.name} does not compile here ({why.strip()})")
        draft.replace(program)  # two that build at the same time make the same file
