"""The access log: a line for each HTTP request and each WebSocket handshake, if `ACCESS_LOG` is on."""

import logging

from server.logs.folding import ACCESS

log = logging.getLogger(ACCESS)
# Characters of a path, and of the name that a client gives itself.
PATH_CHARS = 200
AGENT_CHARS = 150


def log_access(
    method: str, path: str, status: int, *, size: int, seconds: float, agent: str, address: str, principal: str = ""
) -> None:
    """Log a request.

    Args:
        path: without the query string, which may have what is searched for, and names.
        size: bytes of the answer.
        seconds: until the end of the answer; of a handshake, 0.
        agent: the client's ``User-Agent``.
        address, principal: who has sent it, as far as that is known.
    """
    path, agent = path[:PATH_CHARS], agent[:AGENT_CHARS]
    access = {
        "method": method,
        "path": path,
        "status": status,
        "bytes": size,
        "seconds": round(seconds, 6),
        "user_agent": agent,
    }
    log.info(
        '%s %s %d %d B %.1f ms "%s"',
        *(method, path, status, size, seconds * 1000, agent),
        extra={"access": access, "address": address, "principal": principal},
    )
