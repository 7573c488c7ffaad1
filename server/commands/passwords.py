"""Read the password of an account: from a prompt or a file, never from the arguments, which other users can see."""

import getpass
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from model.errors import ParleyError
from model.passwords import check_password
from server.accounts.hashing import Hashing

_OPTION = "--password-file"
# Bytes of a file with a password that are read.
_FILE_BYTES = 4096


def add_password_file(parser: ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        _OPTION, metavar="FILE", help="file whose first line is the password, - for standard input (default: ask)"
    )


async def hash_password(options: Namespace, username: str, email: str | None) -> str:
    """Read and check a new password, and return its hash.

    Raises:
        ParleyError: ``bad_field``: the file cannot be read, or the password is refused.
    """
    hashing = Hashing()
    try:
        given = _read(options.password_file)
        password = check_password(given, common=await hashing.common(), username=username, email=email)
        return await hashing.hash(password, "")
    finally:
        hashing.close()


def _read(file: str | None) -> str:
    try:
        if file is None:
            return _ask()
        if file == "-":
            text = sys.stdin.readline(_FILE_BYTES)
        else:
            with Path(file).open(encoding="utf-8") as opened:
                text = opened.readline(_FILE_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise _refused(f"{_OPTION} {file} cannot be read: {why}") from None
    return text.removesuffix("\n").removesuffix("\r")


def _ask() -> str:
    if not sys.stdin.isatty():
        raise _refused(f"{_OPTION} is required where no terminal can be asked for the password")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise _refused("the two passwords differ")
    return password


def _refused(why: str) -> ParleyError:
    return ParleyError("bad_field", why, field=_OPTION)
