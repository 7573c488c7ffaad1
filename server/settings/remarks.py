"""Report oddities of valid settings: at the start, by ``check``, and when the settings are reloaded."""

import resource
from collections.abc import Iterator

from server.access.capacity import room_for
from server.settings.table import SECRET_CHARS
from server.settings.values import Settings


def remarks_on(settings: Settings) -> list[str]:
    """Return a sentence about each oddity."""
    return [*settings.remarks, *_secret(settings), *_connections(settings)]


def _secret(settings: Settings) -> Iterator[str]:
    if settings.jwt_secret:
        if len(settings.jwt_secret) < SECRET_CHARS:
            yield f"JWT_SECRET has fewer than {SECRET_CHARS} characters: tokens can be forged by brute force"
    elif settings.guests:
        yield "JWT_SECRET is not set: guests are not recognized after a restart, and accounts are refused"
    else:
        yield "GUESTS is off and JWT_SECRET is not set: every client is refused"


def _connections(settings: Settings) -> Iterator[str]:
    most, of_address = settings.max_connections, settings.max_connections_per_address
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # the hard limit, to which the start raises the soft one
    allowed = None if limit == resource.RLIM_INFINITY else room_for(limit)
    if most is not None and allowed is not None and most > allowed:
        yield f"MAX_CONNECTIONS is {most}, but the limit of open files, {limit}, leaves room for {allowed}"
    bound = most if most is not None else allowed
    if of_address is not None and bound is not None and of_address > bound:
        yield f"MAX_CONNECTIONS_PER_ADDRESS is {of_address}, but only {bound} connections are possible in all"
