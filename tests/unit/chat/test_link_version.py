"""Nodes of one link version understand each other: what they say may only change together with the version."""

import json
from hashlib import sha256
from typing import Any

from msgspec.json import schema_components

from chat.cluster.greetings import Greeting
from chat.cluster.operations import AnyOperation, Sent
from chat.link.envelope import LINK_VERSION
from server.http.forwarding import _Question, _Reply

SAID = (list[AnyOperation], Sent, Greeting, _Question, _Reply)
# By version: of the shape of everything that nodes send each other. A new digest needs a new version, once one was
# released: a node drops what it cannot decode, after it has acknowledged the packet.
DIGESTS = {1: "48e13aca6de8ce0c"}


def shape(schema: Any) -> Any:
    """Return a schema without its words for people."""
    if isinstance(schema, dict):
        return {
            name: shape(part) for name, part in schema.items() if name != "description" or not isinstance(part, str)
        }
    return [shape(part) for part in schema] if isinstance(schema, list | tuple) else schema


def test_what_nodes_say_changes_only_with_the_link_version() -> None:
    shapes = json.dumps(shape(schema_components(SAID)), sort_keys=True)
    assert sha256(shapes.encode()).hexdigest()[:16] == DIGESTS[LINK_VERSION]
