"""Nodes of one link version understand each other: what they say may only change together with the version."""

import json
from hashlib import sha256
from typing import Any
from unittest.mock import Mock

from msgspec.json import schema_components

from chat.cluster.greetings import Greeting
from chat.cluster.operations import AnyOperation, Sent
from chat.link.envelope import LINK_VERSION
from server.http.forwarding import _Question, _Reply
from server.rest import rest_endpoints

SAID = (list[AnyOperation], Sent, Greeting, _Question, _Reply)
# By version: of the shape of everything that nodes send each other. A new digest needs a new version, once nodes of the
# last one may run anywhere: a node drops what it cannot decode, after it has acknowledged the packet; it ignores fields
# that it does not know, and does not have each row about rooms. Version 1 was that before there were accounts.
DIGESTS = {2: "970c9ad7d23c2834"}


def shape(schema: Any) -> Any:
    """Return a schema without its words for people."""
    if isinstance(schema, dict):
        return {
            name: shape(part) for name, part in schema.items() if name != "description" or not isinstance(part, str)
        }
    return [shape(part) for part in schema] if isinstance(schema, list | tuple) else schema


def digest() -> str:
    """Return the digest of what nodes of this version say; `_Question` has a row, and its parameters as bytes."""
    rows = {f"{row.method} {row.path}": row.params for row in rest_endpoints(Mock(), Mock()) if row.rooms_handler}
    shapes = shape(schema_components((*SAID, *rows.values())))
    return sha256(json.dumps([list(rows), shapes], sort_keys=True).encode()).hexdigest()[:16]


def test_what_nodes_say_changes_only_with_the_link_version() -> None:
    assert digest() == DIGESTS[LINK_VERSION]
