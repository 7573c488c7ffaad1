"""The version of Parley, as pip has installed it."""

from importlib.metadata import PackageNotFoundError, version

PACKAGE = "parley"


def installed_version() -> str:
    """Return the version; "unknown" for files that pip has not installed, such as those of an unpacked archive."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"
