"""The browser client, as every server of this checkout serves it."""

from server.web.client import installed

CLIENT = installed()


def static(path: str) -> str:
    """Return the address of a file of the browser client, relative to the server."""
    return f"/static/{CLIENT.tree}/{path}"
