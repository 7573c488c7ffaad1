"""What a node says of itself to all others, once a second and when it changes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder


class Owning(Struct, frozen=True, gc=False, array_like=True):
    """A node's claim to have the rooms. There is one shard, 0. ``problem``: why it stores nothing; or empty."""

    shard: int
    token: int
    epoch: str
    problem: str


class Greeting(Struct, frozen=True, gc=False, array_like=True):
    """See the top of this file.

    Attributes:
        name: for operators.
        terms: what must be the same on all nodes, as text.
        fingerprints: of its secrets, by the names of their settings.
        given_up: nodes that it takes for dead, with the generations of their links with it.
        generations: of its own links with nodes that had given it up; 1 with all others.
        owning: its claim, if it has the rooms.
        stops: it is its last one.
        noticed: the number of the last notice about accounts that it knows.
    """

    name: str
    terms: dict[str, str]
    fingerprints: dict[str, str]
    given_up: dict[bytes, int]
    generations: dict[bytes, int]
    owning: Owning | None
    stops: bool = False
    noticed: int = 0


class Notices(Protocol):
    """The notices about accounts, which every node reads from the database by itself; greetings only hasten that."""

    def last(self) -> int:
        """Return the number of the last one that this node knows."""

    def hear(self, number: int) -> None:
        """Learn the number of the last one that another node knows."""


class Terms(Protocol):
    """What must be the same on all nodes: what is stored and answered must not depend on which node has the rooms.

    Secrets may differ, while they are replaced.
    """

    def own(self) -> dict[str, str]:
        """Return the terms of this node."""

    def differences(self, theirs: Mapping[str, str]) -> Sequence[str]:
        """Return how the terms of another node differ, in words; empty if there can be a link with it."""

    def fingerprints(self) -> dict[str, str]:
        """Return a fingerprint of each secret of this node."""

    def differing(self, theirs: Mapping[str, str]) -> Sequence[str]:
        """Return the names of the secrets that differ from those of another node."""


encode = Encoder().encode
decode = Decoder(Greeting).decode
