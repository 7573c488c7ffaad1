"""What a server would find in storage: for an operator, before it is started."""

from msgspec import Struct


class Inspection(Struct, frozen=True):
    """The state of storage at one moment. Nothing was changed to find it out.

    Attributes:
        server: the program and its version.
        place: where it is, without a user or password.
        now_us: the time by its clock, in Unix microseconds.
        applied: how many migrations the schema has.
        to_apply: the migrations that the next server applies, in order.
        alone: those of them that wait until no other server runs.
        additive: after those to apply, servers of the version before can write, too.
        newer: whether a newer version has changed the schema, in a way that this one can use.
        writer: the server that writes now, in words; empty if there is none.
        writer_is_node: it is a node of a cluster.
        nodes: how many nodes of a cluster live.
        on_bus: how many of those reach the bus.
        installation: what tells this storage from all others; None before a server has written.
        free_connections: how many more connections it accepts from this user.
        errors: sentences about what prevents a server from working with it.
        warnings: sentences about what an operator should know.
    """

    server: str
    place: str
    now_us: int
    applied: int = 0
    to_apply: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    additive: bool = False
    newer: bool = False
    writer: str = ""
    writer_is_node: bool = False
    nodes: int = 0
    on_bus: int = 0
    installation: bytes | None = None
    free_connections: int = 0
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
