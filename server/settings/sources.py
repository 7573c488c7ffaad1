"""The sources of settings: the environment, which overrides a ``.env`` file, and the files that ``*_FILE`` name."""

import re
import stat
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

from server.settings.table import SETTINGS
from server.settings.values import SettingError, Settings
from utils.wording import counted

# The largest file of a secret, in bytes: enough for any secret, and not for a log that was named by mistake.
FILE_BYTES = 64 << 10

_SECRETS = tuple(setting.name for setting in SETTINGS if setting.secret)
_KNOWN = (*(setting.name for setting in SETTINGS), *(f"{name}_FILE" for name in _SECRETS))
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,40}")
# How similar a name must be to that of a setting (1: the same). The environment has those of all other programs, too:
# NATS_USER and PGPORT have 0.8, DATABASE_URI and JWTSECRET more than 0.9.
SIMILAR_IN_FILE, SIMILAR_IN_ENVIRONMENT = 0.7, 0.87


def read_settings(environment: Mapping[str, str], dotenv: Path | None = None, **options: str | None) -> Settings:
    """Return the settings of this process.

    Args:
        environment: usually ``os.environ``; wins over the file.
        dotenv: a ``.env`` file; a missing one counts as empty, a directory is an error.
        options: of the command line, by setting in lower case; they override both, None means not given.

    Raises:
        SettingError: see `Settings`; or a secret is given twice, or its file cannot be read. It names every
            problem, except that an unreadable ``.env`` is named alone.
    """
    try:
        if dotenv is not None and dotenv.is_dir():  # which python-dotenv takes for a missing file
            raise SettingError(f"{dotenv} is a directory; it must be a file")
        file = dotenv_values(dotenv, interpolate=False) if dotenv is not None else {}
        readable = dotenv is not None and bool(file) and bool(dotenv.stat().st_mode & stat.S_IROTH)
    except UnicodeDecodeError:
        raise SettingError(f"{dotenv} must be UTF-8 text") from None
    except OSError as error:
        raise SettingError(f"{dotenv} cannot be read: {error.strerror}") from None
    given = {name: text for name, text in file.items() if text is not None} | dict(environment)
    given |= {name.upper(): text for name, text in options.items() if text is not None}
    sources = dict.fromkeys(file, str(dotenv)) | dict.fromkeys(environment, "environment")
    sources |= {name.upper(): f"--{name}" for name, text in options.items() if text is not None}
    problems: list[str] = []
    from_file = set()
    for name in _SECRETS:
        if path := given.get(f"{name}_FILE", "").strip():
            try:
                if given.get(name):
                    raise SettingError(f"{name} and {name}_FILE are both set; unset one of them")
                given[name] = _secret_in(f"{name}_FILE", Path(path))
                from_file.add(name)
                sources[name] = path
            except SettingError as error:
                problems += error.problems
                given[name] = ""
    remarks = [*unknown_names(file, str(dotenv)), *misspelt_names(environment, given)]
    if readable and any(file.get(name) for name in _SECRETS):
        remarks.append(f"{dotenv} contains secrets and can be read by every user of this machine: chmod 600 {dotenv}")
    return Settings(given, remarks, problems, from_file, sources)


def _secret_in(name: str, path: Path) -> str:
    """Return the content of a file, without one trailing line end, which editors and `echo` append.

    Raises:
        SettingError: it names the setting, not the content of the file.
    """
    try:
        if not path.is_file():  # a pipe can be read once, but SIGHUP reads again
            raise SettingError(f"{name}: {path} is not a file" if path.exists() else f"{name}: no such file: {path}")
        with path.open("rb") as file:
            held = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise SettingError(f"{name}: {path} cannot be read: {error.strerror}") from None
    if len(held) > FILE_BYTES:
        raise SettingError(f"{name}: {path} contains more than {FILE_BYTES} bytes")
    text = held.removesuffix(b"\n").removesuffix(b"\r").decode(errors="surrogateescape")
    if not text or "\0" in text:
        raise SettingError(f"{name}: {path} {'contains a zero byte' if text else 'is empty'}")
    return text


def unknown_names(file: Mapping[str, str | None], path: str) -> tuple[str, ...]:
    """Return a sentence about each unknown name in a ``.env`` file that resembles a setting, and one about the others.

    The others are only counted: a secret of several lines without quotes is read as names, too.
    """
    unknown = [name for name in file if name not in _KNOWN]
    nearest = {name: _nearest(name, SIMILAR_IN_FILE) for name in unknown}
    remarks = [f"{name} in {path} is not a setting; did you mean {known}?" for name, known in nearest.items() if known]
    if others := len(unknown) - len(remarks):
        unknown_ones = counted(others, "other name that is not a setting", "other names that are not settings")
        remarks.append(f"{path} has {unknown_ones}")
    return tuple(remarks)


def misspelt_names(environment: Mapping[str, str], given: Collection[str]) -> Iterator[str]:
    """Yield a sentence about each name in the environment that looks like a misspelt setting.

    If the setting itself is ``given``, the name belongs to another program.
    """
    for name in environment:
        if name not in _KNOWN and (known := _nearest(name, SIMILAR_IN_ENVIRONMENT)) and known not in given:
            yield f"{name} in the environment is not a setting; did you mean {known}?"


def _nearest(name: str, similarity: float) -> str | None:
    """Return the setting whose name is the most similar one."""
    known = get_close_matches(name.upper(), _KNOWN, n=1, cutoff=similarity) if _NAME.fullmatch(name) else []
    return known[0] if known else None
