"""The fields of log lines: what a line is about, beside its words. `server.logs.formats` writes them."""

from collections.abc import Mapping
from contextvars import ContextVar

# The logger of what clients are refused and disconnected for, in each line a client's own doing. Programs that keep
# attackers out may read it.
CLIENTS = "parley.clients"
# In the order in which they are written. A line has some of them: pass them as ``extra`` of a logging call.
FIELDS = ("request", "session", "principal", "room", "address")
# Fields of every line that a task writes, such as those of the HTTP request that it answers.
CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("log fields", default={})  # noqa: B039 - never changed in place
