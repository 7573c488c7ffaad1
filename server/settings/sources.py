"""The sources of settings: the environment, which overrides a ``.env`` file, and the files that ``*_FILE`` name."""

import re
from collections.abc import Mapping
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
    except UnicodeDecodeError:
        raise SettingError(f"{dotenv} must be UTF-8 text") from None
    except OSError as error:
        raise SettingError(f"{dotenv} cannot be read: {error.strerror}") from None
    given = {name: text for name, text in file.items() if text is not None} | dict(environment)
    given |= {name.upper(): text for name, text in options.items() if text is not None}
    problems: list[str] = []
    from_file = set()
    for name in _SECRETS:
        if path := given.get(f"{name}_FILE", "").strip():
            try:
                if given.get(name):
                    raise SettingError(f"{name} and {name}_FILE are both set; unset one of them")
                given[name] = _secret_in(f"{name}_FILE", Path(path))
                from_file.add(name)
            except SettingError as error:
                problems += error.problems
                given[name] = ""
    return Settings(given, unknown_names(file), problems, from_file)


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


def unknown_names(file: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return a sentence about each unknown name in a ``.env`` file that resembles a setting, and one about the others.

    The others are only counted: a secret of several lines without quotes is read as names, too. The environment is not
    checked, because other programs use it.
    """
    similar = {
        name: get_close_matches(name.upper(), _KNOWN, n=1, cutoff=0.7) if _NAME.fullmatch(name) else []
        for name in file
        if name not in _KNOWN
    }
    remarks = [f"{name} in .env is not a setting; did you mean {known[0]}?" for name, known in similar.items() if known]
    if others := len(similar) - len(remarks):
        unknown = counted(others, "other name that is not a setting", "other names that are not settings")
        remarks.append(f".env has {unknown}")
    return tuple(remarks)
